"""A llama.cpp server that somebody started on this machine.

Only token ids go to it, never text: the server's own template would have control tokens of a report's text act.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from ..errors import RefusedServer, RuntimeFailure, clean
from .base import Answer, Question, answer_of, tokens_of

#: The variable with the server's key, where it was started with `--api-key`.
KEY = "PIPE_SERVER_KEY"
#: Seconds to wait for one answer.
PATIENCE = 600
#: Bytes of a reply at most.
REPLY = 32 << 20


class Server:
    """Answers questions by `POST /completion` of a server on loopback. No proxy is ever used and no redirection followed."""

    def __init__(self, address: str) -> None:
        self.name = clean(address)
        self.host, self.port = place(address)

    def generate(self, questions: Sequence[Question]) -> Iterator[Answer]:
        if questions:
            self.check(questions[0])
        for question in questions:
            reply = self.post(
                "/completion",
                {
                    "prompt": question["tokens"],
                    "n_predict": question["limit"],
                    "temperature": 0.0,
                    "n_probs": 1,
                    "post_sampling_probs": False,
                    "cache_prompt": False,
                },
            )
            # Status 400 is a question that is too long for this server, say, and 500 an answer that is no text; each costs its own
            # answer and no other.
            if reply is not None:
                yield self.reading(question, reply)

    def check(self, question: Question) -> None:
        """Refuses a server with another model: there, the ids of a question are other words."""
        reply = self.post("/detokenize", {"tokens": question["tokens"]})
        if question["prompt"] not in str((reply or {}).get("content")):
            raise RefusedServer(f"{self.name}: the server has another model: it reads the token ids of the questions as other text")

    def reading(self, question: Question, reply: dict[str, Any]) -> Answer:
        text, count = reply.get("content"), reply.get("tokens_predicted")
        if not isinstance(text, str) or not isinstance(count, int):
            raise RuntimeFailure(f"{self.name}: the server does not answer as llama.cpp's does")
        ended = reply.get("stop_type") == "eos" and not reply.get("truncated")
        return answer_of(question, text, ended, tokens_of(reply.get("completion_probabilities")), count)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """What the server answers; none where it refuses these ids."""
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(KEY):
            headers["Authorization"] = f"Bearer {key}"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            status, content = answer.status, answer.read(REPLY)
        except (OSError, http.client.HTTPException) as error:
            raise RuntimeFailure(f"{self.name}: no answer: {clean(str(error)) or type(error).__name__}") from error
        finally:
            connection.close()
        if status == 400 or (status == 500 and path == "/completion"):
            return None
        if status in (401, 403):
            raise RefusedServer(f"{self.name}: the server wants its key: set {KEY}")
        if status != 200:
            raise RefusedServer(f"{self.name}: POST {path} gives {status}; a llama.cpp server is wanted")
        try:
            loaded = json.loads(content)
        except ValueError as error:
            raise RuntimeFailure(f"{self.name}: the server's answer is no JSON, or longer than {REPLY >> 20} MiB") from error
        if not isinstance(loaded, dict):
            raise RuntimeFailure(f"{self.name}: the server does not answer as llama.cpp's does")
        return loaded


def place(address: str) -> tuple[str, int]:
    """Host and port of an address on this machine; everything else is refused."""
    shown = clean(address)
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise RefusedServer(f"{shown}: no address: {error}") from error
    if parts.scheme != "http" or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc or port is None:
        raise RefusedServer(f"{shown}: give the address of a llama.cpp server as http://127.0.0.1:PORT")
    # A name may stand for another machine tomorrow, so only this one is known.
    literal = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(literal).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise RefusedServer(f"{shown}: {clean(host) or 'this'} is not this machine; reports go to http://127.0.0.1:PORT only")
    return literal, port
