"""`install` in a Python of its own: the mission's line in a new process, and nothing left after `--remove`."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from support import AGENT, REPORT, Case

import sys_scan_pipe
from sys_scan_pipe.ask import program

LINE = "from sys_scan_graph_agent import analyze_with_local_model"


class Install(Case):
    def setUp(self) -> None:
        super().setUp()
        venv.create(self.place / "venv", with_pip=False)
        self.packages = next((self.place / "venv/lib").glob("python*/site-packages"))
        # As an installed package has it, without the tens of megabytes of a copy.
        (self.packages / "sys_scan_pipe").symlink_to(Path(sys_scan_pipe.__file__).parent)
        self.before = sorted(os.listdir(self.packages))

    def python(self, *words: str, paths: str = "") -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        variables = {**kept, "PIPE_ASK": program(), "PYTHONPATH": paths}
        interpreter = str(self.place / "venv/bin/python")
        return subprocess.run([interpreter, *words], env=variables, capture_output=True, text=True, check=False)

    def install(self, *words: str) -> str:
        done = self.python("-m", "sys_scan_pipe", "install", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_the_line_works_without_the_agent_and_with_it(self) -> None:
        self.assertNotEqual(self.python("-c", LINE).returncode, 0)
        self.install()
        call = f"{LINE}; print(len(analyze_with_local_model({str(REPORT)!r}, None)['enriched_findings']))"
        done = self.python("-c", call)
        self.assertEqual((done.stdout, done.stderr), ("118\n", ""))
        # The agent's own modules are there too, and it looks as its own loader left it.
        call += "; import sys_scan_graph_agent as a; from sys_scan_graph_agent.models import Summaries"
        call += "; print(a.__spec__.loader.__class__.__name__, a.__file__)"
        done = self.python("-c", call, paths=str(AGENT))
        self.assertEqual(done.stdout, f"118\nSourceFileLoader {AGENT}/sys_scan_graph_agent/__init__.py\n", done.stderr)

    def test_a_function_that_the_agent_has_is_its_own(self) -> None:
        self.install()
        place = self.place / "newer/sys_scan_graph_agent"
        place.mkdir(parents=True)
        (place / "__init__.py").write_text("def analyze_with_local_model():\n    return 'own'\n")
        done = self.python("-c", f"{LINE}; print(analyze_with_local_model())", paths=str(place.parent))
        self.assertEqual((done.stdout, done.stderr), ("own\n", ""))

    def test_the_stand_in_has_no_other_module(self) -> None:
        self.install()
        done = self.python("-c", "import sys_scan_graph_agent.pipeline")
        self.assertIn("No module named 'sys_scan_graph_agent.pipeline'", done.stderr)

    def test_it_can_be_repeated_and_taken_away(self) -> None:
        self.install()
        self.assertIn("sys_scan_pipe_hook.pth", self.install())
        self.assertIn("removed", self.install("--remove"))
        left = sorted(name for name in os.listdir(self.packages) if name != "__pycache__")
        self.assertEqual(left, self.before)
        self.assertNotEqual(self.python("-c", LINE).returncode, 0)
        self.assertEqual(self.install("--remove"), "no hook is installed\n")

    def test_without_the_package_it_does_nothing(self) -> None:
        self.install()
        (self.packages / "sys_scan_pipe").unlink()
        done = self.python("-c", LINE)
        self.assertIn("ModuleNotFoundError: No module named 'sys_scan_graph_agent'", done.stderr)
        self.assertEqual(self.python("-c", "pass").stderr, "")

    def test_the_start_of_python_imports_nothing_more(self) -> None:
        self.install()
        listed = "import sys; print('sys_scan_pipe' in sys.modules, 'sys_scan_pipe_hook' in sys.modules)"
        self.assertEqual(self.python("-c", listed).stdout, "False True\n")


class Command(Case):
    def run_it(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "sys_scan_pipe", *words], capture_output=True, text=True, check=False)

    def test_it_prints_or_writes_the_document(self) -> None:
        printed = self.run_it(str(REPORT))
        self.assertEqual(printed.stderr, "")
        written = self.run_it(str(REPORT), "--out", "out.json")
        self.assertEqual((written.stdout, written.returncode), ("", 0))
        self.assertIn('"enriched_findings"', printed.stdout)
        self.assertIn('"enriched_findings"', Path("out.json").read_text(encoding="utf-8"))

    def test_its_errors_are_one_sentence(self) -> None:
        done = self.run_it(str(REPORT), "--model", "gone.gguf")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertTrue(done.stderr.startswith("sys-scan-pipe: "))
        self.assertEqual(self.run_it(str(REPORT), "--runtime", "llama").returncode, 2)
