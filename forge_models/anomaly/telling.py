"""What the champions say: the tables of alerts and incidents of everybody, and an answer in words about one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from forge_core import keys
from forge_models.anomaly import alerting, splitting, words
from forge_models.anomaly.calibration import LEARNING_DAYS, LEARNING_EVENTS
from forge_models.anomaly.feedback import verdicts
from forge_models.anomaly.models import AnomalyModel, Scored
from forge_models.anomaly.streams import DAY
from forge_models.family import Answer, Reason, Said

TIME = pa.timestamp("us", tz="UTC")
_COMMON = [
    ("subject", pa.string()),
    ("source", pa.string()),
    ("export", pa.string()),
    ("task", pa.string()),
    ("time", TIME),
]
ALERTS = pa.schema(
    [
        ("alert", pa.string()),
        *_COMMON,
        ("incident", pa.string()),
        ("days", pa.float64()),  # expected once in so many
        ("what", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("state", pa.string()),
        ("event_id", pa.string()),  # null: it is of a whole day
    ]
)
INCIDENTS = pa.schema(
    [
        ("incident", pa.string()),
        *_COMMON,
        ("last_time", TIME),
        ("alerts", pa.int64()),
        ("days", pa.float64()),
        ("what", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("state", pa.string()),
    ]
)
RECENT_DAYS = 30
NO_TRAVEL = "Impossible travel: unavailable, the export names no country."


def tell(models: Mapping[str, AnomalyModel], tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """All alerts and incidents, of the inputs whose task has a champion."""
    from forge_models.anomaly.description import INPUT

    said = verdicts(tables.get(keys.FEEDBACK))
    alerts: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for task, model in models.items():
        if INPUT[task] not in tables:
            continue
        scored = model.score(splitting.rows(task, tables[INPUT[task]]))
        for one in alerting.incidents(task, scored, said):
            own = [_alert_row(task, scored, alert) for alert in one.alerts]
            alerts += own
            found.append(
                {name: own[0][name] for name in ("subject", "source", "export", "task")}
                | {
                    "incident": one.id,
                    "time": one.first,
                    "last_time": one.last,
                    "alerts": one.rows,
                    "days": one.days,
                    "what": f"{one.reasons[0].because}; {often(one.days)}",
                    "reasons": [reason.because for reason in one.reasons],
                    "state": one.state,
                }
            )
    return {
        keys.ALERTS: _table(sorted(alerts, key=lambda row: (row["time"], row["alert"])), ALERTS),
        keys.INCIDENTS: _table(sorted(found, key=lambda row: (row["time"], row["incident"])), INCIDENTS),
    }


def answer(models: Mapping[str, AnomalyModel], tables: Mapping[str, pa.Table], **asked: Any) -> Answer:
    """Of one subject's tables: the incidents of the last ``days`` (30), the rarest first, at most ``k`` (10)."""
    from forge_models.anomaly.description import INPUT

    span, most = int(asked.get("days", RECENT_DAYS)), int(asked.get("k", 10))
    told = verdicts(tables.get(keys.FEEDBACK))
    said: list[Said] = []
    notes: list[str] = []
    for task, model in models.items():
        if INPUT[task] not in tables:
            continue
        scored = model.score(splitting.rows(task, tables[INPUT[task]]))
        if not len(scored.streams):
            notes.append(f"{task}: there are no rows.")
            continue
        if not scored.alertable.any():
            notes.append(
                f"{task}: learning mode. It needs {LEARNING_DAYS} days and {LEARNING_EVENTS}"
                " events of a source before it gives alerts."
            )
            continue
        if "travel_known" in scored.facts and not scored.facts["travel_known"].any():
            notes.append(NO_TRAVEL)
        since = int(scored.streams.time.max()) - span * DAY
        recent = [one for one in alerting.incidents(task, scored, told) if one.last >= since]
        for one in sorted(recent, key=lambda i: -i.days)[:most]:
            said.append(_said(task, scored, one))
        if not recent:
            said.append(_quiet(task, scored, since, span))
    return Answer(said, " ".join(dict.fromkeys(notes)))


def _said(task: str, scored: Scored, one: alerting.Incident) -> Said:
    when = datetime.fromtimestamp(one.first / 1e6, UTC)
    state = {"open": "", "closed": ", acknowledged", "false": ", said to be false"}.get(
        one.state, ", over the budget"
    )
    name = scored.streams.names[one.stream]
    top = one.alerts[0]
    return Said(
        task=task,
        what=f"{when:%Y-%m-%d %H:%M} UTC: {one.reasons[0].because}; {often(one.days)}{state} ({top.id})",
        value=round(one.days, 1),
        because=one.reasons,
        sources=[name[1]],
        events=one.rows,
    )


def _quiet(task: str, scored: Scored, since: int, span: int) -> Said:
    inside = np.flatnonzero((scored.streams.time >= since) & scored.alertable)
    sources = sorted({name[1] for name in scored.streams.names})
    if not len(inside):
        return Said(task, f"No alert in the last {span} days.", sources=sources, events=0)
    row = int(inside[np.argmax(scored.days[inside])])
    because: list[Reason] = words.reasons(scored, row)
    what = f"No alert in the last {span} days; the rarest was {often(float(scored.days[row]))}."
    return Said(task, what, round(float(scored.days[row]), 1), None, None, because, sources, len(inside))


def often(days: float) -> str:
    """In words, never more exact than it can be."""
    if days < 14:
        return f"expected once in {max(1, round(days))} days"
    if days < 90:
        return f"expected once in {round(days / 7)} weeks"
    if days < 730:
        return f"expected once in {round(days / 30)} months"
    return "expected less than once in two years"


def _alert_row(task: str, scored: Scored, alert: alerting.Alert) -> dict[str, Any]:
    table, (subject, source) = scored.streams.table, scored.streams.names[alert.stream]
    return {
        "alert": alert.id,
        "subject": subject,
        "source": source,
        "export": table["export"][alert.row].as_py(),
        "task": task,
        "time": alert.time,
        "incident": alert.incident,
        "days": alert.days,
        "what": f"{alert.reasons[0].because}; {often(alert.days)}",
        "reasons": [reason.because for reason in alert.reasons],
        "state": alert.state,
        "event_id": table["event_id"][alert.row].as_py() if task == "account" else None,
    }


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        columns.append(
            pa.array(values, pa.int64()).cast(TIME) if field.type == TIME else pa.array(values, field.type)
        )
    return pa.table(columns, schema=schema)
