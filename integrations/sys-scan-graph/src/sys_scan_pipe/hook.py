"""Makes `from sys_scan_graph_agent import analyze_with_local_model` work in every new process of this Python.

Two files in a directory that Python reads at its start: a module, and a `.pth` file with the one line that imports it. The
agent's own files are not touched. `remove` takes both away again.
"""

from __future__ import annotations

import os
import secrets
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

from .errors import PipeError, clean

NAME = "sys_scan_pipe_hook"
LINE = "from sys_scan_graph_agent import analyze_with_local_model"


def install() -> list[Path]:
    """Writes the hook and tries it in a new process. Gives the files."""
    source = Path(__file__).with_name("hooked.py").read_text(encoding="utf-8")
    place = writable()
    # The module before the line that imports it.
    written = [place / f"{NAME}.py", place / f"{NAME}.pth"]
    write(written[0], source)
    write(written[1], f"import {NAME}\n")
    failed = attempt()
    if failed:
        remove()
        raise PipeError(f"the hook was taken away again, as a new process says: {failed}")
    return written


def remove() -> list[Path]:
    """Takes the hook away. Gives the files that were there."""
    found = [place / f"{NAME}{ending}" for place in directories() for ending in (".pth", ".py")]
    gone = [path for path in found if path.exists()]
    for path in gone:
        try:
            path.unlink()
        except OSError as error:
            raise PipeError(f"{path}: cannot be removed: {error.strerror}") from error
    return gone


def directories() -> list[Path]:
    """Where this Python looks for `.pth` files that packages put there; the user's own directory last."""
    places = [sysconfig.get_path("purelib"), *site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        places.append(site.getusersitepackages())
    return list(dict.fromkeys(Path(place) for place in places))


def writable() -> Path:
    for place in directories():
        if place == Path(site.getusersitepackages()):
            place.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and os.access(place, os.W_OK):
            return place
    raise PipeError(f"none of these can be written: {', '.join(map(str, directories()))}; use a virtual environment")


def write(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)


def attempt() -> str | None:
    """What a new process says when it fails to import the line, none when it succeeds. It starts in `/`, so that nothing of
    the working directory is imported."""
    done = subprocess.run([sys.executable, "-c", LINE], cwd="/", capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else clean(done.stderr)
