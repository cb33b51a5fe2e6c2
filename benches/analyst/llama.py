"""Lines of questions on standard input, answers of llama.cpp on standard output: one thread, one question at a time, as the package
sys-scan-pipe asks it.

    python3 benches/analyst/llama.py MODEL [SECONDS] < questions

After so many seconds no further question is asked.
"""
import json
import os
import sys
import time
from pathlib import Path

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "integrations", "sys-scan-graph", "src"))
# Last, so that nothing else of it stands before the interpreter's own.
sys.path.append(os.path.join(ROOT, ".deps", "python"))

from sys_scan_pipe.runtimes.llama import Llama  # noqa: E402

questions = [json.loads(line) for line in sys.stdin]
end = time.monotonic() + float(sys.argv[2] if len(sys.argv) > 2 else "inf")
answers = Llama(Path(sys.argv[1])).generate(questions)
for answer in answers:
    print(json.dumps(answer))
    if time.monotonic() > end:
        break
# Ends llama.cpp now, and not when the interpreter comes to it.
answers.close()
