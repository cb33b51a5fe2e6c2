"""Names of users in paths, which the agent keeps out of every text that leaves it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .protocol import of_agent

#: The agent's own rules, for where it is not installed.
RULES = [(re.compile(rf"/{home}/[A-Za-z0-9_.-]+"), f"/{home}/<user>") for home in ("home", "Users")]


def redacted(value: Any) -> Any:
    """The value with every text in it redacted, in the agent's way where it is installed: an administrator may have added rules."""
    return each_text(value, of_agent("redaction", "redact_text", by_rules))


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [each_text(item, change) for item in value]
    if isinstance(value, dict):
        return {key: each_text(item, change) for key, item in value.items()}
    return value


def by_rules(text: str) -> str:
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text
