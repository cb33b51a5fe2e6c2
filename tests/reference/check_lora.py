#!/usr/bin/env python3
"""Holds training of adapters, their files and their merge against transformers and PEFT.

    check_lora.py PIPE [FILE.gguf]

PIPE is the engine, with its workers beside it. The base is a small random Llama, or FILE.gguf (SmolLM2 takes some minutes).

1. From the same adapters, without dropout, the losses of 50 steps differ from those of PEFT's by at most 1e-3, and at the end so do
   the adapters.
2. PEFT loads our adapters onto the base; its logits are those of the merged model, which transformers loads, within 1e-4 of their
   size.
3. Greedy text of the two is equal.
4. TensorBoard reads our event file: the curves of history.json, as floats of 32 bits.
"""

import json
import math
import pathlib
import subprocess
import sys
import tempfile

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

STEPS, ROWS, WARMUP = 50, 6, 0.24
RATE, DECAY, CLIP = 5e-3, 0.01, 1.0
STAGE = """pipeline: lora
stages:
  model:
    uses: train
    in: {{tokens: {{path: tokens}}, base: {{path: base}}}}
    with:
      lora: {{dropout: 0}}
      tensorboard: true
      max_steps: {steps}
      batch_size: {rows}
      micro_batch_size: 4
      optimizer: {{adamw: {{lr: {rate}, weight_decay: {decay}}}}}
      schedule: {{linear: {{warmup: {warmup}, floor: 0}}}}
      clip_norm: {clip}
"""


def random_llama(directory):
    config = LlamaConfig(
        vocab_size=300, hidden_size=64, intermediate_size=112, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=True, rms_norm_eps=1e-5,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )
    torch.manual_seed(1)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.15 + ("norm" in name))
    model.save_pretrained(directory)


def write_tokens(directory, vocabulary):
    """Rows whose second half repeats the first, each of another length; the second half is learned."""
    directory.mkdir()
    torch.manual_seed(2)
    rows = []
    for row in range(ROWS):
        half = torch.randint(5, min(vocabulary, 4000), (9 + 4 * row,)).tolist()
        rows.append((half + half, [-100] * len(half) + half))
    offsets = [0]
    for ids, _ in rows:
        offsets.append(offsets[-1] + len(ids))
    for split in ("train", "validation", "test", "calibration"):
        save_file(
            {
                "ids": torch.tensor([token for ids, _ in rows for token in ids], dtype=torch.int32),
                "labels": torch.tensor([label for _, labels in rows for label in labels], dtype=torch.int32),
                "offsets": torch.tensor(offsets),
                "rows": torch.arange(ROWS),
            },
            directory / f"{split}.safetensors",
        )
    manifest = {"vocab_size": vocabulary, "max_length": 256, "splits": {}}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    (directory / "tokenizer.json").write_text("{}\n")
    return rows


def train(pipe, home, **settings):
    """Runs the stage in the project `home`; gives the model's directory and the losses."""
    values = dict(steps=STEPS, rows=ROWS, rate=RATE, decay=DECAY, warmup=WARMUP, clip=CLIP) | settings
    (home / "p.yaml").write_text(STAGE.format(**values))
    done = subprocess.run([pipe, "run", "p.yaml"], cwd=home, text=True, capture_output=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    history = json.loads((home / "out/lora/model/history.json").read_text())
    print("     merge_difference", history["base"]["adapters"]["merge_difference"], history["base"]["tensors"])
    return home / "out/lora/model/model", [point["loss"] for point in history["history"]["steps"]]


def factor(step):
    rising = round(STEPS * WARMUP)
    return (step + 1) / rising if step < rising else 1 - (step - rising) / (STEPS - rising)


def peft_losses(model, rows):
    """The same training with PEFT: every step sees every row."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
    labels = torch.tensor([labels + [-100] * (longest - len(labels)) for _, labels in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows])
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=DECAY)
    losses = []
    for step in range(STEPS):
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        losses.append(loss.item())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, CLIP)
        for group in optimizer.param_groups:
            group["lr"] = RATE * factor(step)
        optimizer.step()
        optimizer.zero_grad()
    return losses


def check_curves(directory):
    history = json.loads((directory.parent / "history.json").read_text())["history"]
    events = EventAccumulator(str(directory / "runs"))
    events.Reload()
    curves = {"train/loss": "loss", "train/learning_rate": "rate", "train/grad_norm": "gradient_norm"}
    expected = {tag: [(point["step"], point[key]) for point in history["steps"]] for tag, key in curves.items()}
    expected["eval/loss"] = [(point["step"], point["loss"]) for point in history["evaluations"]]
    assert set(events.Tags()["scalars"]) == set(expected), events.Tags()
    for tag, points in expected.items():
        read = [(event.step, event.value) for event in events.Scalars(tag)]
        assert read == [(step, torch.tensor(value).item()) for step, value in points], (tag, read, points)
    print(f"ok   TensorBoard: {len(expected)} curves of {STEPS} steps")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    pipe = pathlib.Path(sys.argv[1]).resolve()
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        (home / "pipe.yaml").write_text("")
        base = home / "base"
        if len(sys.argv) == 3:
            file = pathlib.Path(sys.argv[2]).resolve()
            base.mkdir()
            (base / file.name).write_bytes(file.read_bytes())
            load = lambda: AutoModelForCausalLM.from_pretrained(base, gguf_file=file.name, dtype=torch.float32)
        else:
            random_llama(base)
            load = lambda: AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        model = load()
        rows = write_tokens(home / "tokens", model.config.vocab_size)

        # A rate at which nothing moves: the adapters at the end are those at the start.
        start, _ = train(pipe, home, steps=1, rate=1e-30)
        model = PeftModel.from_pretrained(model, start / "adapter", is_trainable=True)
        theirs = peft_losses(model, rows)
        ours_at, ours = train(pipe, home)
        worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
        print(f"     losses {ours[0]:.4f} .. {ours[-1]:.4f}")
        assert ours[-1] < 0.9 * ours[0], "it learns"
        assert worst <= 1e-3, (worst, list(zip(ours, theirs)))
        print(f"ok   losses: {STEPS} steps, largest difference {worst:.1e}")
        adapters = load_file(ours_at / "adapter/adapter_model.safetensors")
        state = {name.replace(".default", ""): tensor.detach() for name, tensor in model.named_parameters() if "lora_" in name}
        assert state.keys() == adapters.keys(), state.keys() ^ adapters.keys()
        far = max((state[name] - adapters[name]).abs().max().item() for name in state)
        assert far <= RATE * STEPS / 2, far
        print(f"ok   adapters: {len(state)} matrices, largest difference {far:.1e}")

        adapted = PeftModel.from_pretrained(load(), ours_at / "adapter").eval()
        merged = AutoModelForCausalLM.from_pretrained(ours_at, dtype=torch.float32).eval()
        worst, size = 0.0, 0.0
        for number, (ids, _) in enumerate(rows):
            prompt = torch.tensor([ids[: len(ids) * 2 // 3]])
            with torch.no_grad():
                a, b = adapted(prompt).logits, merged(prompt).logits
                worst, size = max(worst, (a - b).abs().max().item()), max(size, a.abs().max().item())
                one, other = (
                    m.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=16, do_sample=False,
                               eos_token_id=2, pad_token_id=2)[0].tolist()
                    for m in (adapted, merged)
                )
            assert one == other, (number, one, other)
        assert worst <= 1e-4 * size and not math.isnan(worst), (worst, size)
        print(f"ok   logits: adapters by PEFT and merged model differ by at most {worst:.1e} (of {size:.1f})")
        print(f"ok   greedy: {len(rows)} texts are equal")
        check_curves(ours_at)


if __name__ == "__main__":
    main()
