#!/usr/bin/env python3
"""Holds what `tokenize` makes of conversations against `apply_chat_template` of transformers.

    check_tokenize.py WORKER [FILE.gguf]

WORKER is pipe-torch, built. It is run on bases that are made here: one small Llama for each chat template, with a tokenizer that has the
template's special tokens. Every conversation has to give the same ids, and a template with {% generation %} the same mask of what is
learned. The conversations hold every character of Unicode that is a space or controls something. FILE.gguf is SmolLM2-135M-Instruct
(see check_base.py): its tokenizer and its template are read from the file here and by the worker.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unicodedata

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from check_base import TEXTS, reference_tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "crates/tokens/tests/fixtures/chat/tokenizer.json"
SPECIAL = ["<|im_start|>", "<|im_end|>", "<s>", "</s>", "[INST]", "[/INST]", "<start_of_turn>", "<end_of_turn>", "<|eom_id|>", "<|python_tag|>"]

# Name: the token that ends a sequence, and the template.
TEMPLATES = {
    "ours": ("<|eot_id|>", (ROOT / "crates/tokens/src/chat_template.jinja").read_text()),
    "chatml": (
        "<|im_end|>",
        "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI "
        "assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + "
        "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    ),
    "chatml marked": (
        "<|im_end|>",
        """{%- for message in messages %}
    {%- if message.role == 'assistant' %}
{{- '<|im_start|>assistant\n' }}{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}
    {%- else %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
""",
    ),
    "thinking": (
        "<|im_end|>",
        """{%- set ns = namespace(last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if message.role == "user" and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.last = index %}
        {%- break %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\\n' }}{%- generation %}
        {%- if loop.index0 > ns.last and reasoning %}
            {{- '<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- content }}
        {%- endif %}{{- '<|im_end|>' }}{%- endgeneration %}{{- '\\n' }}
    {%- elif message.role == "tool" %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + content + '\\n</tool_response><|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
""",
    ),
    "llama 3.1": (
        "<|eot_id|>",
        """{{- bos_token }}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}{%- set date_string = "26 Jul 2024" %}{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    ),
    "llama 2": (
        "</s>",
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
        "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate "
        "user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = "
        "'<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}"
        "{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
        "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    ),
    "gemma": (
        "<end_of_turn>",
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('no') }}{% endif %}"
        "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
        "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}",
    ),
    "zephyr": (
        "</s>",
        "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n"
        "{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n"
        "{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    ),
}


def conversations():
    turn = lambda role, content: {"role": role, "content": content}
    invisible = [
        c for c in map(chr, range(0x110000)) if c.isspace() or unicodedata.category(c) in ("Zs", "Zl", "Zp", "Cc", "Cf")
    ]
    texts = [text for c in invisible for text in (f"{c}a{c}b{c}", f" {c}\n{c}x{c}\n{c} ")] + [c for c in TEXTS if "<|im_" not in c]
    texts += ['{"risk": 5, "why": "a \\ b"}', "line\r\nline\r", "\n\n", "", "a < b", "\U000f0000\U000f0001 private use \U00100000"]
    for index, text in enumerate(texts):
        other = texts[(7 * index + 3) % len(texts)]
        yield [turn("user", text), turn("assistant", other)]
        yield [turn("system", other), turn("user", "q"), turn("assistant", text), turn("user", text), turn("assistant", "done")]
    yield [turn("user", "call it"), turn("assistant", "call f"), turn("tool", '{"a": "\n"}'), turn("assistant", "it is 5")]
    yield [turn("user", "think"), turn("assistant", "<think>\nhm\n</think>\n\nfive"), turn("user", "<tool_response>"), turn("assistant", "<think>a</think>b")]


def run(worker, home, base, lines):
    dataset = home / "dataset"
    dataset.mkdir()
    text = "".join(json.dumps({"messages": messages}) + "\n" for messages in lines)
    for split in ("train", "validation", "test", "calibration"):
        (dataset / f"{split}.jsonl").write_text(text if split == "train" else text[: text.index("\n") + 1])
    wired = lambda path, kind: [{"path": str(path), "type": kind, "digest": "0" * 64}]
    job = {
        "kind": "tokenize",
        "version": json.loads((ROOT / "schemas/cards/tokenize.json").read_text())["version"],
        "params": {"vocab_size": None, "max_length": 512, "learn": "all", "may_be_empty": []},
        "inputs": {"dataset": wired(dataset, "dataset"), "base": wired(base, "hf-model")},
        "outputs": {"tokens": str(home / "tokens")},
        "scratch": str(home),
        "checkpoints": str(home),
        "limits": {"threads": 2, "memory": 0},
        "trace": "check/tokenize",
    }
    (home / "job.json").write_text(json.dumps(job))
    # Events go to its standard output.
    command = ["sh", "-c", 'PIPE_EVENTS_FD=1 exec "$0" run "$1"', worker, home / "job.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    made = load_file(home / "tokens/train.safetensors")
    offsets = made["offsets"].tolist()
    spans = list(zip(offsets, offsets[1:]))
    return [(made["ids"][a:b].tolist(), made["labels"][a:b].tolist()) for a, b in spans]


def compare(worker, name, tokenizer, base):
    marked = "generation %" in tokenizer.chat_template
    kept, expected = [], []
    for messages in conversations():
        # Refused by us: the place of the answer depends on what it holds, or a message is left out.
        if not marked and "<think>" in json.dumps(messages):
            continue
        if name == "zephyr" and any(message["role"] == "tool" for message in messages):
            continue
        try:
            encoded = tokenizer.apply_chat_template(
                messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=marked
            )
        except Exception as refused:
            assert "alternate" in str(refused) or "System role" in str(refused) or "no" == str(refused), refused
            continue
        kept.append(messages)
        ids = encoded["input_ids"]
        expected.append((ids, encoded["assistant_masks"] if marked else None))
    with tempfile.TemporaryDirectory() as home:
        made = run(worker, pathlib.Path(home), base, kept)
    assert len(made) == len(kept), (name, len(made), len(kept))
    for messages, (ids, mask), (ours, labels) in zip(kept, expected, made, strict=True):
        assert ours == ids, f"{name}: {messages}\n{tokenizer.decode(ids)!r}\n{tokenizer.decode(ours)!r}"
        learned = [int(label != -100) for label in labels]
        assert all(label in (-100, token) for label, token in zip(labels, ours))
        if mask is not None:
            assert learned == mask, f"{name}: {messages}\n{mask}\n{learned}"
        answers = sum(message["role"] == "assistant" for message in messages)
        ends = sum(a and not b for a, b in zip(learned, learned[1:] + [0]))
        assert ends == answers, f"{name}: {messages}: {learned}"
    what = "ids and masks" if marked else "ids"
    print(f"ok   {name}: {what} of {len(kept)} conversations are those of transformers")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    worker = pathlib.Path(sys.argv[1]).resolve()
    torch.set_num_threads(1)
    disable_progress_bar()
    for name, (eos, template) in TEMPLATES.items():
        fast = Tokenizer.from_file(str(FIXTURE))
        fast.add_special_tokens(SPECIAL)
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=fast, bos_token="<|begin_of_text|>", eos_token=eos, pad_token="<|pad|>")
        tokenizer.chat_template = template
        config = LlamaConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=len(tokenizer),
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        )
        with tempfile.TemporaryDirectory() as base:
            LlamaForCausalLM(config).save_pretrained(base)
            tokenizer.save_pretrained(base)
            compare(worker, name, tokenizer, base)
    if len(sys.argv) == 3:
        import gguf

        path = pathlib.Path(sys.argv[2]).resolve()
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=reference_tokenizer(path), eos_token="<|im_end|>")
        tokenizer.chat_template = gguf.GGUFReader(path).fields["tokenizer.chat_template"].contents()
        compare(worker, path.name, tokenizer, path.parent)


if __name__ == "__main__":
    main()
