#!/usr/bin/env python3
"""Writes crates/llama/tests/fixtures: tiny Llama checkpoints with the logits transformers gives for them.

    python tests/reference/make_llama_fixtures.py        (torch 2.13, transformers 5.23; CPU)

Each directory is what `save_pretrained` writes (weights in half precision to stay small, widened on both sides) plus
reference.json: right-padded input ids, row lengths, logits, and a greedy continuation of each row."""

import json
import pathlib
import shutil

import torch
from transformers import LlamaConfig, LlamaForCausalLM

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "crates/llama/tests/fixtures"
SHARED = dict(vocab_size=96, max_position_embeddings=64, bos_token_id=1, eos_token_id=[2, 3], pad_token_id=0)
CASES = {
    "grouped_tied": dict(hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
                         num_key_value_heads=2, tie_word_embeddings=True, rope_theta=10000.0, rms_norm_eps=1e-5),
    "grouped_untied_theta": dict(hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=6,
                                 num_key_value_heads=1, tie_word_embeddings=False, rope_theta=500000.0, rms_norm_eps=1e-6),
    "head_dim": dict(hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, head_dim=8,
                     num_key_value_heads=4, tie_word_embeddings=False, rope_theta=777.0, rms_norm_eps=1e-5),
    # Of the four frequencies of a head one is high, two lie between and one is low.
    "llama3_rope": dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, head_dim=8,
                        num_key_value_heads=3, tie_word_embeddings=True, rope_theta=50.0, rms_norm_eps=1e-5,
                        rope_scaling={"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                      "original_max_position_embeddings": 64}),
    "linear_rope": dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, head_dim=8,
                        num_key_value_heads=2, tie_word_embeddings=True, rope_theta=1000.0, rms_norm_eps=1e-5,
                        rope_scaling={"rope_type": "linear", "factor": 2.5}),
}


def write(name, shape, seed):
    directory = FIXTURES / name
    shutil.rmtree(directory, ignore_errors=True)
    torch.manual_seed(seed)
    theta = shape.pop("rope_theta")
    scaling = shape.pop("rope_scaling", {"rope_type": "default"})
    config = LlamaConfig(**SHARED, **shape, rope_parameters={"rope_theta": theta, **scaling})
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            # Large enough that attention and norms matter: the default deviation of 0.02 would hide a wrong rotation.
            parameter.copy_(torch.randn_like(parameter) * 0.25 + ("norm" in parameter_name))
    model.half().save_pretrained(directory)
    # Read back rather than widened in place: half() also rounds the rotary table.
    model = LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    lengths = [19, 7, 12]
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(4, SHARED["vocab_size"], (length,))
    mask = (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]).long()
    greedy = []
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits
        for row, length in enumerate(lengths):
            new = model.generate(ids[row : row + 1, :length], max_new_tokens=12, do_sample=False)[0, length:].tolist()
            stop = next((i for i, token in enumerate(new) if token in SHARED["eos_token_id"]), None)
            greedy.append({"tokens": new[:stop], "stopped": stop is not None})
    reference = {
        "ids": ids.tolist(),
        "lengths": lengths,
        "logits": [[round(x, 6) for x in logits[r, : lengths[r]][::3].flatten().tolist()] for r in range(len(lengths))],
        "greedy": greedy,
    }
    (directory / "reference.json").write_text(json.dumps(reference, separators=(",", ":")) + "\n")
    (directory / "generation_config.json").unlink(missing_ok=True)


for seed, (name, shape) in enumerate(CASES.items()):
    write(name, dict(shape), seed)
