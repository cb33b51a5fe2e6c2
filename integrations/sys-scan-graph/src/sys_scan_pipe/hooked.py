"""Written by `python -m sys_scan_pipe install`; `python -m sys_scan_pipe install --remove` takes it away.

Gives the package `sys_scan_graph_agent` the function `analyze_with_local_model`. Where that package is not installed, a
stand-in has this one function and no other. Nothing is imported before somebody imports that package.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys

AGENT = "sys_scan_graph_agent"
PACKAGE = "sys_scan_pipe"
FUNCTION = "analyze_with_local_model"

# Imported by every process of this Python, so it imports little: `typing` alone would double the time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def analyze_with_local_model(report: Any, model: Any, **options: Any) -> dict[str, Any]:
    """See `sys_scan_pipe.analyze_with_local_model`."""
    import sys_scan_pipe

    return sys_scan_pipe.analyze_with_local_model(report, model, **options)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the agent where every other finder finds it, and adds the function once it is loaded."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != AGENT:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                # A directory of that name without __init__.py is no agent.
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = Adding(spec.loader)
                    return spec
        # Where this package is gone, its hook is not there either.
        if importlib.util.find_spec(PACKAGE) is None:
            return None
        return importlib.machinery.ModuleSpec(name, StandIn(), origin=PACKAGE)


class Adding(importlib.abc.Loader):
    """The agent's own loader, and the function."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: Any) -> Any:
        return self.loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        # The module is to look as if its own loader alone had loaded it.
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        if not hasattr(module, FUNCTION):
            setattr(module, FUNCTION, analyze_with_local_model)


class StandIn(importlib.abc.Loader):
    """A module with the function alone, where the agent is not installed."""

    def create_module(self, spec: Any) -> Any:
        return None

    def exec_module(self, module: Any) -> None:
        module.__doc__ = "Stands in for the agent, which is not installed: it has %s and nothing else." % FUNCTION
        setattr(module, FUNCTION, analyze_with_local_model)


if not any(type(finder).__name__ == "Finder" and type(finder).__module__ == __name__ for finder in sys.meta_path):
    sys.meta_path.insert(0, Finder())
