"""What a person says of a statement: a planner of the rows of ``governance/feedback``, and how they are read back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from forge_core.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

ABOUT = "statement"
DENIED, ALLOWED = "false", "true"
VERDICTS = {"deny": DENIED, "allow": ALLOWED}
LEAST = 4  # characters of an id that may stand for it


def statement_id(subject: str, kind: str, thing: str) -> str:
    """The same for a subject and a thing from build to build, whatever its evidence; twelve hexadecimal digits."""
    return hashlib.sha256(f"{subject}\x1f{kind}\x1f{thing}".encode()).hexdigest()[:12]


def plan(known: Iterable[str], asked: str, word: str, now: datetime) -> dict[str, Any]:
    """The row to be stored for ``deny|allow ID``; ``known``: ids of statements that there are, or that were denied.

    The beginning of an id will do where it is the only such one. Raises ``UsageError`` (FORGE-STATEMENT-VERDICT,
    FORGE-STATEMENT-UNKNOWN, FORGE-STATEMENT-AMBIGUOUS).
    """
    if word not in VERDICTS:
        raise UsageError("FORGE-STATEMENT-VERDICT", "A statement is judged by deny or allow.")
    ids = set(known)
    found = {asked} & ids or {one for one in ids if len(asked) >= LEAST and one.startswith(asked)}
    if not found:
        raise UsageError(
            "FORGE-STATEMENT-UNKNOWN",
            "There is no statement of that id.",
            fix="Take one from `forge profile`.",
        )
    if len(found) > 1:
        raise UsageError(
            "FORGE-STATEMENT-AMBIGUOUS", "Several statements begin so.", fix="Give more of the id."
        )
    return {"about": ABOUT, "item": found.pop(), "verdict": VERDICTS[word], "time": now}


def denied(table: pa.Table | None) -> set[str]:
    """Ids of the statements whose last word is a denial."""
    if table is None or not table.num_rows:
        return set()
    rows = table.select(["about", "item", "verdict", "time"]).sort_by("time").to_pylist()
    last = {row["item"]: row["verdict"] for row in rows if row["about"] == ABOUT}
    return {item for item, verdict in last.items() if verdict == DENIED}
