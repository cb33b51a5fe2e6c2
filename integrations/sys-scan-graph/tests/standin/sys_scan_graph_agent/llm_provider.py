"""The registry of providers, which replaces any null provider by one that the environment names."""

from __future__ import annotations

import os
from typing import Any, NamedTuple


class ProviderMetadata(NamedTuple):
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


class NullLLMProvider:
    """The agent's own, which says little."""


_PROVIDER: Any = NullLLMProvider()


def get_llm_provider() -> Any:
    global _PROVIDER
    if isinstance(_PROVIDER, NullLLMProvider):
        if os.environ.get("AGENT_LLM_PROVIDER", "local") != "null":
            raise ImportError("this imports torch")
        _PROVIDER = NullLLMProvider()
    return _PROVIDER


def set_llm_provider(provider: Any) -> None:
    global _PROVIDER
    _PROVIDER = provider
