#!/usr/bin/env python3
"""Checks what `quantize` wrote with readers that are not ours.

    check_formats.py GPTQ_DIRECTORY GGUF_FILE

1. The GGUF opens in the `gguf` package; its dequantizer gives, bit for bit, the weights unpacked here from the GPTQ safetensors
   by the layout in docs/formats.md, and the metadata agrees with config.json and tokenizer.json.
2. Where transformers, optimum and gptqmodel can be imported: the GPTQ directory loads in transformers, and its logits are those of
   a plain fp32 Llama with the unpacked weights.

Needs numpy and gguf. Prints one line a check; exits 1 at the first that fails.
"""

import importlib.util
import json
import os
import pathlib
import sys

import numpy as np

# gguf and gptqmodel import each other's neighbours; on two cores the latter's thread pool needs telling.
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")

DTYPES = {"F16": np.float16, "F32": np.float32, "I32": np.int32}
LINEARS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
NORMS = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    directory, gguf_path = pathlib.Path(sys.argv[1]), sys.argv[2]
    config = json.loads((directory / "config.json").read_text())
    raw = read_safetensors(directory / "model.safetensors")
    weights = {**unpack_all(raw, config["quantization_config"]), **plain(raw)}
    check_gguf(directory, config, weights, gguf_path)
    missing = [name for name in ("torch", "transformers", "optimum", "gptqmodel") if importlib.util.find_spec(name) is None]
    if missing:
        print("skip transformers: not installed:", ", ".join(missing))
    else:
        check_transformers(directory, config, weights)


def read_safetensors(path):
    """u64 length, JSON header, data."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    assert header.pop("__metadata__")["format"] == "pt"
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = data[8 + size + begin : 8 + size + end]
        if entry["dtype"] == "BF16":  # the upper half of an F32
            values = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(raw, DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def codes_of(words, axis, bits):
    """The codes in the words along `axis`, one after the other from the lowest bit on."""
    words = np.ascontiguousarray(np.moveaxis(words, axis, -1))
    every = np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little")
    codes = every.reshape(*every.shape[:-1], -1, bits).astype(np.int64) @ (1 << np.arange(bits))
    return np.moveaxis(codes, -1, axis)


def unpack_all(raw, quantization):
    bits = quantization["bits"]
    offset = {"gptq": 1, "gptq_v2": 0}[quantization["checkpoint_format"]]  # v1 stores zero minus one
    weights = {}
    for name in [n.removesuffix(".qweight") for n in raw if n.endswith(".qweight")]:
        codes = codes_of(raw[f"{name}.qweight"], 0, bits)  # inputs, outputs
        zeros = codes_of(raw[f"{name}.qzeros"], 1, bits) + offset
        groups = raw[f"{name}.g_idx"]
        size = quantization["group_size"] if quantization["group_size"] > 0 else len(groups)
        assert (groups == np.arange(len(groups)) // size).all(), f"{name}: groups are not consecutive"
        assert not quantization["sym"] or (zeros == 1 << (bits - 1)).all(), f"{name}: not symmetric"
        scales = raw[f"{name}.scales"].astype(np.float32)
        weight = scales[groups] * (codes - zeros[groups]).astype(np.float32)
        weights[f"{name}.weight"] = np.ascontiguousarray(weight.T)
    return weights


def plain(raw):
    return {name: values.astype(np.float32) for name, values in raw.items() if name.endswith(".weight")}


def check_gguf(directory, config, weights, path):
    import gguf

    reader = gguf.GGUFReader(path)
    tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    kinds = {t.name: t.tensor_type.name for t in reader.tensors}
    assert len(tensors) == len(weights), f"{len(tensors)} tensors, {len(weights)} expected"
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    quantized = 0
    for name, expected in weights.items():
        ours = gguf_name(name)
        found = np.asarray(tensors[ours], dtype=np.float32).reshape(expected.shape)
        module = name.split(".")[-2]
        if module in heads:  # ggml rotates neighbours, Hugging Face halves
            rows, columns = expected.shape
            found = found.reshape(heads[module], rows // heads[module] // 2, 2, columns).swapaxes(1, 2)
            found = found.reshape(rows, columns)
        same = (found.view(np.uint32) == expected.view(np.uint32)).all()
        assert same, f"{ours} differs from {name}"
        quantized += module.endswith("_proj") and kinds[ours] in ("Q4_0", "Q4_1", "Q8_0")
    kinds = sorted(set(kinds.values()))
    print(f"ok   gguf: {len(weights)} tensors bit for bit, {quantized} of them linears ({', '.join(kinds)})")
    check_metadata(reader, directory, config)


def gguf_name(name):
    whole = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if name in whole:
        return whole[name]
    _, _, layer, module = name.removesuffix(".weight").split(".", 3)
    return f"blk.{layer}.{ {**LINEARS, **NORMS}[module] }.weight"


def check_metadata(reader, directory, config):
    fields = {key: field.contents() for key, field in reader.fields.items()}
    tokenizer = json.loads((directory / "tokenizer.json").read_text())
    for key, name in {
        "llama.block_count": "num_hidden_layers",
        "llama.embedding_length": "hidden_size",
        "llama.feed_forward_length": "intermediate_size",
        "llama.attention.head_count": "num_attention_heads",
        "llama.attention.head_count_kv": "num_key_value_heads",
        "llama.rope.dimension_count": "head_dim",
        "llama.vocab_size": "vocab_size",
    }.items():
        assert fields[key] == config[name], f"{key} is {fields[key]}, {name} is {config[name]}"
    assert np.float32(fields["llama.rope.freq_base"]) == np.float32(config["rope_theta"])
    tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    assert len(tokens) == len(types) == config["vocab_size"]
    assert all(tokens[index] == text for text, index in tokenizer["model"]["vocab"].items())
    assert all(tokens[t["id"]] == t["content"] and types[t["id"]] == 3 for t in tokenizer["added_tokens"] if t["special"])
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    assert fields["tokenizer.ggml.merges"] == merges
    digits = tokenizer["pre_tokenizer"]["pretokenizers"][0]["type"] == "Digits"
    assert fields["tokenizer.ggml.pre"] == ("smollm" if digits else "llama-bpe")
    assert fields["tokenizer.chat_template"] == (directory / "chat_template.jinja").read_text()
    print(f"ok   gguf: metadata of {len(tokens)} tokens and {len(merges)} merges")


def check_transformers(directory, config, weights):
    import torch
    import transformers

    torch.manual_seed(0)
    quantized = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    plain_config = transformers.LlamaConfig(**{k: v for k, v in config.items() if k != "quantization_config"})
    plain_config.dtype = torch.float32
    reference = transformers.LlamaForCausalLM(plain_config).float()
    state = {name: torch.from_numpy(values.copy()) for name, values in weights.items()}
    absent = reference.load_state_dict(state, strict=False)
    assert not absent.unexpected_keys and set(absent.missing_keys) <= {"lm_head.weight"}, absent
    reference.tie_weights()
    ids = torch.randint(0, config["vocab_size"], (2, 48))
    with torch.no_grad():
        ours, theirs = quantized(ids).logits.float(), reference(ids).logits
    gap = (ours - theirs).abs().max().item()
    spread = theirs.std().item()
    kernels = sorted({type(m).__name__ for m in quantized.modules() if hasattr(m, "qweight")})
    assert kernels, "transformers loaded no quantized layer"
    assert gap < 1e-2 * max(spread, 1e-3), f"logits differ by {gap}, their spread is {spread}"
    print(f"ok   transformers: GPTQ logits within {gap:.1e} of the unpacked weights (spread {spread:.2f}, {', '.join(kernels)})")


if __name__ == "__main__":
    main()
