"""Runs sys_scan_graph_agent with a `LocalProvider`, in the way in which the agent works offline and keeps what it is told."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from .analysis import PathLike, file
from .errors import AskError, PipeError
from .protocol import AGENT
from .provider import LocalProvider
from .redaction import redacted
from .runtimes import Runtime

Result = TypeVar("Result")

#: Set while the agent runs: its null provider, so that it imports no torch, and no download.
SET = {"AGENT_LLM_PROVIDER": "null", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
#: Not set while it runs: they have it load a corpus, replace the provider, or send traces to a service.
UNSET = ("AGENT_LOAD_HF_CORPUS", "AGENT_LLM_PROVIDER_ALT")
UNSET_PREFIXES = ("LANGSMITH_", "LANGCHAIN_")
#: The agent's memory of earlier scans.
BASELINE = "AGENT_BASELINE_DB"

#: Environment, working directory and provider belong to the whole process.
_alone = threading.RLock()


def run_pipeline(
    report: PathLike,
    model: PathLike | None,
    *,
    history: PathLike | Iterable[PathLike] | None = None,
    baseline: PathLike | None = None,
    runtime: str | Runtime | None = None,
) -> Any:
    """What the agent's `run_pipeline` gives for the report. `baseline` is a file for its memory of earlier scans, kept from
    call to call; without one, every scan is its first."""
    place = file(report)
    provider = LocalProvider(place, model, history, runtime=runtime)
    with prepared(provider, baseline=baseline):
        run = module("pipeline").run_pipeline
        return without_loop(lambda: run(place))


def run_graph(
    report: PathLike,
    model: PathLike | None,
    *,
    history: PathLike | Iterable[PathLike] | None = None,
    baseline: PathLike | None = None,
    runtime: str | Runtime | None = None,
) -> Any:
    """The final state of the agent's LangGraph workflow for the findings of the report."""
    place = file(report)
    provider = LocalProvider(place, model, history, runtime=runtime)
    findings = raw_findings(place)
    with prepared(provider, baseline=baseline):
        app = module("graph").app
        return without_loop(lambda: app.invoke({"raw_findings": findings}))


@contextlib.contextmanager
def prepared(provider: LocalProvider, *, baseline: PathLike | None = None) -> Iterator[None]:
    """The agent's process state for one analysis: provider, data governor, environment, and an empty working directory.

    The agent reads settings from the working directory and writes files there, so another one's would be used and left behind.
    All of it is put back at the end. One analysis at a time: a second thread waits."""
    temporary = tempfile.TemporaryDirectory(prefix="pipe-agent-")
    with _alone, temporary as private, environment(private, baseline), directory(private):
        restore = use(provider)
        try:
            yield
        finally:
            restore()


def use(provider: LocalProvider) -> Callable[[], None]:
    """Has the agent ask this provider and keep what it says, until the returned function is called. Directory and environment
    stay as they are."""
    providers = module("llm_provider")
    governance = module("data_governance")
    # Their private names: the getters may replace what they find.
    former = (getattr(providers, "_PROVIDER", None), getattr(governance, "_governor", None))
    providers.set_llm_provider(provider)
    governance.set_data_governor(governor(governance))

    def restore() -> None:
        providers.set_llm_provider(former[0])
        governance.set_data_governor(former[1])

    return restore


def module(name: str) -> Any:
    """A module of the agent."""
    try:
        return importlib.import_module(f"{AGENT}.{name}")
    except ImportError as error:
        raise PipeError(f"the agent cannot be imported: {error}: put its directory `agent` on PYTHONPATH, and install what it needs") from error


def governor(governance: Any) -> Any:
    """A data governor that keeps the summary, which the agent's own would cut to 20 letters and a hash, and still hides the
    names of users in paths."""

    class KeepingGovernor(governance.DataGovernor):  # type: ignore[misc]
        def redact_output_narratives(self, summaries: Any) -> Any:
            if hasattr(summaries, "model_dump"):
                return type(summaries)(**redacted(summaries.model_dump()))
            return redacted(summaries)

    return KeepingGovernor()


def without_loop(call: Callable[[], Result]) -> Result:
    """Calls in a thread of its own. The agent's nodes each start an event loop; in a thread that has one running, as in a
    notebook, they would all fail without a word."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="sys-scan-pipe")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def raw_findings(report: Path) -> list[dict[str, Any]]:
    """The findings of a report, each with its scanner, as the agent's graph takes them."""
    try:
        loaded = json.loads(report.read_text(encoding="utf-8"))
        return [
            {**finding, "scanner": result.get("scanner")} for result in loaded["results"] for finding in result["findings"]
        ]
    except UnicodeDecodeError as error:
        raise AskError(f"{report}: this is no UTF-8 text: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AskError(f"{report}: this is no report of sys-scan: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def environment(private: str, baseline: PathLike | None) -> Iterator[None]:
    memory = os.path.join(private, "baseline.db") if baseline is None else os.path.abspath(baseline)
    unset = {name: None for name in os.environ if name in UNSET or name.startswith(UNSET_PREFIXES)}
    wanted: dict[str, str | None] = {**unset, **SET, BASELINE: memory}
    former = {name: os.environ.get(name) for name in wanted}
    change(wanted)
    try:
        yield
    finally:
        change(former)


def change(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def directory(path: str) -> Iterator[None]:
    former = os.getcwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(former)
