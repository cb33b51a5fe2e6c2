#!/usr/bin/env python3
"""Writes crates/tokens/tests/fixtures/chat: a tokenizer of ours, and the ids transformers gives for conversations with it.

    python tests/reference/make_tokenize_fixtures.py TOKENS        (transformers 5.23)

TOKENS is the output of the stage `tokenize`, at a small vocabulary."""

import json
import pathlib
import shutil
import sys
import unicodedata

from transformers import AutoTokenizer

FIXTURE = pathlib.Path(__file__).resolve().parents[2] / "crates/tokens/tests/fixtures/chat"
TEXTS = [
    "Assess these findings.",
    "  leading and trailing space is trimmed \n\n",
    "don't I'LL we've 1234567 0x7fff\tTAB  two spaces   three",
    "line one\r\nline two\n\n\nline five",
    "naïve café ☕ 你好 🙂 Привет",
    '{"severity":"high","risk":88,"actions":["remove /tmp/.x/agent"]}',
    "/usr/bin/sudo -- --help; rm -rf $HOME/*",
    "x",
]
# Every character of Unicode that is a space or controls something, where templates trim and where they do not.
INVISIBLE = [c for c in map(chr, range(0x110000)) if c.isspace() or unicodedata.category(c) in ("Zs", "Zl", "Zp", "Cc")]
TEXTS += [f"{c}a{c}b{c}" for c in INVISIBLE]

source = pathlib.Path(sys.argv[1])
FIXTURE.mkdir(parents=True, exist_ok=True)
for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"):
    shutil.copyfile(source / name, FIXTURE / name)
tokenizer = AutoTokenizer.from_pretrained(FIXTURE)
cases = []
for index, text in enumerate(TEXTS):
    answer = TEXTS[(index * 3 + 1) % len(TEXTS)]
    messages = [{"role": "system", "content": "You answer with JSON."}] if index % 2 else []
    messages += [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
    encode = lambda messages, prompt: tokenizer.apply_chat_template(
        messages, tokenize=True, return_dict=False, add_generation_prompt=prompt)
    cases.append({"messages": messages, "ids": encode(messages, False), "prompt": encode(messages[:-1], True)})
(FIXTURE / "expected.json").write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")) + "\n")
