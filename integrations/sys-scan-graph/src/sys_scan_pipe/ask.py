"""The program `pipe-ask`: it makes prompts and rule answers of reports, and decides which of a model's answers are taken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from .errors import AskError, clean
from .runtimes import Answer, Question

#: The variable with the path of another `pipe-ask` than the one of this package.
PROGRAM = "PIPE_ASK"
BUNDLED = Path(__file__).with_name("bin") / "pipe-ask"


@dataclass(frozen=True)
class Sheet:
    """The file of `--prompts`: its first line, which the answers must begin with too, and its questions."""

    head: dict[str, Any]
    lines: list[dict[str, Any]]

    def questions(self) -> list[Question]:
        """Those that a model can be asked: a prompt that does not fit its context has no tokens."""
        return [cast(Question, line) for line in self.lines if line.get("tokens")]


class Ask:
    """`pipe-ask` on some reports of one host and a model. All its files are in one new directory, so none is an earlier call's."""

    def __init__(self, reports: Sequence[Path], model: Path | None, directory: Path, options: Sequence[str] = ()) -> None:
        self.program = program()
        self.directory = directory
        self.arguments = [*map(str, reports), *options]
        if model is not None:
            self.arguments += ["--model", str(model)]

    def sheet(self) -> Sheet:
        """The questions."""
        path = self.directory / "prompts.jsonl"
        self.run("--prompts", str(path))
        head, *lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        if not isinstance(head.get("questions"), str):
            raise AskError(f"{self.program}: this is another pipe-ask than this package knows: its prompts have no digest")
        return Sheet(head, lines)

    def answered(self, sheet: Sheet, answers: Sequence[Answer]) -> dict[str, Any]:
        """The document with the answers that the policy takes, and the rules' for all other questions."""
        path = self.directory / "answers.jsonl"
        told = [{key: answer[key] for key in ("id", "text", "finish", "confidence")} for answer in answers]
        path.write_text("".join(json.dumps(line) + "\n" for line in [sheet.head, *told]))
        return self.document("--answers", str(path))

    def document(self, *options: str) -> dict[str, Any]:
        """The document: without options by the rules alone or, with a model, by what `pipe-ask` itself asks."""
        path = self.directory / "document.json"
        self.run("--out", str(path), *options)
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict):
            raise AskError(f"{self.program}: this is another pipe-ask than this package knows: its document is no object")
        return document

    def run(self, *options: str) -> None:
        """Raises what the program says when it fails."""
        try:
            done = subprocess.run(
                [self.program, *self.arguments, *options, "--quiet"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=self.directory,
                check=False,
            )
        except OSError as error:
            raise AskError(f"{self.program}: cannot be started: {error.strerror}") from error
        if done.returncode != 0:
            said = clean(done.stderr.decode(errors="replace"))
            raise AskError(said.removeprefix("error: ") or f"{self.program} ended with {done.returncode}")


def program() -> str:
    """The path of `pipe-ask`: the one that `PIPE_ASK` names, else that of this package, else one on the path."""
    if named := os.environ.get(PROGRAM):
        return os.path.abspath(named)
    if os.access(BUNDLED, os.X_OK):
        return str(BUNDLED)
    if found := shutil.which("pipe-ask"):
        return os.path.abspath(found)
    raise AskError(f"there is no pipe-ask: install the wheel of this package, or name the program in {PROGRAM}")
