"""Which of a host's reports is the newest.

`pipe-ask` answers about the newest of its reports, by `summary.started_at`; a caller of this package names the one to answer
about. Where these may differ, nothing is asked: the answers would be about another scan.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .errors import AskError

MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d))?")


def check(report: Path, history: list[Path]) -> None:
    """Refuses a report that is not the newest."""
    if not history:
        return
    started = moment(report)
    if started is None:
        raise AskError(
            f"{report}: it does not say when its scan started (summary.started_at), so its place among the earlier reports is not "
            "known: leave out the history"
        )
    for earlier in history:
        other = moment(earlier)
        if other is not None and other >= started:
            raise AskError(f"{earlier}: its scan did not start before that of {report}: it is no history of it")


def moment(path: Path) -> datetime | None:
    """When the scan of a report started; none where it does not say, or is no report: `pipe-ask` tells that better."""
    try:
        found = json.loads(path.read_bytes().decode("utf-8-sig", errors="replace"))["summary"]["started_at"]
        return parsed(found)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def parsed(text: str) -> datetime | None:
    match = MOMENT.fullmatch(text)
    if match is None:
        return None
    date, clock, fraction, sign, hours, minutes = match.groups()
    zone = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    whole = datetime.fromisoformat(f"{date}T{clock}").replace(tzinfo=timezone.utc)
    part = timedelta(microseconds=int((fraction or "").ljust(6, "0")[:6]))
    return whole + part - (-zone if sign == "-" else zone)
