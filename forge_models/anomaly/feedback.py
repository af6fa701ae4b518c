"""What a person says of an alert: a pure planner of the rows of ``governance/feedback``, and how they are read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from forge_core.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

VERDICTS = ("ack", "false")
COLUMNS = ("item", "verdict", "time")
ABOUT = "alert"
LEAST = 4  # characters of an id that may stand for it


def plan(known: Iterable[str], asked: str, verdict: str, now: datetime) -> dict[str, Any]:
    """The row to be stored for ``ack|false ID``; ``known``: ids of alerts and incidents that there are.

    The beginning of an id will do where it is the only such one. Raises ``UsageError`` (FORGE-ALERT-VERDICT,
    FORGE-ALERT-UNKNOWN, FORGE-ALERT-AMBIGUOUS).
    """
    if verdict not in VERDICTS:
        raise UsageError("FORGE-ALERT-VERDICT", "An alert is judged by ack or false.")
    ids = set(known)
    found = {asked} & ids or {one for one in ids if len(asked) >= LEAST and one.startswith(asked)}
    if not found:
        raise UsageError(
            "FORGE-ALERT-UNKNOWN", "There is no alert of that id.", fix="Take one from the list of alerts."
        )
    if len(found) > 1:
        raise UsageError("FORGE-ALERT-AMBIGUOUS", "Several alerts begin so.", fix="Give more of the id.")
    return {"about": ABOUT, "item": found.pop(), "verdict": verdict, "time": now}


def verdicts(table: pa.Table | None) -> dict[str, str]:
    """The latest verdict by the id it was given on; rows about other things, or with other verdicts, say nothing."""
    if table is None or not table.num_rows:
        return {}
    rows: Sequence[Mapping[str, Any]] = table.select([*COLUMNS, "about"]).sort_by("time").to_pylist()
    return {r["item"]: r["verdict"] for r in rows if r["about"] == ABOUT and r["verdict"] in VERDICTS}
