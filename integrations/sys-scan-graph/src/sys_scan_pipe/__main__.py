"""`python -m sys_scan_pipe`: prints the enriched document of a report, or installs the import hook."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from . import hook
from .analysis import analyze_with_local_model
from .errors import PipeError, clean

INSTALL = "install"
EXAMPLES = """
examples:
  python -m sys_scan_pipe scan.json --model quantized_model.gguf
  python -m sys_scan_pipe scan.json --model quantized_model.gguf --history monday.json --out enriched.json
  python -m sys_scan_pipe install       then, in any new process: from sys_scan_graph_agent import analyze_with_local_model
  python -m sys_scan_pipe install --remove
"""


def main(words: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if words is None else words)
    try:
        if arguments[:1] == [INSTALL]:
            return installed(arguments[1:])
        return printed(arguments)
    except PipeError as error:
        print(f"sys-scan-pipe: {clean(str(error))}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader has enough.
        sys.stderr.close()
        return 0


def printed(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="sys-scan-pipe", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", metavar="REPORT", help="a report of sys-scan; or `install [--remove]`")
    parser.add_argument("--model", metavar="FILE", help="a GGUF file, or a model directory; without one, rules alone answer")
    parser.add_argument("--history", metavar="REPORT", action="append", default=[], help="an earlier report of the host; repeatable")
    parser.add_argument("--out", metavar="FILE", help="write the document there and print nothing")
    parser.add_argument("--runtime", metavar="NAME", help="llama, pipe-ask, or http://127.0.0.1:PORT of a llama.cpp server")
    given = parser.parse_args(words)
    if given.runtime and not given.model:
        parser.error("--runtime needs --model")
    document = analyze_with_local_model(
        given.report, given.model, history=given.history, out=given.out, runtime=given.runtime
    )
    if given.out is None:
        # Escaped: text of a report may hold what a terminal obeys.
        print(json.dumps(document, indent=2), flush=True)
    return 0


def installed(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog=f"sys-scan-pipe {INSTALL}", description=hook.__doc__)
    parser.add_argument("--remove", action="store_true", help="take the hook away")
    if parser.parse_args(words).remove:
        gone = hook.remove()
        print("\n".join(f"removed {path}" for path in gone) or "no hook is installed")
    else:
        print("\n".join(f"wrote {path}" for path in hook.install()))
        print(f"new processes can say: {hook.LINE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
