"""Servers on loopback, and those that are none."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from unittest import skipUnless

from support import MODEL, RECORDED, REPORT, Case

from sys_scan_pipe import RefusedServer, RuntimeFailure, analyze_with_local_model
from sys_scan_pipe.ask import Ask
from sys_scan_pipe.errors import AskError
from sys_scan_pipe.runtimes.choice import installed
from sys_scan_pipe.runtimes.llama import Llama
from sys_scan_pipe.runtimes.server import Server

QUESTION: Any = {"id": 3, "task": "finding", "prompt": "", "tokens": [0, 1, 7, 8], "limit": 6, "stop": [3]}

SERVE = """
import os, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.warmup, params.ui, params.verbosity, params.port = 512, 1, False, False, 1, 0
params.cpuparams.n_threads = 1
params.api_keys = ["a key"]
server = xllamacpp.Server(params)
server.handle_completions({"prompt": [0], "max_tokens": 1})
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every request with what the server was given."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body, headers = self.server.told  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        pass


class Refusals(Case):
    def test_every_address_that_is_not_this_machine_is_refused_by_name(self) -> None:
        model = self.file("m.gguf", "m")
        others = {
            "http://example.com:80": "example.com is not this machine",
            "http://10.0.0.1:8080": "10.0.0.1 is not this machine",
            "http://0.0.0.0:8080": "0.0.0.0 is not this machine",
            "http://127.0.0.1.example.com:80": "127.0.0.1.example.com is not this machine",
            "http://[2001:db8::1]:80": "2001:db8::1 is not this machine",
            "http://2130706433:80": "2130706433 is not this machine",
            "https://127.0.0.1:80": "as http://127.0.0.1:PORT",
            "http://127.0.0.1": "as http://127.0.0.1:PORT",
            "http://127.0.0.1:80/v1": "as http://127.0.0.1:PORT",
            "http://example.com@127.0.0.1:80": "as http://127.0.0.1:PORT",
            "http://127.0.0.1:99999": "no address",
        }
        for address, says in others.items():
            with self.subTest(address), self.assertRaises(RefusedServer) as caught:
                analyze_with_local_model(REPORT, model, runtime=address)
            self.assertIn(address, str(caught.exception))
            self.assertIn(says, str(caught.exception))

    def test_loopback_is_taken(self) -> None:
        for address in ("http://127.0.0.1:1", "http://127.0.0.2:1", "http://[::1]:1/", "http://localhost:1"):
            self.assertEqual(Server(address).port, 1)


class Odd(Case):
    """Servers that are no llama.cpp."""

    def setUp(self) -> None:
        super().setUp()
        self.http = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.addCleanup(self.http.server_close)
        self.addCleanup(self.http.shutdown)
        self.server = Server(f"http://127.0.0.1:{self.http.server_port}")

    def told(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.http.told = (status, body, headers or {})  # type: ignore[attr-defined]

    def test_another_kind_of_server_is_refused(self) -> None:
        self.told(404, "not here")
        with self.assertRaisesRegex(RefusedServer, "POST /detokenize gives 404"):
            list(self.server.generate([QUESTION]))
        # A redirection would carry the report's text elsewhere.
        self.told(307, "", {"Location": "http://192.0.2.1/"})
        with self.assertRaisesRegex(RefusedServer, "gives 307"):
            list(self.server.generate([QUESTION]))

    def test_another_model_is_refused(self) -> None:
        self.told(200, {"content": "other words"})
        with self.assertRaisesRegex(RefusedServer, "another model"):
            asked: Any = [{**QUESTION, "prompt": "the report"}]
            list(self.server.generate(asked))

    def test_an_answer_of_another_form_is_an_error(self) -> None:
        without: Any = {"content": "c", "tokens_predicted": 1, "completion_probabilities": [1]}
        bodies: list[Any] = [b"<html>", [], {"content": "c"}, without]
        for body in bodies:
            self.told(200, body)
            with self.subTest(body), self.assertRaises((RuntimeFailure, RefusedServer)):
                list(self.server.generate([QUESTION]))

    def test_an_answer_that_the_server_cannot_give_is_left_out(self) -> None:
        self.told(200, {"content": ""})
        self.server.check(QUESTION)
        for status in (400, 500):
            self.told(status, {"error": {"message": "The model produced output that does not match"}})
            self.assertIsNone(self.server.post("/completion", {}))
        with self.assertRaisesRegex(RefusedServer, "POST /detokenize gives 500"):
            list(self.server.generate([QUESTION]))

    def test_an_answer_without_probabilities_is_not_sure(self) -> None:
        self.told(200, {"content": "c", "tokens_predicted": 3, "stop_type": "eos"})
        self.assertEqual([answer["confidence"] for answer in self.server.generate([QUESTION])], [None])

    def test_one_that_is_not_there_is_an_error(self) -> None:
        with self.assertRaisesRegex(RuntimeFailure, "http://127.0.0.1:1: no answer"):
            list(Server("http://127.0.0.1:1").generate([QUESTION]))


@skipUnless(MODEL and installed(), "no model in PIPE_TEST_MODEL, or no xllamacpp")
class Real(Case):
    def test_a_llama_server_answers_as_the_child_does(self) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
            self.environment(**{name: "http://192.0.2.1:1"})
        serving = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(MODEL)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.addCleanup(serving.communicate)
        self.addCleanup(serving.kill)
        assert serving.stdout
        address = serving.stdout.readline().decode().strip()
        os.environ.pop("PIPE_SERVER_KEY", None)
        with self.assertRaisesRegex(RefusedServer, "set PIPE_SERVER_KEY"):
            list(Server(address).generate([QUESTION]))
        self.environment(PIPE_SERVER_KEY="a key")
        questions: Any = [{**QUESTION, "id": 0}, {**QUESTION, "id": 1, "tokens": [5] * 2000}, {**QUESTION, "id": 2, "limit": 30}]
        found = list(Server(address).generate(questions))
        expected = list(Llama(Path(str(MODEL))).generate(questions))
        self.assertEqual([answer["id"] for answer in found], [0, 2])
        self.assertEqual(found, expected)


@skipUnless(
    MODEL and not RECORDED and installed() and shutil.which("llama-server"), "no model, pipe-ask, xllamacpp or llama-server on the path"
)
class Documented(Case):
    def test_the_command_of_the_readme_serves_what_the_child_answers(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        readme = (Path(__file__).parent.parent / "README.md").read_text()
        line = next(line for line in readme.splitlines() if line.strip().startswith("llama-server "))
        changed = {"quantized_model.gguf": str(MODEL), "8080": str(port), "$PIPE_SERVER_KEY": "a key"}
        command = [changed.get(word, word) for word in shlex.split(line)]
        self.assertTrue(set(changed.values()) <= set(command), command)
        serving = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(serving.wait)
        self.addCleanup(serving.kill)
        while self.health(port) != 200:
            self.assertIsNone(serving.poll(), "it ended")
        self.environment(PIPE_SERVER_KEY="a key")
        try:
            sheet = Ask([REPORT], Path(str(MODEL)), self.place, ["--task", "finding", "--rate-all"]).sheet()
        except AskError as error:
            self.skipTest(f"the model is none of pipe's: {error}")
        questions = sheet.questions()[:8]
        expected = {answer["id"]: answer for answer in Llama(Path(str(MODEL))).generate(questions)}
        found = list(Server(f"http://127.0.0.1:{port}").generate(questions))
        self.assertEqual([answer["id"] for answer in found], list(expected))
        for answer in found:
            known = expected[answer["id"]]
            self.assertEqual({**answer, "confidence": None}, {**known, "confidence": None})
            if answer["confidence"] is not None and known["confidence"] is not None:
                # Two builds of llama.cpp round otherwise.
                self.assertAlmostEqual(answer["confidence"], known["confidence"], delta=0.02)

    def health(self, port: int) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()
