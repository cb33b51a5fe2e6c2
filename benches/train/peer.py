"""The peer of `train`: transformers and PyTorch in eager mode, with PEFT where adapters are trained, on the examples of a directory that
`tokenize` wrote.

Started by bench.py. Prints one line of JSON a step: the example tokens and the loss. AdamW is the fused one, the fastest that PyTorch has.
"""
import argparse
import json
import os

import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

IGNORED = -100


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--shape", type=json.loads, help="fresh weights: keyword arguments of LlamaConfig")
    parser.add_argument("--base", metavar="FILE.gguf", help="the model that --lora adapts")
    parser.add_argument("--lora", type=json.loads, help="keyword arguments of LoraConfig")
    parser.add_argument("--batch", type=int, required=True, help="examples in a step")
    parser.add_argument("--micro-batch", type=int, required=True, help="examples at once")
    parser.add_argument("--sorted", action="store_true", help="examples of like length share a micro-batch")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(42)
    disable_progress_bar()
    model = adapted(options.base, options.lora) if options.base else LlamaForCausalLM(LlamaConfig(**options.shape))
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-4, betas=(0.9, 0.999), weight_decay=0.01, fused=True)
    examples = read(options.tokens)
    order = torch.randperm(len(examples)).tolist()
    events = os.fdopen(int(os.environ["PIPE_EVENTS_FD"]), "w")
    for step in range(options.steps):
        taken = [examples[order[(step * options.batch + at) % len(order)]] for at in range(options.batch)]
        if options.sorted:
            taken.sort(key=lambda example: -len(example[0]))
        loss = one_step(model, optimizer, taken, options.micro_batch)
        print(json.dumps({"tokens": sum(len(ids) for ids, _ in taken), "loss": loss}), file=events, flush=True)


def adapted(file, lora):
    from peft import LoraConfig, get_peft_model

    directory, name = os.path.split(file)
    base = AutoModelForCausalLM.from_pretrained(directory, gguf_file=name, dtype=torch.float32)
    return get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **lora))


def read(directory):
    file = load_file(os.path.join(directory, "train.safetensors"))
    bounds = list(zip(file["offsets"][:-1], file["offsets"][1:]))
    return [(file["ids"][start:end].tolist(), file["labels"][start:end].tolist()) for start, end in bounds]


def one_step(model, optimizer, examples, size):
    # Of the whole step, as transformers' Trainer counts them: the gradient does not depend on how the step is cut.
    targets = sum(label != IGNORED for _, labels in examples for label in labels[1:])
    total = 0.0
    for start in range(0, len(examples), size):
        ids, labels, mask = collate(examples[start:start + size])
        loss = model(input_ids=ids, labels=labels, attention_mask=mask, use_cache=False, num_items_in_batch=targets).loss
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total


def collate(examples):
    """Padded on the right to the longest. Without padding there is no mask, which attention then need not read."""
    longest = max(len(ids) for ids, _ in examples)
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in examples])
    labels = torch.tensor([labels + [IGNORED] * (longest - len(labels)) for _, labels in examples])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in examples])
    return ids, labels, None if bool(mask.all()) else mask


if __name__ == "__main__":
    main()
