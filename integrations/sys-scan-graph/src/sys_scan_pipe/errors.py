"""What can go wrong, each as one plain sentence that says what, where and what to do."""


class PipeError(Exception):
    """The base of all errors of this package."""


class AskError(PipeError):
    """`pipe-ask` is missing, or refused a report or a model; the message has its words."""


class ModelError(PipeError):
    """There is no such model, or nothing here can run it."""


class RuntimeFailure(PipeError):
    """A runtime started and then failed."""


class RefusedServer(PipeError):
    """An address that is not on this machine, or no llama.cpp server there."""


def clean(text: str) -> str:
    """Text of a report or of another program, without control characters: it may reach a terminal."""
    return "".join(c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text).strip()
