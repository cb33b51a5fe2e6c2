"""Names of users in paths, which the agent keeps out of every text that leaves it."""

from __future__ import annotations

import re
from typing import Any

from .protocol import of_agent

#: The agent's own rules, for where it is not installed.
RULES = [(re.compile(rf"/{home}/[A-Za-z0-9_.-]+"), f"/{home}/<user>") for home in ("home", "Users")]


def redacted(value: Any) -> Any:
    """The value with every text in it redacted, in the agent's way where it is installed: an administrator may have added rules."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [redacted(item) for item in value]
    if isinstance(value, dict):
        return {key: redacted(item) for key, item in value.items()}
    return value


def text(value: str) -> str:
    of_the_agent = of_agent("redaction", "redact_text", None)
    if of_the_agent is not None:
        return str(of_the_agent(value))
    for pattern, replacement in RULES:
        value = pattern.sub(replacement, value)
    return value
