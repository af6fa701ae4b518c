"""Statements in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from forge_models.family import Reason

DOES = {
    "channel": "watches {}",
    "category": "watches {}",
    "site": "visits {}",
    "app": "uses {}",
    "topic": "texts about {}",
    "to": "writes to {}",
    "from": "hears from {}",
    "met": "meets {}",
    "language": "texts in {}",
    "mood": "texts sound {}",
}
ACTIVITY = {
    "channel": "with something watched",
    "category": "with something watched",
    "site": "with browsing",
    "app": "with apps",
    "topic": "with texts",
    "to": "with something written",
    "from": "with something received",
    "met": "with meetings",
    "language": "with texts",
    "mood": "with texts",
    "place": "with visits",
    "appointment": "with appointments",
}


def statement(row: Mapping[str, Any]) -> str:
    """What a row of ``insights/profile`` says; routines are called as they are."""
    said = DOES.get(facet(row), "{}").format(row["label"])
    return said if row["trend"] == "steady" else f"{said} ({row['trend']})"


def because(row: Mapping[str, Any]) -> Sequence[Reason]:
    """Seen in how many weeks, when last, and how fast it is forgotten."""
    activity = ACTIVITY.get(facet(row), "with that activity")
    weeks = f"in {row['weeks']} of the {row['weeks_of']} weeks {activity} since it came first"
    return (
        Reason(weeks, row["weeks"] / max(row["weeks_of"], 1)),
        Reason(f"last on {row['last_seen']:%Y-%m-%d}", row["weight"]),
        Reason(f"a week counts half after {row['half_life_weeks']:g} weeks", row["half_life_weeks"]),
    )


def facet(row: Mapping[str, Any]) -> str:
    return str(row["thing"]).partition(":")[0]
