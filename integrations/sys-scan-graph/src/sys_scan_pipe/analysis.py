"""One report in, its enriched document out."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import order
from .ask import Ask
from .errors import AskError, ModelError, clean
from .runtimes import Answer, Itself, Question, Runtime, choose

#: A path as callers give it.
PathLike = str | os.PathLike[str]
#: The enriched document, in the form of `ground_truth_schema.json`.
Document = dict[str, Any]


@dataclass(frozen=True)
class Analysis:
    """A document, and what it took."""

    document: Document
    #: The runtime that asked the model; none where only rules answered.
    runtime: str | None = None
    #: Tokens of the prompts and of the answers of each task, as far as the runtime tells them.
    prompt_tokens: dict[str, int] = field(default_factory=dict)
    completion_tokens: dict[str, int] = field(default_factory=dict)

    def entry(self, task: str) -> dict[str, Any] | None:
        """The answer to a task about the whole host, with where it comes from."""
        pipe = self.provenance()
        entries = pipe.get("answers", [])
        return next((entry for entry in entries if isinstance(entry, dict) and entry.get("task") == task), None)

    def provenance(self) -> dict[str, Any]:
        """What the document says of model, answers and shares."""
        pipe = self.document.get("enrichment_results", {}).get("pipe", {})
        return pipe if isinstance(pipe, dict) else {}


def analyze_with_local_model(
    report: PathLike,
    model: PathLike | None,
    *,
    history: PathLike | Iterable[PathLike] | None = None,
    out: PathLike | None = None,
    runtime: str | Runtime | None = None,
) -> Document:
    """The enriched document of a report: `['enriched_findings']`, correlations, summaries, actions, and under
    `['enrichment_results']['pipe']` which answers are the model's, which the rules', and why.

    `model` is a GGUF file, or a directory for a `pipe-ask` with libtorch; None asks the rules alone. `history` holds earlier
    reports of the same host, with the moments of their scans in them. `out` names a file to write the document to. `runtime` is `llama`, `pipe-ask`, the address of a
    llama.cpp server on this machine, or an object with `name` and `generate`; None takes the best that is installed.

    Raises a `PipeError` where the report or the model cannot be used. Nothing is sent anywhere."""
    document = analyze(report, model, history=history, runtime=runtime).document
    if out is not None:
        write(Path(out), document)
    return document


def analyze(
    report: PathLike,
    model: PathLike | None,
    *,
    history: PathLike | Iterable[PathLike] | None = None,
    runtime: str | Runtime | None = None,
) -> Analysis:
    """As `analyze_with_local_model`, with what it took."""
    former, newest = [file(path) for path in earlier(history)], file(report)
    order.check(newest, former)
    if model is not None and "://" in str(model):
        raise ModelError(f"{clean(str(model))}: an address is no model: give the model's file as model, and the address as runtime")
    # A path that is relative is so to the caller's directory, and none begins with a hyphen.
    place = None if model is None else Path(os.path.abspath(model))
    asker = None if place is None else choose(place, runtime)
    with tempfile.TemporaryDirectory(prefix="pipe-ask-") as directory:
        ask = Ask([*former, newest], place, Path(directory))
        if asker is None:
            return Analysis(ask.document())
        if isinstance(asker, Itself):
            return Analysis(ask.document(), asker.name)
        sheet = ask.sheet()
        questions = sheet.questions()
        answers = list(asker.generate(questions))
        return counted(Analysis(ask.answered(sheet, answers), asker.name), questions, answers)


def counted(analysis: Analysis, questions: list[Question], answers: list[Answer]) -> Analysis:
    """With the tokens of each task."""
    tasks = {question["id"]: question["task"] for question in questions}
    prompts, completions = Counter[str](), Counter[str]()
    for question in questions:
        prompts[question["task"]] += len(question["tokens"])
    for answer in answers:
        completions[tasks[answer["id"]]] += answer.get("completion", 0)
    return Analysis(analysis.document, analysis.runtime, dict(prompts), dict(completions))


def earlier(history: PathLike | Iterable[PathLike] | None) -> list[PathLike]:
    if history is None:
        return []
    if isinstance(history, (str, os.PathLike)):
        return [history]
    return list(history)


def file(path: PathLike) -> Path:
    """An absolute path of a report that is there."""
    place = Path(os.path.abspath(path))
    if not place.exists():
        raise AskError(f"{place}: there is no such report")
    if place.is_dir():
        raise AskError(f"{place}: this is a directory, and a report is one file")
    return place


def write(path: Path, document: Document) -> None:
    """All or nothing: a reader sees the old file or the new one. A pipe or a device is written to as it is."""
    path = Path(os.path.abspath(path))
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
