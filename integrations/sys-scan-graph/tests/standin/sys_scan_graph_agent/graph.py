"""`app`: nodes that each start an event loop, whose errors are lost."""

from __future__ import annotations

import asyncio
from typing import Any

from .llm_provider import get_llm_provider
from .models import Reductions


async def summarize(state: dict[str, Any]) -> None:
    summaries, _ = get_llm_provider().summarize(Reductions(), [], [], baseline_context={})
    state["summary"] = summaries.model_dump()


async def suggest_rules(state: dict[str, Any]) -> None:
    """The suggestions of the agent's miner for findings of one title."""
    titles = [finding["title"] for finding in state["raw_findings"] if finding["severity"] != "info"]
    suggestions = [
        {
            "id": "gap_" + "_".join(title.lower().split())[:40],
            "title": "Auto Suggested",
            "conditions": [{"field": "title", "contains": title.lower().split()[0]}],
            "logic": "all",
            "risk_score_delta": 5,
            "tags": ["auto_suggested", "gap_candidate"],
        }
        for title in dict.fromkeys(title.replace("/", " ") for title in titles if titles.count(title) > 1)
    ]
    refined = get_llm_provider().refine_rules(suggestions, examples=None)
    # A tuple is not a list.
    state["suggested_rules"] = refined if isinstance(refined, list) else suggestions


class App:
    def invoke(self, state: dict[str, Any]) -> dict[str, Any]:
        state = {**state, "summary": None}
        for node in (summarize, suggest_rules):
            try:
                loop = asyncio.new_event_loop()
                loop.run_until_complete(node(state))
                loop.close()
            except Exception:
                pass
        return state


app = App()
