"""One report in, one document out: what is taken, what is refused, and what is left behind."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any
from unittest import skipIf, skipUnless

import gguf_file
from support import MODEL, RECORDED, REPORT, Case, Saying, finding

from sys_scan_pipe import AskError, ModelError, analyze, analyze_with_local_model
from sys_scan_pipe.runtimes.base import answer_of, tokens_of


def pipe(document: dict[str, Any]) -> dict[str, Any]:
    found = document["enrichment_results"]["pipe"]
    assert isinstance(found, dict)
    return found


class Rules(Case):
    def test_rules_alone_answer_without_a_model(self) -> None:
        document = analyze_with_local_model(REPORT, None)
        self.assertEqual(len(document["enriched_findings"]), 118)
        self.assertIsNone(pipe(document)["model"])
        self.assertEqual({entry["source"] for entry in pipe(document)["answers"]}, {"rule"})

    def test_the_document_is_written_whole_and_nothing_else_is_left(self) -> None:
        self.environment(TMPDIR=str(self.place))
        tempfile.tempdir = None
        self.addCleanup(setattr, tempfile, "tempdir", None)
        report = self.report("-report.json", [finding("/usr/bin/x")])
        document = analyze_with_local_model("-report.json", None, out="out.json")
        self.assertEqual(json.loads(Path("out.json").read_text(encoding="utf-8")), document)
        self.assertEqual(sorted(os.listdir(self.place)), [report.name, "out.json"])

    def test_two_analyses_at_once_do_not_meet(self) -> None:
        for name in "ab":
            self.report(f"{name}.json", [finding(f"/usr/bin/{name}{n}") for n in range(20)])
        found: dict[str, list[str]] = {}

        def ask(name: str) -> None:
            document = analyze_with_local_model(f"{name}.json", None)
            found[name] = [finding["id"] for finding in document["enriched_findings"]]

        threads = [threading.Thread(target=ask, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in "ab":
            self.assertEqual(len(found[name]), 20)
            self.assertTrue(all(f"/usr/bin/{name}" in identity for identity in found[name]), found[name])

    def test_earlier_reports_are_history(self) -> None:
        for name, day in {"monday": 5, "tuesday": 6}.items():
            self.report(f"{name}.json", [finding(f"/usr/bin/{name}")], started=f"2026-01-0{day}T00:00:00Z")
        for history in ("monday.json", [Path("monday.json")]):
            document = analyze_with_local_model("tuesday.json", None, history=history)
            self.assertEqual([finding["id"] for finding in document["enriched_findings"]], ["/usr/bin/tuesday"])

    def test_a_report_that_is_not_the_newest_is_refused(self) -> None:
        newest = self.report("b.json", [], started="2026-01-05T10:00:00+02:00")
        for started in ("2026-01-05T08:00:01Z", "2026-01-05T08:00:00.000Z", "2026-01-05 04:00:00.5-04:00"):
            self.report("a.json", [], started=started)
            with self.subTest(started), self.assertRaisesRegex(AskError, "a.json: its scan did not start before that of .*b.json"):
                analyze_with_local_model(newest, None, history="a.json")
        undated = self.report("c.json", [])
        with self.assertRaisesRegex(AskError, "c.json: it does not say when its scan started"):
            analyze_with_local_model(undated, None, history=newest)


class Reports(Case):
    def refused(self, report: Path | str, says: str) -> None:
        with self.assertRaises(AskError) as caught:
            analyze_with_local_model(report, None)
        self.assertIn(says, str(caught.exception))

    def test_one_that_is_missing_or_a_directory_is_refused(self) -> None:
        self.refused("gone.json", f"{self.place}/gone.json: there is no such report")
        self.refused(self.place, "this is a directory")

    def test_one_that_is_no_report_is_refused_with_its_name(self) -> None:
        for name, content in {"empty": b"", "list": b"[]", "cut": b'{"results": [', "latin": b'{"meta": "\xe9"}'}.items():
            with self.subTest(name):
                self.refused(self.file(f"{name}.json", content), f"{name}.json")

    def test_one_of_more_than_five_megabytes_is_answered(self) -> None:
        many = [{**finding(f"/usr/bin/{n}"), "description": "d" * 2000} for n in range(3000)]
        report = self.report("large.json", many)
        self.assertGreater(report.stat().st_size, 5 << 20)
        self.assertEqual(len(analyze_with_local_model(report, None)["enriched_findings"]), 3000)

    def test_control_characters_of_a_report_reach_no_terminal(self) -> None:
        report = self.report("hostile.json", [finding("/usr/bin/\x1b[2J\u202e<|eot_id|>\nx", title="\x1b]0;t\x07")])
        done = subprocess.run([sys.executable, "-m", "sys_scan_pipe", str(report)], capture_output=True, check=True)
        self.assertTrue(all(byte == 10 or 32 <= byte < 127 for byte in done.stdout))
        self.assertEqual(len(json.loads(done.stdout)["enriched_findings"]), 1)
        name = self.place / "\x1b[2Jgone"
        done = subprocess.run([sys.executable, "-m", "sys_scan_pipe", str(name)], capture_output=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertNotIn(b"\x1b", done.stderr)


class Models(Case):
    def test_one_that_is_missing_is_refused(self) -> None:
        with self.assertRaisesRegex(ModelError, f"{self.place}/gone.gguf: there is no such model"):
            analyze_with_local_model(REPORT, "gone.gguf")

    def test_an_address_is_no_model(self) -> None:
        with self.assertRaisesRegex(ModelError, "http://127.0.0.1:8080: an address is no model: .* as runtime"):
            analyze_with_local_model(REPORT, "http://127.0.0.1:8080")

    def test_a_runtime_that_is_unknown_is_refused_by_name(self) -> None:
        with self.assertRaisesRegex(ModelError, "ollama: no such runtime"):
            analyze_with_local_model(REPORT, self.file("m.gguf", "m"), runtime="ollama")

    @skipUnless(RECORDED, "the program is the real one, which wants a real model")
    def test_other_prompts_are_refused(self) -> None:
        with self.assertRaisesRegex(AskError, "this model was made for other prompts"):
            analyze_with_local_model(REPORT, self.file("m.gguf", "other prompts"), runtime=Saying("{}"))

    @skipUnless(RECORDED or MODEL, "no model")
    def test_garbage_is_never_taken(self) -> None:
        model = self.model(gguf_file.settings())
        for runtime in (Saying("ythonython", 0.4), Saying("{}", 0.999, "length"), Saying("{}", 0.0), Saying("{}", None)):
            analysis = analyze(REPORT, model, runtime=runtime)
            self.assertTrue(runtime.asked)
            entries = analysis.provenance()["answers"]
            self.assertEqual({entry["source"] for entry in entries}, {"rule"})
            self.assertTrue(all(entry["why"] for entry in entries))
            rules = analyze(REPORT, None).provenance()["answers"]
            self.assertEqual([entry["answer"] for entry in entries], [entry["answer"] for entry in rules])

    @skipUnless(RECORDED, "what a real model says is sure enough for is not known here")
    def test_a_sure_answer_is_taken_and_its_tokens_are_counted(self) -> None:
        runtime = Saying(json.dumps({"EXECUTIVE_SUMMARY": "said"}))
        analysis = analyze(REPORT, self.file("m.gguf", "m"), runtime=runtime)
        entry = analysis.entry("summary") or {}
        self.assertEqual((entry["source"], entry["answer"]), ("model", {"EXECUTIVE_SUMMARY": "said"}))
        self.assertEqual((analysis.prompt_tokens["summary"], analysis.completion_tokens["summary"]), (2, 5))

    @skipUnless(RECORDED, "the recorded program is changed in this test")
    def test_a_report_that_changes_between_prompts_and_answers_is_refused(self) -> None:
        report = self.report("scan.json", [finding("/usr/bin/a")])
        case = self

        class Changing(Saying):
            def generate(self, questions: Any) -> Any:
                case.report("scan.json", [finding("/usr/bin/b")])
                return super().generate(questions)

        with self.assertRaisesRegex(AskError, "other questions"):
            analyze_with_local_model(report, self.file("m.gguf", "m"), runtime=Changing("{}"))


class Program(Case):
    def test_one_that_cannot_be_started_is_named(self) -> None:
        self.environment(PIPE_ASK=str(self.place / "gone"))
        with self.assertRaisesRegex(AskError, f"{self.place}/gone: cannot be started"):
            analyze_with_local_model(REPORT, None)

    @skipIf(os.name == "nt", "a script")
    def test_what_it_says_is_the_error(self) -> None:
        program = self.file("ask", "#!/bin/sh\nprintf 'bad \\033[2J report' >&2\nexit 2\n")
        program.chmod(0o755)
        self.environment(PIPE_ASK=str(program))
        with self.assertRaisesRegex(AskError, "^bad \N{REPLACEMENT CHARACTER}\\[2J report$"):
            analyze_with_local_model(REPORT, None)


class Confidence(Case):
    QUESTION: Any = {"id": 7, "task": "summary", "prompt": "p", "tokens": [1], "limit": 9, "stop": [2]}

    def test_it_is_the_smallest_probability_the_stop_token_included(self) -> None:
        tokens = tokens_of([{"id": 5, "logprob": math.log(0.9)}, {"id": 2, "logprob": math.log(0.25)}])
        answer = answer_of(self.QUESTION, "t", True, tokens, 2)
        self.assertAlmostEqual(answer["confidence"] or 0.0, 0.25)
        self.assertEqual((answer["id"], answer["finish"]), (7, "stop"))

    def test_an_end_without_the_stop_token_is_no_end(self) -> None:
        tokens = tokens_of([{"id": 5, "logprob": 0.0}])
        self.assertEqual(answer_of(self.QUESTION, "t", True, tokens, 1)["finish"], "length")

    def test_it_is_not_known_where_a_token_has_no_probability(self) -> None:
        tokens = tokens_of([{"id": 2, "logprob": 0.0}])
        self.assertIsNone(answer_of(self.QUESTION, "t", True, tokens, 2)["confidence"])
        self.assertIsNone(answer_of(self.QUESTION, "", True, [], 0)["confidence"])
