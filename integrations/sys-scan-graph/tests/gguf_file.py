"""Changes a GGUF file: its metadata, and its weights to garbage."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

#: Bytes of the values of fixed size, by type.
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
TEXT, ARRAY = 8, 9
#: Numbers in a block and bytes of it, by type of tensor.
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 8: (32, 34)}
ALIGNMENT = 32
#: The entry with what a model says of its own use.
KEY = "pipe.analyst"
#: The system messages of today's prompts.
SYSTEMS = {
    "finding": "Rate the finding as JSON.",
    "correlation": "Join the findings as JSON.",
    "actions": "List the actions as JSON.",
    "summary": "Summarize the host as JSON.",
    "triage": "Triage the host as JSON.",
    "refine": "Refine the rules as JSON.",
}


def settings(context: int = 100_000, limit: int = 16, gate: float | None = 0.5, **changes: Any) -> str:
    """What a model says of its own use."""
    tasks = {task: {"system": system, "limit": limit, "gate": gate} for task, system in SYSTEMS.items()}
    return json.dumps({"version": 1, "context": context, "dataset": "0" * 64, "tasks": tasks, **changes})


class Gguf:
    """The parts of a file: entries of metadata, descriptions of tensors, and their numbers."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 8
        tensors, entries = self.numbers("<QQ")
        self.entries: dict[str, bytes] = {}
        for _ in range(entries):
            begin = self.at
            key = self.text()
            self.skip(self.numbers("<I")[0])
            self.entries[key] = content[begin : self.at]
        begin = self.at
        self.tensors: list[tuple[int, int, int]] = []
        for _ in range(tensors):
            self.text()
            (dimensions,) = self.numbers("<I")
            size = math.prod(self.numbers(f"<{dimensions}Q"))
            kind, offset = self.numbers("<IQ")
            self.tensors.append((kind, size, offset))
        self.described = content[begin : self.at]
        self.data = bytearray(content[-(-self.at // ALIGNMENT) * ALIGNMENT :])

    def numbers(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from(form, self.content, self.at)
        self.at += struct.calcsize(form)
        return found

    def text(self) -> str:
        (length,) = self.numbers("<Q")
        self.at += length
        return self.content[self.at - length : self.at].decode()

    def skip(self, kind: int) -> None:
        if kind == TEXT:
            self.text()
        elif kind == ARRAY:
            inner, count = self.numbers("<IQ")
            for _ in range(count):
                self.skip(inner)
        else:
            self.at += SIZES[kind]

    def tell(self, key: str, text: str | None) -> None:
        """Sets an entry, or takes it away."""
        self.entries.pop(key, None)
        if text is not None:
            name, value = key.encode(), text.encode()
            self.entries[key] = struct.pack("<Q", len(name)) + name + struct.pack("<IQ", TEXT, len(value)) + value

    def spoil(self) -> None:
        """Turns the blocks of each matrix round: the model says garbage, and all numbers in it are as large as before."""
        for kind, size, offset in self.tensors:
            numbers, bytes_ = BLOCKS[kind]
            if numbers == 1:
                continue
            end = offset + size // numbers * bytes_
            blocks = [self.data[at : at + bytes_] for at in range(offset, end, bytes_)]
            self.data[offset:end] = b"".join(reversed(blocks))

    def bytes(self) -> bytes:
        counts = struct.pack("<QQ", len(self.tensors), len(self.entries))
        head = self.content[:8] + counts + b"".join(self.entries.values()) + self.described
        return head + bytes(-len(head) % ALIGNMENT) + bytes(self.data)
