#!/usr/bin/env python3
"""Checks what `transform` wrote with readers that are not ours.

    check_dataset.py DATASET_DIRECTORY TOKENIZER_JSON PARQUET_DIRECTORY

1. `datasets.load_dataset`, which finds the files through the data card, gives the splits, columns and counts of manifest.json and
   the rows of the JSON lines; the calibration set is a part of the training split.
2. The lengths in tokens that the manifest has are those that `tokenizers` finds with the tokenizer that `transform` was given.
3. The same dataset with Parquet files loads with the same columns and rows, all tasks at once and each by its name.

Needs datasets and tokenizers. Prints one line a check; exits 1 at the first that fails.
"""

import collections
import json
import os
import pathlib
import sys
import tempfile

# Before the import, which reads it: nothing may be asked of a network.
os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
import pyarrow
import tokenizers

SPLITS = ("train", "validation", "test")
COLUMNS = ["messages", "task", "host", "scan"]
ROLES = ["system", "user", "assistant"]


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    directory, tokenizer, parquet = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    manifest = json.loads((directory / "manifest.json").read_text())
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        check_loaded(directory, manifest, cache)
        check_tokens(directory, manifest["tokens"], tokenizers.Tokenizer.from_file(tokenizer))
        check_parquet(directory, parquet, cache)


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def check_loaded(directory, manifest, cache):
    loaded = datasets.load_dataset(str(directory), cache_dir=cache)
    expected = {name: split for name, split in manifest["splits"].items() if split["lines"]["examples"]}
    assert set(loaded) == set(expected), f"splits {sorted(loaded)}, the manifest has {sorted(expected)}"
    assert len(expected) == len(SPLITS), f"only {sorted(expected)} have examples: nothing is compared of the others"
    hosts = {}
    for name, split in expected.items():
        rows = loaded[name]
        check_rows(directory, name, rows, split["lines"])
        for host in set(rows["host"]):
            assert hosts.setdefault(host, name) == name, f"host {host} is in {hosts[host]} and in {name}"
            assert host in split["hosts"], f"host {host} of {name} is not in the manifest"
    calibration = datasets.load_dataset(str(directory), "calibration", cache_dir=cache)["train"]
    check_rows(directory, "calibration", calibration, manifest["calibration"])
    known = {json.dumps(row, sort_keys=True) for row in loaded["train"]}
    assert all(json.dumps(row, sort_keys=True) in known for row in calibration), "calibration has a row that train has not"
    counts = ", ".join(f"{loaded[name].num_rows} {name}" for name in SPLITS)
    print(f"ok   datasets {datasets.__version__}: {counts}, {calibration.num_rows} calibration")


def check_rows(directory, name, rows, figures):
    assert rows.column_names == COLUMNS, f"{name} has the columns {rows.column_names}"
    assert rows.num_rows == figures["examples"], f"{name} has {rows.num_rows} rows, the manifest {figures['examples']}"
    path = directory / figures["file"]
    assert path.stat().st_size == figures["bytes"], f"{path} has not the bytes of the manifest"
    lines = read_lines(path)
    assert list(rows) == lines, f"{name}: rows differ from the lines of {path.name}"
    tasks = collections.Counter(line["task"] for line in lines)
    assert tasks == {task: count for task, count in figures["tasks"].items() if count}, f"{name}: tasks {tasks}"
    severities = collections.Counter()
    for line in lines:
        assert [message["role"] for message in line["messages"]] == ROLES, f"{name}: roles"
        answer = json.loads(line["messages"][2]["content"])
        if line["task"] == "finding":
            severities[answer["severity"]] += 1
    assert severities == figures["severities"], f"{name}: severities {severities}"


def check_tokens(directory, figures, tokenizer):
    lengths = collections.defaultdict(list)
    for line in (line for name in SPLITS for line in read_lines(directory / f"{name}.jsonl")):
        lengths[line["task"]].append(len(tokenizer.encode(rendered(line["messages"]), add_special_tokens=False).ids))
    assert figures["vocabulary"] == tokenizer.get_vocab_size()
    assert max(map(len, lengths.values())) <= figures["sample"], "the dataset has more than a sample: lengths cannot be compared"
    expected = {task: distribution(sorted(counts)) for task, counts in lengths.items()}
    assert figures["tasks"] == expected, f"lengths {figures['tasks']}, tokenizers has {expected}"
    print(f"ok   tokenizers {tokenizers.__version__}: lengths of {sum(map(len, lengths.values()))} examples")


def rendered(messages):
    """Llama 3's chat form."""
    turn = "<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>"
    return "<|begin_of_text|>" + "".join(turn.format(role=m["role"], text=m["content"].strip()) for m in messages)


def distribution(counts):
    """Quantiles by nearest rank, of ascending counts."""
    rank = lambda percent: counts[-(-len(counts) * percent // 100) - 1]
    over = lambda limit: sum(count > limit for count in counts) / len(counts)
    quantiles = {"median": rank(50), "p95": rank(95), "p99": rank(99)}
    shares = {"share_over_512": over(512), "share_over_4096": over(4096)}
    return {"examples": len(counts), "min": counts[0], "max": counts[-1], **quantiles, **shares}


def check_parquet(directory, parquet, cache):
    columns = datasets.load_dataset(str(directory), cache_dir=cache)["train"].features
    configs = json.loads((parquet / "manifest.json").read_text())["parquet"]
    lines = {name: read_lines(directory / f"{name}.jsonl") for name in (*SPLITS, "calibration")}
    everything = datasets.load_dataset(str(parquet), cache_dir=cache)
    assert set(everything) == set(SPLITS), f"splits {sorted(everything)}"
    for name in SPLITS:
        assert everything[name].features == columns, f"{name} has {everything[name].features}"
        assert sorted_rows(everything[name]) == sorted_rows(lines[name]), f"{name}: rows of Parquet differ"
    for config, splits in configs.items():
        loaded = datasets.load_dataset(str(parquet), config, cache_dir=cache)
        assert set(loaded) == set(splits), f"{config} has the splits {sorted(loaded)}"
        for name, file in splits.items():
            of_task = [line for line in lines[name] if line["task"] == config]
            expected = lines["calibration"] if config == "calibration" else of_task
            assert list(loaded[name]) == expected, f"{config}, {name}: rows of Parquet differ"
            assert len(expected) == file["examples"] and (parquet / file["file"]).stat().st_size == file["bytes"]
    print(f"ok   pyarrow {pyarrow.__version__}: {sum(map(len, configs.values()))} Parquet files in {len(configs)} configs")


def sorted_rows(rows):
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


if __name__ == "__main__":
    main()
