"""The interface of a runtime."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypedDict

from ..errors import RuntimeFailure


class Question(TypedDict):
    """What a runtime needs of a line that `pipe-ask --prompts` wrote."""

    id: int
    task: str
    prompt: str
    #: The whole conversation up to the answer. Text of the report is encoded as text: it cannot hold control tokens.
    tokens: list[int]
    #: The most new tokens.
    limit: int
    #: Tokens that end an answer.
    stop: list[int]


class Answer(TypedDict):
    """What a model said to one question."""

    id: int
    text: str
    #: `stop` where the model ended its answer, `length` where the limit did.
    finish: str
    #: The smallest probability, before any mask, that the model gave to a token of its answer; None where that is not known.
    confidence: float | None
    #: How many tokens the answer has.
    completion: int


class Runtime(Protocol):
    """Answers questions by token ids, greedily. A question without an answer is left out."""

    @property
    def name(self) -> str:
        """How reports of an analysis call it."""

    def generate(self, questions: Sequence[Question]) -> Iterator[Answer]:
        """The answers, in any order."""


class Token(TypedDict):
    """A token of an answer with the natural logarithm of its probability."""

    id: int
    logprob: float


def answer_of(question: Question, text: str, ended: bool, tokens: Sequence[Token], count: int) -> Answer:
    """The answer of llama.cpp's tokens. `count` is how many tokens there were: where a runtime leaves out the probability of
    one, as llama.cpp does for half a character, the confidence is not known."""
    stopped = ended and bool(tokens) and tokens[-1]["id"] in question["stop"]
    known = len(tokens) == count and count > 0
    confidence = math.exp(min(0.0, *(token["logprob"] for token in tokens))) if known else None
    return {
        "id": question["id"],
        "text": text,
        "finish": "stop" if stopped else "length",
        "confidence": confidence,
        "completion": count,
    }


def tokens_of(entries: Any) -> list[Token]:
    """The list of tokens in a reply of llama.cpp."""
    tokens: list[Token] = []
    for entry in entries if isinstance(entries, list) else []:
        number, logprob = (entry.get("id"), entry.get("logprob")) if isinstance(entry, dict) else (None, None)
        if not isinstance(number, int) or not isinstance(logprob, (int, float)) or math.isnan(logprob):
            raise RuntimeFailure("the runtime gives tokens without probabilities")
        tokens.append({"id": number, "logprob": float(logprob)})
    return tokens
