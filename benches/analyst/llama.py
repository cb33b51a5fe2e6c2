"""Lines of questions on standard input, answers of llama.cpp on standard output: one thread, one question at a time, as the package
sys-scan-pipe asks it.

    python3 benches/analyst/llama.py MODEL < questions
"""
import json
import os
import sys
from pathlib import Path

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "integrations", "sys-scan-graph", "src"))
# Last, so that nothing else of it stands before the interpreter's own.
sys.path.append(os.path.join(ROOT, ".deps", "python"))

from sys_scan_pipe.runtimes.llama import Llama  # noqa: E402

questions = [json.loads(line) for line in sys.stdin]
for answer in Llama(Path(sys.argv[1])).generate(questions):
    print(json.dumps(answer))
