#!/usr/bin/env python3
"""Checks a GGUF file that `quantize` or `export` wrote with llama.cpp itself (the PyPI wheel `xllamacpp`).

    check_llamacpp.py GGUF_FILE DIRECTORY PROMPTS [--answers 40] [--tokens 32] [--texts 8]

DIRECTORY is the Hugging Face directory of the same weights: that of the output `gptq`, or the model itself. PROMPTS holds a text a line, or
is a split of a dataset (.jsonl), whose conversations are taken in the chat form of DIRECTORY.

1. llama.cpp encodes a multilingual probe and all prompts as the `tokenizers` library does with DIRECTORY's tokenizer.json.
2. llama.cpp answers prompts greedily; a plain fp32 Llama in transformers with the same weights gives the same first tokens. llama.cpp
   rounds activations to 8 bits where weights are quantized, so where both differ, the reference must have found the two tokens nearly
   equal: within --near nats. F16 files need none; SmolLM2's own Q4_1 file needs 0.25.
3. The perplexity of some texts by llama.cpp is that of the plain Llama, within half a percent.

Needs torch, transformers, numpy and xllamacpp. Prints one line a check; exits 1 at the first that fails.
"""

import argparse
import itertools
import json
import math
import os
import pathlib
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import check_formats

PROBE = "Wörter, 漢字かな交じり文, Привет мир! العربية עברית 🙂👩‍💻 12345 3.14  two  spaces\n\n\ttabs\r\n'll I'VE don't x²≠y"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf")
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("prompts", type=pathlib.Path)
    parser.add_argument("--answers", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--near", type=float, default=0.05)
    parser.add_argument("--texts", type=int, default=8)
    options = parser.parse_args()
    prompts, whole = texts(options.prompts, options.directory)
    server = serve(options.gguf)
    check_tokenizer(server, options.directory, [PROBE, *prompts])
    model = reference(options.directory)
    check_answers(server, model, options, prompts)
    check_perplexity(server, model, whole[: options.texts])


def texts(path, directory):
    """Prompts, and texts with answers; of a text file both are its lines."""
    lines = [line for line in path.read_text().split("\n") if line.strip()]
    if path.suffix != ".jsonl":
        return lines, lines
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    conversations = [json.loads(line)["messages"] for line in lines]

    def render(messages, more):
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=more)

    return [render(all[:-1], True) for all in conversations], [render(all, False) for all in conversations]


def serve(path):
    """A server of llama.cpp on loopback."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx, params.n_gpu_layers, params.n_parallel, params.warmup = 2048, 0, 1, False
    params.cpuparams.n_threads = 2
    params.port, params.verbosity = 0, 0
    return xllamacpp.Server(params)


def ask(server, path, request):
    address = server.listening_address.rstrip("/") + path
    body = urllib.request.Request(address, json.dumps(request).encode(), {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(body) as answer:
        return json.load(answer)


def check_tokenizer(server, directory, texts):
    import tokenizers

    ours = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    for text in texts:
        expected = ours.encode(text, add_special_tokens=False).ids
        found = encoded(server, text)
        assert found == expected, f"{text!r}: llama.cpp gives {found}, tokenizer.json {expected}"
    print(f"ok   llama.cpp: {len(texts)} texts encoded alike, a multilingual probe among them")


def encoded(server, text):
    return ask(server, "/tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"]


def check_answers(server, model, options, prompts):
    import torch

    equal, near, gaps = 0, 0, []
    # Longer ones than the model has positions are refused.
    room = model.config.max_position_embeddings - options.tokens
    fitting = (ids for ids in (encoded(server, prompt) for prompt in prompts) if len(ids) <= room)
    asked = list(itertools.islice(fitting, options.answers))
    assert asked, "no prompt fits the model"
    for ids in asked:
        request = {"prompt": ids, "n_predict": options.tokens, "temperature": 0.0, "return_tokens": True, "cache_prompt": False}
        found = ask(server, "/completion", request)["tokens"]
        with torch.no_grad():
            logits = model(torch.tensor([ids + found])).logits[0, len(ids) - 1 : -1]
        best = logits.argmax(-1)
        # After the first difference both go their own ways.
        wrong = [i for i, token in enumerate(found) if token != best[i].item()]
        if not wrong:
            equal += 1
            continue
        row = torch.log_softmax(logits[wrong[0]], -1)
        gap = (row[best[wrong[0]]] - row[found[wrong[0]]]).item()
        gaps.append(gap)
        near += gap < options.near
    total = len(asked)
    assert equal + near == total, f"{total - equal - near} of {total} answers differ, by up to {max(gaps):.3f} nats"
    print(f"ok   llama.cpp: {equal} of {total} greedy answers equal, {near} differ where the best two tokens are within {options.near} nats")


def check_perplexity(server, model, prompts):
    import torch

    ours, theirs, count = 0.0, 0.0, 0
    for prompt in prompts:
        ids = encoded(server, prompt)[:160]
        with torch.no_grad():
            logs = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
        for place in range(1, len(ids)):
            ours -= logs[place - 1, ids[place]].item()
            theirs -= log_probability(server, ids[:place], ids[place], logs.shape[-1])
            count += 1
    ours, theirs = math.exp(ours / count), math.exp(theirs / count)
    assert abs(theirs / ours - 1) < 0.005, f"perplexity {theirs:.4f} by llama.cpp, {ours:.4f} by a plain Llama, on {count} tokens"
    print(f"ok   llama.cpp: perplexity {theirs:.4f} on {count} tokens, {ours:.4f} by a plain Llama")


def log_probability(server, before, token, vocabulary):
    """What llama.cpp gives `token` behind `before`. The server tells the likeliest tokens, so many are asked for when few do not do."""
    for many in (20, vocabulary):
        request = {"prompt": before, "n_predict": 1, "temperature": 0.0, "n_probs": many, "cache_prompt": True}
        told = ask(server, "/completion", request)["completion_probabilities"][0]["top_logprobs"]
        found = [one["logprob"] for one in told if one["id"] == token]
        if found:
            return found[0]
    raise AssertionError(f"llama.cpp gives no probability for token {token}")


def reference(directory):
    import torch
    import transformers

    config = json.loads((directory / "config.json").read_text())
    raw = check_formats.read_safetensors(directory / "model.safetensors")
    weights = check_formats.plain(raw)
    if "quantization_config" in config:
        weights |= check_formats.unpack_all(raw, config.pop("quantization_config"))
    plain = transformers.LlamaConfig(**config)
    plain.dtype = torch.float32
    model = transformers.LlamaForCausalLM(plain).float().eval()
    state = {name: torch.from_numpy(values.copy()) for name, values in weights.items()}
    absent = model.load_state_dict(state, strict=False)
    assert not absent.unexpected_keys and set(absent.missing_keys) <= {"lm_head.weight"}, absent
    model.tie_weights()
    return model


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    # The server's threads may keep the interpreter from ending.
    os._exit(0)
