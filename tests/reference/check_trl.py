#!/usr/bin/env python3
"""Trains with TRL on our data: its SFTTrainer learns from the same tokens as `train`, and takes our tokenizer and model as they are.

    check_trl.py MODEL DATASET TOKENS

MODEL is the directory of a trained model, DATASET that of the conversations, TOKENS what `tokenize` made of them. With
`assistant_only_loss` TRL takes the tokens that are learned from the {% generation %} marks of the chat template.

1. The ids and the labels of every example that was not cut are ours, token by token.
2. Two steps on the CPU move the weights and give a finite loss, which is ours.
"""

import json
import math
import pathlib
import sys
import tempfile

import torch
from datasets import disable_progress_bars, load_dataset
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar
from trl import SFTConfig, SFTTrainer

IGNORED = -100
BATCH = 4


def conversations(dataset, cache):
    file = load_dataset("json", data_files=str(dataset / "train.jsonl"), split="train", cache_dir=cache)
    return file.select_columns(["messages"])


def ours(tokens):
    """By line of the dataset: ids and labels of the examples that `tokenize` kept whole."""
    cut = (tokens / "cut.jsonl").read_text().splitlines()
    cut = {row["line"] for row in map(json.loads, cut) if row["split"] == "train"}
    file = load_file(tokens / "train.safetensors")
    bounds = file["offsets"].tolist()
    examples = {}
    for row, start, end in zip(file["rows"].tolist(), bounds, bounds[1:]):
        if row + 1 not in cut:
            examples[row] = (file["ids"][start:end].tolist(), file["labels"][start:end].tolist())
    return examples


def loss_of(model, examples):
    """The mean over all tokens that are learned; the first token of an example has nothing before it."""
    total, count = 0.0, 0
    for ids, labels in examples:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].double()
        wanted = torch.tensor(labels[1:])
        total += torch.nn.functional.cross_entropy(logits, wanted, ignore_index=IGNORED, reduction="sum").item()
        count += (wanted != IGNORED).sum().item()
    return total / count


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    directory, dataset, tokens = map(pathlib.Path, sys.argv[1:])
    disable_progress_bar()
    disable_progress_bars()
    torch.set_num_threads(2)
    examples = ours(tokens)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    with tempfile.TemporaryDirectory() as home:
        rows = conversations(dataset, home)
        config = SFTConfig(
            output_dir=home, max_steps=2, per_device_train_batch_size=BATCH, learning_rate=1e-3, lr_scheduler_type="constant",
            assistant_only_loss=True, max_length=None, shuffle_dataset=False, train_sampling_strategy="sequential", use_cpu=True, bf16=False,
            gradient_checkpointing=False, report_to="none", save_strategy="no", logging_steps=1, disable_tqdm=True, dataset_num_proc=None,
        )
        tokenizer = AutoTokenizer.from_pretrained(tokens)
        trainer = SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
        theirs = trainer.train_dataset
        learned = 0
        for row, (ids, labels) in examples.items():
            assert theirs[row]["input_ids"] == ids, f"train.jsonl:{row + 1}: the ids differ"
            assert theirs[row]["labels"] == labels, f"train.jsonl:{row + 1}: what is learned differs"
            learned += sum(label != IGNORED for label in labels)
        assert learned > 0 and len(examples) > len(rows) // 2, (learned, len(examples), len(rows))
        print(f"ok   TRL: {len(examples)} of {len(rows)} examples are uncut, and each has our ids and our {learned} learned tokens")

        first = [(theirs[row]["input_ids"], theirs[row]["labels"]) for row in range(BATCH)]
        expected, before = loss_of(model, first), model.get_input_embeddings().weight.detach().clone()
        trainer.train()
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        assert len(losses) == 2 and all(map(math.isfinite, losses)), losses
        assert abs(losses[0] - expected) < 1e-3, (losses[0], expected)
        assert not torch.equal(before, model.get_input_embeddings().weight), "nothing was learned"
        print(f"ok   TRL: two steps with assistant-only loss, {losses[0]:.4f} and {losses[1]:.4f}; the first is ours within 1e-3")


if __name__ == "__main__":
    main()
