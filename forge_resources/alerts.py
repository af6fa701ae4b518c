"""Alerts and incidents as they were told last, and what their owner says of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from forge_core import keys
from forge_core.errors import Refused
from forge_models.anomaly import feedback
from forge_resources.stores import Stores

COLUMNS = ("incident", "task", "subject", "source", "time", "last_time", "alerts", "days", "what", "state")


def incidents(stores: Stores, every: bool = False) -> list[dict[str, Any]]:
    """Incidents, the newest first; without ``every`` only those that are still open."""
    _told(stores)
    rows = stores.database.rows(
        f"select {', '.join(COLUMNS)} from {keys.table(keys.INCIDENTS)} order by last_time desc, incident"
    )
    found = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    verdicts = _verdicts(stores)
    for one in found:
        one["state"] = {"ack": "closed", "false": "false"}.get(
            verdicts.get(one["incident"], ""), one["state"]
        )
    return [one for one in found if every or one["state"] == "open"]


def judge(stores: Stores, verdict: str, asked: str, dry_run: bool = False) -> dict[str, Any]:
    """Keep ``ack`` or ``false`` for an alert or an incident, named by its id or by the beginning of it.

    What was false is expected from then on: the next build of ``insights/alerts`` learns it.
    """
    _told(stores)
    owners = {
        name: (subject, source, export)
        for table, column in ((keys.ALERTS, "alert"), (keys.INCIDENTS, "incident"))
        for name, subject, source, export in stores.database.rows(
            f"select {column}, subject, source, export from {keys.table(table)}"
        )
    }
    row = feedback.plan(owners, asked, verdict, datetime.now(UTC))
    if not dry_run:
        subject, source, export = owners[row["item"]]
        stores.feedback.add(row["about"], row["item"], verdict, row["time"], subject, source, export)
    return {"item": row["item"], "verdict": verdict, "dry_run": dry_run}


def _verdicts(stores: Stores) -> dict[str, str]:
    return feedback.verdicts(stores.database.table(keys.table(keys.FEEDBACK)))


def _told(stores: Stores) -> None:
    if not stores.database.exists(keys.table(keys.INCIDENTS)):
        raise Refused(
            "FORGE-NO-ALERTS",
            "No alerts were told yet.",
            "The anomaly family has no champion: it is in learning mode, or was not built.",
            "Look at `forge status`; `forge build insights/alerts` tells them.",
        )
