"""A directory as `tokenize` writes it, with random tokens: every example is full and every token is a target."""
import json
import os
import random
import struct
from array import array


def write(directory, vocabulary, length, examples):
    os.makedirs(directory)
    draw = random.Random(7)
    for split, count in [("train", examples), ("validation", 1)]:
        ids = array("i", (draw.randrange(8, vocabulary) for _ in range(length * count)))
        save(os.path.join(directory, f"{split}.safetensors"), {
            "ids": ("I32", ids), "labels": ("I32", ids),
            "offsets": ("I64", array("q", range(0, length * count + 1, length))),
            "rows": ("I64", array("q", range(count))),
        })
    with open(os.path.join(directory, "manifest.json"), "w") as file:
        json.dump({"vocab_size": vocabulary, "max_length": length, "splits": {}}, file)
    for name in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json",
                 "chat_template.jinja"]:
        with open(os.path.join(directory, name), "w") as file:
            file.write("{}\n")


def save(path, tensors):
    header, parts, start = {}, [], 0
    for name, (dtype, values) in tensors.items():
        parts.append(values.tobytes())
        header[name] = {"dtype": dtype, "shape": [len(values)], "data_offsets": [start, start + len(parts[-1])]}
        start += len(parts[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
