"""Training and serving compared: what is read online against what the join in the past gives for now."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

RELATIVE, ABSOLUTE = 1e-9, 1e-12  # both ends hold 64-bit floats: they differ by nothing, or by a fault


@dataclass(frozen=True)
class Skew:
    """``entities`` were looked at; ``missing`` of them have no online values, ``stale`` those of another row than the
    table's newest.

    ``differing`` counts, by feature, entities whose online value is another one though it is of the same moment.
    """

    table: str
    entities: int
    missing: int = 0
    stale: int = 0
    differing: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not (self.missing or self.stale or self.differing)

    def as_dict(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "entities": self.entities,
            "missing": self.missing,
            "stale": self.stale,
            "differing": dict(self.differing),
        }


def same(online: Any, offline: Any) -> bool:
    """Equal values; null is only null, and not-a-number is itself."""
    if online is None or offline is None:
        return online is offline
    if isinstance(online, float) and isinstance(offline, float):
        return (math.isnan(online) and math.isnan(offline)) or math.isclose(
            online, offline, rel_tol=RELATIVE, abs_tol=ABSOLUTE
        )
    return online == offline and isinstance(online, bool) == isinstance(offline, bool)


def compare(
    table: str, known_at: list[Any], online: list[dict[str, Any]], offline: list[dict[str, Any]]
) -> Skew:
    """Rows of the same entities in the same order; ``known_at`` is when the table's newest row was known."""
    missing = stale = 0
    differing: dict[str, int] = {}
    for moment, now, past in zip(known_at, online, offline, strict=True):
        if now["known_at"] is None:
            missing += 1
        elif now["known_at"] != moment:
            stale += 1
        else:
            for name, value in past.items():
                if not same(now[name], value):
                    differing[name] = differing.get(name, 0) + 1
    return Skew(table, len(known_at), missing, stale, differing)
