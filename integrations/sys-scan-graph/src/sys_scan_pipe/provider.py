"""The answers in the form of the agent's provider interface."""

from __future__ import annotations

import contextlib
import copy
import os
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .analysis import Analysis, PathLike, analyze, earlier
from .errors import clean
from .protocol import ProviderMetadata, Reductions, Summaries, of_agent
from .redaction import redacted
from .runtimes import Runtime

#: What a refined rule has that a suggestion has not, or has otherwise.
REFINED = ("conditions", "logic", "confidence", "rationale")


class LocalProvider:
    """Answers the agent's questions about one report. It takes the report itself, since from what the agent hands over neither
    the model's prompts nor the rules' answers can be made.

    Everything is asked once, at the first call. No method raises: where the model cannot be used, the rules answer; where the
    report cannot be read either, the agent's own data does. `metadata.fallback` and `metadata.error_message` then say so, and
    `Summaries.metrics["pipe"]` has the source of each answer.

    Not a subclass of the agent's null provider, which the agent would replace by another."""

    def __init__(
        self,
        report: PathLike,
        model: PathLike | None,
        history: PathLike | Iterable[PathLike] | None = None,
        *,
        runtime: str | Runtime | None = None,
    ) -> None:
        # The agent may be run in another directory than the one that these are relative to.
        self._report = Path(os.path.abspath(report))
        self._model = None if model is None else Path(os.path.abspath(model))
        self._history = [Path(os.path.abspath(path)) for path in earlier(history)]
        self._runtime = runtime
        self._lock = threading.Lock()
        self._analysis: Analysis | None = None
        self._error: str | None = None
        self._asked = False

    def summarize(
        self,
        reductions: Reductions,
        correlations: list[Any],
        actions: list[Any],
        *,
        skip: bool = False,
        previous: Any = None,
        skip_reason: str | None = None,
        baseline_context: dict[str, Any] | None = None,
    ) -> tuple[Summaries, ProviderMetadata]:
        """The summary of the host, with triage and actions beside it."""
        began = time.monotonic()
        if skip and getattr(previous, "executive_summary", None):
            return self._reused(previous, reductions, skip_reason)
        cached = self._ask()
        tasks = ("summary", "triage", "actions")
        metadata = self._metadata(tasks, began, cached)
        summary = self._answer("summary", dict)
        told: dict[str, Any] = {
            "executive_summary": summary.get("EXECUTIVE_SUMMARY") or self._written() or plain_summary(reductions, correlations),
            "analyst": {
                "key_findings": summary.get("KEY_FINDINGS", []),
                "risk_assessment": summary.get("RISK_ASSESSMENT", {}),
                "recommendations": summary.get("RECOMMENDATIONS", []),
            },
            "consistency_findings": [],
            "triage_summary": lowered(self._answer("triage", dict)) or plain_triage(reductions, correlations),
            "action_narrative": narrative(self._answer("actions", list)),
        }
        metrics = {
            "tokens_prompt": metadata.tokens_prompt,
            "tokens_completion": metadata.tokens_completion,
            "findings_count": len(getattr(reductions, "top_findings", None) or []),
            "latency_ms": metadata.latency_ms,
            "pipe": self._provenance(tasks),
        }
        kind = of_agent("models", "Summaries", Summaries)
        return kind(**redacted(told), metrics=metrics), metadata

    def refine_rules(
        self, suggestions: list[dict[str, Any]], examples: dict[str, list[str]] | None = None
    ) -> tuple[list[dict[str, Any]], ProviderMetadata]:
        """The suggestions, refined in place: the agent's graph keeps the list that it passed and drops what is returned.

        A suggestion that the report gives no rule for stays as it is."""
        began = time.monotonic()
        cached = self._ask()
        rules = {rule.get("id"): rule for rule in self._answer("refine", list) if isinstance(rule, dict)}
        for suggestion in suggestions:
            rule = rules.get(suggestion.get("id")) if isinstance(suggestion, dict) else None
            if rule is not None:
                suggestion.update({key: copy.deepcopy(rule[key]) for key in REFINED if key in rule})
                tags = [*(suggestion.get("tags") or []), *rule.get("tags", [])]
                suggestion["tags"] = list(dict.fromkeys(tags))
        return suggestions, self._metadata(("refine",), began, cached)

    def triage(self, reductions: Reductions, correlations: list[Any]) -> tuple[dict[str, Any], ProviderMetadata]:
        """What to look at first. The agent never calls it today; `summarize` has the same in `triage_summary`."""
        began = time.monotonic()
        cached = self._ask()
        found = self._answer("triage", dict)
        return redacted(found or plain_triage(reductions, correlations)), self._metadata(("triage",), began, cached)

    # -- what is behind it

    def _ask(self) -> bool:
        """Sees to it that the report was asked about; whether it was before."""
        with self._lock:
            if self._asked:
                return True
            try:
                self._analysis = analyze(self._report, self._model, history=self._history, runtime=self._runtime)
            except Exception as error:  # the agent would lose any error without a word
                self._error = said(error)
                self._by_rules()
            self._asked = True
            return False

    def _by_rules(self) -> None:
        """Without the model, and where the history was at fault, without that."""
        for history in (self._history, []):
            with contextlib.suppress(Exception):  # as above; the first error is the one to mend
                self._analysis = analyze(self._report, None, history=history)
                return

    def _answer(self, task: str, kind: type[Any]) -> Any:
        """The answer to a task, empty where there is none."""
        entry = self._analysis.entry(task) if self._analysis else None
        answer = (entry or {}).get("answer")
        return answer if isinstance(answer, kind) else kind()

    def _written(self) -> str | None:
        """The summary in the document, for a scan without findings: nothing is asked about that."""
        summaries = self._analysis.document.get("summaries") if self._analysis else None
        return summaries.get("executive_summary") if isinstance(summaries, dict) else None

    def _provenance(self, tasks: Iterable[str]) -> dict[str, Any]:
        """Which answer is whose, for whoever reads the agent's output."""
        pipe = self._analysis.provenance() if self._analysis else {}
        entries = {task: self._analysis.entry(task) if self._analysis else None for task in tasks}
        kept = ("source", "why", "confidence")
        told: dict[str, Any] = {
            "model": pipe.get("model"),
            "runtime": self._analysis.runtime if self._analysis else None,
            "answers": {task: {key: entry.get(key) for key in kept} for task, entry in entries.items() if entry},
            "by_task": pipe.get("by_task", {}),
        }
        return {**told, "error": self._error} if self._error else told

    def _metadata(self, tasks: tuple[str, ...], began: float, cached: bool) -> ProviderMetadata:
        """About the first of the tasks, with the tokens of all."""
        analysis = self._analysis
        entry = (analysis.entry(tasks[0]) if analysis else None) or {}
        model = (analysis.provenance().get("model") if analysis else None) or {}
        name = f"{model.get('name') or 'model'}@{str(model.get('digest'))[:12]}" if model else "rules"
        by_model = entry.get("source") == "model"
        why = None if by_model else self._error or entry.get("why") or f"there is nothing to ask for the task {tasks[0]}"
        kind = of_agent("llm_provider", "ProviderMetadata", ProviderMetadata)
        made: ProviderMetadata = kind(
            name,
            "sys-scan-pipe",
            round((time.monotonic() - began) * 1000),
            sum(analysis.prompt_tokens.get(task, 0) for task in tasks) if analysis else 0,
            sum(analysis.completion_tokens.get(task, 0) for task in tasks) if analysis else 0,
            cached=cached,
            fallback=not by_model,
            error_message=why,
            temperature=0.0,
            timestamp=datetime.now(timezone.utc).isoformat(),
        )
        return made

    def _reused(self, previous: Any, reductions: Reductions, reason: str | None) -> tuple[Summaries, ProviderMetadata]:
        """The former summary once more, as the agent asks for where nothing changed."""
        reused = copy.deepcopy(previous)
        reused.executive_summary = f"{reused.executive_summary} | No material change: reused previous summary"
        reused.metrics = {
            **(reused.metrics or {}),
            "tokens_prompt": 0,
            "tokens_completion": 0,
            "findings_count": len(getattr(reductions, "top_findings", None) or []),
            "latency_ms": 0,
            "skipped": True,
            "skip_reason": reason or "low_change",
        }
        kind = of_agent("llm_provider", "ProviderMetadata", ProviderMetadata)
        stamp = datetime.now(timezone.utc).isoformat()
        return reused, kind("rules", "sys-scan-pipe", 0, 0, 0, cached=True, timestamp=stamp)


def said(error: Exception) -> str:
    return clean(str(error)) or type(error).__name__


def lowered(answer: dict[str, Any]) -> dict[str, Any]:
    """With the keys that the agent gives its own triage summaries."""
    return {key.lower(): value for key, value in answer.items()}


def narrative(actions: list[Any]) -> str:
    """A line an action, the most urgent first, as the agent numbers them."""
    items = [action for action in actions if isinstance(action, dict) and action.get("title")]
    return "\n".join(f"{number}. {action['title']} ({action.get('priority')})" for number, action in enumerate(items, 1))


def plain_summary(reductions: Reductions, correlations: list[Any]) -> str:
    """What the agent's own data says, for where the report cannot be read."""
    top = [finding for finding in getattr(reductions, "top_findings", None) or [] if isinstance(finding, dict)]
    named = "; ".join(f"{finding.get('severity')}: {finding.get('title')}" for finding in top[:3])
    return f"{len(top)} top findings, {len(correlations)} correlations." + (f" First: {named}." if named else "")


def plain_triage(reductions: Reductions, correlations: list[Any]) -> dict[str, Any]:
    top = [finding for finding in getattr(reductions, "top_findings", None) or [] if isinstance(finding, dict)]
    kept = ("id", "title", "severity", "risk_score")
    return {
        "top_findings": [{key: finding.get(key) for key in kept} for finding in top[:5]],
        "correlation_count": len(correlations),
    }
