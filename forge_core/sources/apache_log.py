"""Lines of Apache's error log."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from forge_core.events import TimeFlag
from forge_core.sources.base import Sink
from forge_core.sources.log_lines import visible
from forge_core.sources.syslog import MONTH, MONTHS, address
from forge_core.times import SECOND, plausible

APACHE = re.compile(
    rf"\[(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ({MONTH}) (\d\d) (\d\d):(\d\d):(\d\d)(?:\.\d{{1,6}})? (\d{{4}})\] "
    r"\[(?:\w{0,32}:)?(\w{1,10})\] (.*)",
    re.S,
)
_CLIENT = re.compile(r"(?:\[pid [^\]]{1,40}\] )?(?:\([^)]{0,60}\)[^\[]{0,80})?\[client ([^\]\s]{1,64})\]")
_PORT = re.compile(r":\d{1,5}\Z")
_BAD = frozenset(("error", "crit", "alert", "emerg"))


def add_apache(sink: Sink, source: str, text: str, position: int) -> bool:
    """The line as an event of ``apache:<level>``; False where it is none."""
    found = APACHE.match(text)
    if not found:
        return False
    month, day, hour, minute, second, year, level, message = found.groups()
    try:
        at = datetime(
            int(year), MONTHS[month], int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC
        )
    except ValueError:
        sink.quarantine("unknown date")
        return True
    client = _CLIENT.match(message)
    where = None
    if client:
        where = address(client[1]) or address(_PORT.sub("", client[1]))
    sink.table("security", source).values.append((
        f"apache:{level.lower()}", *plausible(int(at.timestamp()) * SECOND, None, TimeFlag.NO_ZONE.value), position,
        level.lower(), "failure" if level.lower() in _BAD else "unknown", where, None, None, None, visible(text),
    ))  # fmt: skip
    return True
