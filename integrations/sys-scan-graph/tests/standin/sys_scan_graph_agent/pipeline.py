"""`run_pipeline`: one call of `summarize`, whose errors are lost, and files in the working directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .data_governance import get_data_governor
from .llm_provider import get_llm_provider
from .models import Reductions, Summaries


@dataclass
class EnrichedOutput:
    summaries: Summaries
    directory: str
    baseline: str | None
    traced: bool
    setting: str | None


def run_pipeline(report_path: Path) -> EnrichedOutput:
    if len(Path(report_path).read_bytes()) > 5 << 20:
        raise ValueError("Report size exceeds maximum size 5 MB")
    Path("agent_baseline.db").write_text("")
    summaries = Summaries()
    try:
        told = get_llm_provider().summarize(
            Reductions(top_findings=[{"id": "1", "title": "one", "severity": "low", "risk_score": 3}]),
            [],
            [],
            skip=False,
            previous=Summaries(),
            skip_reason=None,
            baseline_context=None,
        )
        summaries = told[0] if isinstance(told, tuple) else told
        summaries = get_data_governor().redact_output_narratives(summaries)
    except Exception:
        pass
    traced = any(name.startswith("LANGSMITH_") for name in os.environ)
    return EnrichedOutput(summaries, os.getcwd(), os.environ.get("AGENT_BASELINE_DB"), traced, os.environ.get("AGENT_LLM_PROVIDER"))
