"""llama.cpp in its child process, with a real GGUF file."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import skipUnless

import gguf_file
from support import MODEL, REPORT, Case

from sys_scan_pipe import ModelError, RuntimeFailure, analyze
from sys_scan_pipe.runtimes import llama
from sys_scan_pipe.runtimes.choice import installed
from sys_scan_pipe.runtimes.llama import Llama

#: Starts in a row; `PIPE_STARTS=100` is what the package promises.
STARTS = int(os.environ.get("PIPE_STARTS", "10"))
QUESTION: Any = {"id": 3, "task": "finding", "prompt": "", "tokens": [0, 1, 7, 8], "limit": 6, "stop": [3]}


def children(parent: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@skipUnless(MODEL and installed(), "no model in PIPE_TEST_MODEL, or no xllamacpp")
class Child(Case):
    def setUp(self) -> None:
        super().setUp()
        self.gguf = Path(str(MODEL))

    def ask(self, count: int = 1, **changes: Any) -> list[Any]:
        questions = [{**QUESTION, **changes, "id": number} for number in range(count)]
        return list(Llama(self.gguf).generate(questions))  # type: ignore[arg-type]

    def test_it_answers_the_same_every_time(self) -> None:
        answers = self.ask(3)
        self.assertEqual([answer["id"] for answer in answers], [0, 1, 2])
        self.assertEqual(len({(answer["text"], answer["confidence"]) for answer in answers}), 1)
        self.assertGreater(answers[0]["completion"], 0)
        self.assertTrue(0 < answers[0]["confidence"] < 1)

    def test_it_starts_and_ends_every_time(self) -> None:
        answers = [self.ask()[0] for _ in range(STARTS)]
        self.assertEqual({answer["text"] for answer in answers}, {answers[0]["text"]})
        self.assertEqual(children(os.getpid()), [])

    def test_the_smallest_probability_is_that_of_the_longer_answer_or_less(self) -> None:
        short, long = self.ask(limit=1)[0], self.ask(limit=6)[0]
        self.assertTrue(long["text"].startswith(short["text"]))
        self.assertLessEqual(long["confidence"], short["confidence"] + 1e-6)

    def test_a_question_that_is_too_long_costs_its_own_answer(self) -> None:
        questions: Any = [{**QUESTION, "id": 0, "tokens": [5] * 100_000}, {**QUESTION, "id": 1}]
        self.assertEqual([answer["id"] for answer in Llama(self.gguf).generate(questions)], [1])

    def test_a_file_that_is_no_model_is_refused_with_the_reason(self) -> None:
        whole = self.gguf.read_bytes()
        for name, content in {"text": b"no model", "cut": whole[: len(whole) // 2]}.items():
            self.gguf = self.file(f"{name}.gguf", content)
            with self.subTest(name), self.assertRaisesRegex(ModelError, f"{name}.gguf: llama.cpp cannot load it: .*(magic|bounds|load)"):
                self.ask()

    def test_nothing_listens_but_a_socket_in_a_private_directory(self) -> None:
        answers: Any = Llama(self.gguf).generate([QUESTION, QUESTION])
        next(answers)
        child = children(os.getpid())[0]
        inodes = {os.readlink(f"/proc/{child}/fd/{fd}") for fd in os.listdir(f"/proc/{child}/fd")}
        listening = [line.split() for line in Path(f"/proc/{child}/net/tcp").read_text().splitlines()[1:]]
        self.assertEqual([row for row in listening if f"socket:[{row[9]}]" in inodes], [])
        directory = Path(os.readlink(f"/proc/{child}/cwd"))
        self.assertEqual(directory.stat().st_mode & 0o777, 0o700)
        answers.close()
        self.assertFalse(directory.exists())
        self.assertEqual(children(os.getpid()), [])

    def test_a_child_that_dies_is_an_error(self) -> None:
        answers = Llama(self.gguf).generate([QUESTION, QUESTION])
        next(answers)
        os.kill(children(os.getpid())[0], signal.SIGKILL)
        with self.assertRaisesRegex(RuntimeFailure, "llama.cpp ended with -9"):
            list(answers)

    def test_it_dies_with_its_parent(self) -> None:
        script = (
            "import sys; from pathlib import Path; from sys_scan_pipe.runtimes.llama import Llama\n"
            f"answers = Llama(Path({str(self.gguf)!r})).generate([{QUESTION!r}] * 2)\n"
            "next(answers); print('ready', flush=True); sys.stdin.read()"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert parent.stdout and parent.stdin
        self.assertEqual(parent.stdout.readline(), b"ready\n")
        child = children(parent.pid)[0]
        watched = os.pidfd_open(child)
        parent.kill()
        parent.communicate()
        # Readable when the process has ended.
        ended, _, _ = select.select([watched], [], [], 60)
        os.close(watched)
        self.assertTrue(ended)

    def test_without_a_network_all_is_as_with_it(self) -> None:
        model = str(self.model(gguf_file.settings()))
        script = f"import sys_scan_pipe as p; a = p.analyze({str(REPORT)!r}, {model!r}); print(a.runtime, *a.completion_tokens)"
        if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("this user may make no network of its own")
        done = subprocess.run(["unshare", "-rn", sys.executable, "-c", script], capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, "")
        self.assertTrue(done.stdout.startswith("llama.cpp "), done.stdout)

    def test_it_is_the_runtime_of_a_gguf_file(self) -> None:
        analysis = analyze(REPORT, self.model(gguf_file.settings()))
        self.assertEqual(analysis.runtime, "llama.cpp")
        self.assertTrue(analysis.completion_tokens)


class Words(Case):
    def test_the_line_of_the_log_is_a_sentence(self) -> None:
        line = "0.00.007.622 E llama_model_load: error loading model: tensor x is not within the file bounds"
        self.assertEqual(llama.LOGGED.sub("", line), "error loading model: tensor x is not within the file bounds")
