"""The child process that holds llama.cpp: one JSON line in, one JSON line out.

The first line has the settings, each later one a question. It ends when its parent does, and always by `os._exit`: an
interpreter that unloads llama.cpp in the ordinary way may hang.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import sys
import threading
import time
from typing import Any

#: The longest path that a socket may have everywhere.
SOCKET_PATH = 100


def main() -> None:
    parent = os.getppid()
    # Modules beside this file are no modules of the child.
    sys.path.pop(0)
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=read, args=(lines,), daemon=True).start()
    threading.Thread(target=outlive, args=(parent,), daemon=True).start()
    # llama.cpp prints; the answers go to a descriptor that it does not know.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    server = None
    while True:
        line = json.loads(lines.get())
        try:
            if server is None:
                server = load(line)
                reply: dict[str, Any] = {"ready": True}
            else:
                reply = complete(server, line["prompt"], line["limit"])
        except Exception as error:  # of whatever kind: the parent is told
            reply = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(reply).encode() + b"\n")
        answers.flush()


def read(lines: queue.Queue[bytes]) -> None:
    """Hands the lines on; the end of input is the end of the parent's interest."""
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(0)


def outlive(parent: int) -> None:
    """Ends with the parent, also where a process that the parent forked still holds the pipe."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def load(settings: dict[str, Any]) -> Any:
    sys.path.append(settings["packages"])
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.n_ctx = settings["context"]
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = settings["threads"]
    params.cpuparams_batch.n_threads = settings["threads"]
    # Nothing is chosen by the memory of this machine, and no answer depends on an earlier one.
    params.fit_params, params.cache_ram_mib, params.warmup = False, 0, False
    # It always listens. Questions do not go this way, so whoever else finds it needs a key that nobody has.
    path = os.path.join(settings["directory"], "llama.sock")
    params.hostnames = [path] if len(os.fsencode(path)) < SOCKET_PATH else ["127.0.0.1"]
    params.port = 0
    params.n_threads_http = 1
    params.api_keys = [secrets.token_hex(32)]
    params.ui, params.endpoint_slots, params.offline = False, False, True
    # Errors only.
    params.verbosity = 1
    server = xllamacpp.Server(params)
    # The first request waits until the server runs: ending before that is where it hangs.
    complete(server, [0], 1)
    return server


def complete(server: Any, prompt: list[int], limit: int) -> Any:
    """Token ids in, so that nothing in them is read as a control token or gets a template put around it."""
    request = {"prompt": prompt, "max_tokens": limit, "temperature": 0.0, "logprobs": 1, "cache_prompt": False}
    return server.handle_completions(request)


if __name__ == "__main__":
    main()
