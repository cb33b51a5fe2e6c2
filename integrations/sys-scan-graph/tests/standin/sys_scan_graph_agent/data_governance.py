"""The governor, which cuts what the executive summary says."""

from __future__ import annotations

from typing import Any


class DataGovernor:
    def redact_output_narratives(self, summaries: Any) -> Any:
        told = summaries.model_dump()
        if len(told["executive_summary"] or "") > 20:
            told["executive_summary"] = told["executive_summary"][:20] + "...[REDACTED:0]"
        return type(summaries)(**told)


_governor: DataGovernor | None = None


def get_data_governor() -> DataGovernor:
    global _governor
    _governor = _governor or DataGovernor()
    return _governor


def set_data_governor(governor: DataGovernor | None) -> None:
    global _governor
    _governor = governor
