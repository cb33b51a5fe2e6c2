"""llama.cpp in a child process, by the extra `[llama]`.

A process of its own, because llama.cpp's server opens a listener, may hang when an interpreter ends, and may crash on a
damaged file. It lives as long as one call.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import ModelError, RuntimeFailure, clean
from .base import Answer, Question, answer_of, tokens_of

CHILD = Path(__file__).with_name("llama_child.py")
#: llama.cpp rounds a context up to this many tokens.
ROUND = 256
#: Bytes of what the child says that are looked at.
WORDS = 2000
#: How often, and after how many seconds, it is looked for something that it says.
LATER, LATER_STEP = 20, 0.025
#: What llama.cpp puts before each line: time, level, function.
LOGGED = re.compile(r"^[0-9.]+ [EWID] \w+\s*:?\s*(\w+: )?")


class Llama:
    """Answers questions with a GGUF file: one thread, one at a time, the same answer every time."""

    name = "llama.cpp"

    def __init__(self, model: Path, *, threads: int = 1) -> None:
        self.model = model
        self.threads = threads

    def generate(self, questions: Sequence[Question]) -> Iterator[Answer]:
        if not questions:
            return
        # The listener is a socket in a directory that only this user may enter.
        with tempfile.TemporaryDirectory(prefix="pipe-") as private, open(Path(private, "words"), "w+b") as words:
            longest = max(len(question["tokens"]) + question["limit"] for question in questions)
            settings = {
                "model": str(self.model.resolve()),
                "context": -(-longest // ROUND) * ROUND,
                "threads": self.threads,
                "directory": private,
                "packages": packages(),
            }
            # A session of its own: an interrupt at the terminal reaches the parent alone, which then ends the child.
            child = subprocess.Popen(
                [sys.executable, str(CHILD)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                cwd=private,
                start_new_session=True,
            )
            try:
                yield from Conversation(child, Path(private, "words"), self.model).run(settings, questions)
            finally:
                child.kill()
                child.communicate()


class Conversation:
    """Lines to the child and back."""

    def __init__(self, child: subprocess.Popen[bytes], words: Path, model: Path) -> None:
        self.child = child
        self.words = words
        self.model = model

    def run(self, settings: dict[str, Any], questions: Sequence[Question]) -> Iterator[Answer]:
        ready = self.ask(settings)
        if "error" in ready:
            raise ModelError(f"{self.model}: llama.cpp cannot load it: {self.first_words() or clean(str(ready['error']))}")
        for question in questions:
            reply = self.ask({"prompt": question["tokens"], "limit": question["limit"]})
            # One question that is too long, say, costs its own answer and no other.
            if "error" not in reply:
                yield reading(question, reply)

    def ask(self, line: dict[str, Any]) -> dict[str, Any]:
        assert self.child.stdin and self.child.stdout
        try:
            self.child.stdin.write(json.dumps(line).encode() + b"\n")
            self.child.stdin.flush()
            reply = self.child.stdout.readline()
        except BrokenPipeError:
            reply = b""
        if not reply.endswith(b"\n"):
            code = self.child.wait()
            said = self.first_words() or "it said nothing"
            raise RuntimeFailure(f"{self.model}: llama.cpp ended with {code} and without an answer: {said}")
        loaded = json.loads(reply)
        if not isinstance(loaded, dict):
            raise RuntimeFailure(f"{self.model}: llama.cpp answered {clean(reply.decode(errors='replace'))[:200]}")
        return loaded

    def first_words(self) -> str:
        """The first error that llama.cpp logged: the later ones follow from it. A thread of its own writes them, a little later."""
        for _ in range(LATER):
            if self.words.stat().st_size:
                break
            time.sleep(LATER_STEP)
        said = self.words.read_bytes()[:WORDS].decode(errors="replace").splitlines()
        return clean(LOGGED.sub("", said[0])) if said else ""


def reading(question: Question, reply: dict[str, Any]) -> Answer:
    """The answer in a reply of llama.cpp's completions."""
    choice = reply["choices"][0]
    tokens = tokens_of((choice.get("logprobs") or {}).get("content"))
    count = reply["usage"]["completion_tokens"]
    return answer_of(question, choice["text"], choice["finish_reason"] == "stop", tokens, count)


def packages() -> str:
    """Where the child finds xllamacpp: this process may have it from elsewhere than a new one would."""
    found = importlib.util.find_spec("xllamacpp")
    if found is None or found.origin is None:
        raise ModelError("llama.cpp is not installed: pip install 'sys-scan-pipe[llama]'")
    return str(Path(found.origin).parent.parent)
