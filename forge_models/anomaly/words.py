"""Why a row stands out, in words: the columns whose values were rarest, with what was counted and what is usual.

The words come from counting whichever detector gave the score; they name what was rare about the event, not what a
network did inside.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forge_models.anomaly.models import USUAL, Scored
from forge_models.family import Reason

MOST, TOGETHER = 3, 5  # reasons of a row, and of an incident
NEW = ("device", "network", "country", "travel")
PLAIN = {
    "device": "new device",
    "network": "first {event} from this network",
    "country": "first {event} from this country",
    "travel": "impossible travel: in another country within the hour",
    "fresh": "several things are new within the hour",
    "sensitive": "a sensitive action soon after something new or after failures",
    "failed": "a failure, which is rare here",
}
COUNTED = {
    "burst_1h": "burst: {count:.0f} events within an hour",
    "burst_24h": "burst: {count:.0f} events within a day",
    "failures_1h": "burst of failures: {count:.0f} within an hour",
    "failures_24h": "failures: {count:.0f} within a day",
    "failures_7d": "failures go on: {count:.0f} within a week",
}
DAILY = {
    "events": "events",
    "watch": "things watched",
    "search": "searches",
    "browse": "pages visited",
    "message": "messages",
    "security": "logins and account events",
    "app_usage": "app events",
    "calendar_minutes": "minutes in calendar entries",
    "dwell_minutes": "minutes at places",
    "night_events": "events from 0 to 6 o'clock",
    "active_hours": "active hours",
    "longest_silence_h": "hours of silence",
}
CLOCK = {"first_hour": "the first event", "last_hour": "the last event"}


def columns(scored: Scored, row: int, most: int = MOST) -> list[int]:
    """The columns that stand out in a row, the rarest first; at least one."""
    rare = np.abs(scored.rare[row])
    order = np.argsort(-rare, kind="stable")
    kept = [int(place) for place in order[:most] if rare[place] > USUAL]
    return kept or [int(order[0])]


def reasons(scored: Scored, row: int) -> list[Reason]:
    """In words, each with its rarity in nats."""
    told = [
        (worded(scored, row, place), float(abs(scored.rare[row, place]))) for place in columns(scored, row)
    ]
    return _apart(told)


def _apart(told: list[tuple[str, float]]) -> list[Reason]:
    """Two columns that say the same in words are one reason; the rarer stands first."""
    found: dict[str, float] = {}
    for because, weight in told:
        found.setdefault(because, round(weight, 2))
    return [Reason(because, weight) for because, weight in found.items()]


def together(scored: Scored, rows: np.ndarray) -> list[Reason]:
    """Why the rows of an incident stand out: each column by its rarest row, at most ``TOGETHER``, the rarest first.

    That several things are new is left out where it is said which; of counts of one thing the rarest window is said.
    """
    rare = np.abs(scored.rare[rows])
    top, at = rare.max(axis=0), rows[rare.argmax(axis=0)]
    if "fresh" in scored.names:
        fresh = scored.names.index("fresh")
        if any(top[scored.names.index(name)] > USUAL for name in NEW):
            top[fresh] = 0.0
    for alike in ("burst_", "failures_"):
        places = [place for place, name in enumerate(scored.names) if name.startswith(alike)]
        for place in sorted(places, key=lambda one: -top[one])[1:]:
            top[place] = 0.0
    order = np.argsort(-top, kind="stable")
    kept = [int(place) for place in order[:TOGETHER] if top[place] > USUAL] or [int(order[0])]
    return _apart([(worded(scored, int(at[place]), place), float(top[place])) for place in kept])


def pattern(scored: Scored, row: int) -> str:
    """What makes two alerts of a stream alike: their two rarest columns, whichever came first."""
    return "+".join(sorted(scored.names[place] for place in columns(scored, row, 2)))


def worded(scored: Scored, row: int, place: int) -> str:
    """One column of one row."""
    name, facts = scored.names[place], scored.facts
    if name in PLAIN:
        item = str(scored.streams.table["item"][row].as_py())
        return PLAIN[name].format(event="login" if "login" in item.lower() else "event")
    if name == "item":
        return f"rare action: {scored.streams.table['item'][row].as_py()}"
    if name == "hour":
        return f"unusual hour: {int(facts['hour_of_day'][row])} o'clock UTC"
    usual = _usual(facts, name, row)
    if name in COUNTED:
        if facts[name][row] < 2:
            return PLAIN["failed"] if name.startswith("failures") else "an event after a long quiet"
        return COUNTED[name].format(count=facts[name][row]) + f" (usually {usual})"
    side = "more" if scored.rare[row, place] > 0 else "fewer"
    if name in CLOCK:
        later = "later" if side == "more" else "earlier"
        at, usually = _clock(facts[name][row]), _clock(facts[f"{name}_usual"][row])
        return f"{CLOCK[name]} much {later} than usual: at {at} (usually {usually})"
    return f"{side} {DAILY[name]} than usual: {facts[name][row]:.0f} (usually {usual})"


def _usual(facts: Mapping[str, np.ndarray], name: str, row: int) -> str:
    value = float(facts[f"{name}_usual"][row])
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _clock(hours: float) -> str:
    minutes = round(float(np.clip(hours, 0, 24)) * 60)
    return f"{minutes // 60}:{minutes % 60:02d}"
