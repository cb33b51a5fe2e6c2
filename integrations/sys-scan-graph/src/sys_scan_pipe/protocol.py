"""The shapes that sys_scan_graph_agent gives a provider and takes back from it.

The agent's own classes are used where it is installed; these stand in where it is not. They are written from its interface.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

AGENT = "sys_scan_graph_agent"


class Reductions(Protocol):
    """What the agent hands to `summarize` and `triage`: a host in short."""

    module_summary: dict[str, Any] | None
    suid_summary: dict[str, Any] | None
    network_summary: dict[str, Any] | None
    top_findings: list[dict[str, Any]]


class ProviderMetadata(NamedTuple):
    """How an answer came about."""

    model_name: str
    provider_name: str
    latency_ms: int
    tokens_prompt: int
    tokens_completion: int
    cached: bool = False
    fallback: bool = False
    error_message: str | None = None
    retry_count: int = 0
    cost_estimate: float | None = None
    temperature: float | None = None
    timestamp: str | None = None


@dataclass
class Summaries:
    """The texts about a host."""

    executive_summary: str | None = None
    analyst: dict[str, Any] | None = None
    consistency_findings: list[Any] | None = None
    triage_summary: dict[str, Any] | None = None
    action_narrative: str | None = None
    metrics: dict[str, Any] | None = None
    causal_hypotheses: list[dict[str, Any]] | None = None
    attack_coverage: dict[str, Any] | None = None


def of_agent(module: str, name: str, otherwise: Any) -> Any:
    """`name` of a module of the agent, or what stands in for it where the agent, or a package that it needs, is missing."""
    try:
        return getattr(importlib.import_module(f"{AGENT}.{module}"), name)
    except (ImportError, AttributeError):
        return otherwise
