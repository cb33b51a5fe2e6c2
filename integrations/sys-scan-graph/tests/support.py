"""What the tests share: reports, models, runtimes, and which `pipe-ask` they run."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import unittest
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gguf_file

from sys_scan_pipe import Answer, Question
from sys_scan_pipe.ask import BUNDLED, PROGRAM

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
#: A real report that comes with the repository.
REPORT = ROOT / "pipelines/data/reports/debian12_scanner_v6.json"
#: The stand-in of the agent, for `sys.path`.
AGENT = HERE / "standin"
#: A GGUF file that the tests may use. Its answers do not matter.
MODEL = os.environ.get("PIPE_TEST_MODEL")

# The program that is bundled or named is the one that is tested; the recorded one stands in where there is none.
RECORDED = PROGRAM not in os.environ and not BUNDLED.exists()
if RECORDED:
    os.environ[PROGRAM] = str(HERE / "recorded_ask.py")


class Case(unittest.TestCase):
    """A test with a directory of its own, in which it runs."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="t-")
        self.addCleanup(temporary.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(temporary.name)
        self.place = Path(temporary.name).resolve()

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.place / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def report(self, name: str, findings: Sequence[dict[str, Any]], scanner: str = "suid_sgid", started: str | None = None) -> Path:
        """A report with these findings."""
        meta = {"hostname": "h1", "tool_version": "6.0.0", "json_schema_version": "2"}
        results = [{"scanner": scanner, "finding_count": len(findings), "findings": list(findings)}]
        rest: dict[str, Any] = {"collection_warnings": [], "scanner_errors": [], "summary_extension": {"total_risk_score": 0}}
        summary = {} if started is None else {"started_at": started}
        return self.file(name, json.dumps({"meta": meta, "summary": summary, "results": results, **rest}))

    def model(self, settings: str | None, spoil: bool = False) -> Path:
        """The GGUF file of the tests with these settings; nobody computes with the recorded program's."""
        if MODEL is None:
            return self.file("model.gguf", settings or "")
        file = gguf_file.Gguf(Path(MODEL).read_bytes())
        file.tell(gguf_file.KEY, settings)
        if spoil:
            file.spoil()
        return self.file("model.gguf", file.bytes())

    def environment(self, **variables: str) -> None:
        for name, value in variables.items():
            former = os.environ.get(name)
            os.environ[name] = value
            if former is None:
                self.addCleanup(os.environ.pop, name, None)
            else:
                self.addCleanup(os.environ.__setitem__, name, former)


def finding(identity: str, title: str = "SUID/SGID binary", severity: str = "medium") -> dict[str, Any]:
    return {
        "id": identity,
        "title": title,
        "severity": severity,
        "description": "a program",
        "metadata": {},
        "base_severity_score": "50",
    }


class Saying:
    """A runtime that says one text to every question."""

    name = "saying"

    def __init__(self, text: str, confidence: float | None = 1.0, finish: str = "stop") -> None:
        self.said = (text, confidence, finish)
        self.asked: list[Question] = []

    def generate(self, questions: Sequence[Question]) -> Iterator[Answer]:
        self.asked = list(questions)
        text, confidence, finish = self.said
        for question in questions:
            yield {"id": question["id"], "text": text, "finish": finish, "confidence": confidence, "completion": 5}


def pretend_agent(case: unittest.TestCase) -> None:
    """Has the stand-in imported as the agent for one test, anew."""

    def forget() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "sys_scan_graph_agent"]:
            del sys.modules[name]

    forget()
    sys.path.insert(0, str(AGENT))
    case.addCleanup(forget)
    case.addCleanup(sys.path.remove, str(AGENT))
