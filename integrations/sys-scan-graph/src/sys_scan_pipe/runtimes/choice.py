"""Which runtime answers for a model."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ..errors import ModelError
from .base import Runtime
from .llama import Llama
from .server import Server


class Itself:
    """No runtime of ours: `pipe-ask` asks the model, where it was built with libtorch."""

    name = "pipe-ask"


def choose(model: Path, wanted: str | Runtime | None) -> Runtime | Itself:
    """The runtime for a model: the wanted one, else llama.cpp for a GGUF file where it is installed, else `pipe-ask` itself.

    `wanted` is `llama`, `pipe-ask`, the address of a llama.cpp server on this machine, or an object of the caller's own."""
    if not model.exists():
        raise ModelError(f"{model}: there is no such model; give a GGUF file, or a directory in the form of Hugging Face")
    if wanted is None:
        return Llama(model) if not model.is_dir() and installed() else Itself()
    if not isinstance(wanted, str):
        return wanted
    if wanted == "pipe-ask":
        return Itself()
    if wanted == "llama":
        if model.is_dir():
            raise ModelError(f"{model}: llama.cpp reads GGUF files, and this is a directory")
        if not installed():
            raise ModelError("llama.cpp is not installed: pip install 'sys-scan-pipe[llama]'")
        return Llama(model)
    if "://" in wanted:
        return Server(wanted)
    raise ModelError(f"{wanted}: no such runtime; there are llama, pipe-ask and http://127.0.0.1:PORT")


def installed() -> bool:
    """Whether llama.cpp can be imported. It is not imported here: only the child process does."""
    return importlib.util.find_spec("xllamacpp") is not None
