"""What the agent hands to a provider and takes back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Reductions:
    module_summary: dict[str, Any] | None = None
    suid_summary: dict[str, Any] | None = None
    network_summary: dict[str, Any] | None = None
    top_findings: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Summaries:
    executive_summary: str | None = None
    analyst: dict[str, Any] | None = None
    consistency_findings: list[Any] | None = None
    triage_summary: dict[str, Any] | None = None
    action_narrative: str | None = None
    metrics: dict[str, Any] | None = None
    causal_hypotheses: list[dict[str, Any]] | None = None
    attack_coverage: dict[str, Any] | None = None

    def model_dump(self) -> dict[str, Any]:
        return asdict(self)
