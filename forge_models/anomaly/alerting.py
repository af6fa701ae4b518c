"""From scored rows to alerts and incidents: the threshold, the weekly budget, and what a person said of earlier alerts.

Pure functions. An alert is a row that is expected at most once in ``ALERT_DAYS`` days, of a stream that is known well
enough. Alerts of a stream that are close in time are one incident. At most ``BUDGET`` incidents of a stream are told
in seven days, by what is known at the time: a further one only if it is rarer than all of those. A false alert
teaches that its pattern (the two rarest things about it) also has an innocent cause, once in four weeks; an
acknowledged one is closed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from forge_models.anomaly import words
from forge_models.anomaly.models import Scored
from forge_models.anomaly.streams import DAY
from forge_models.family import Reason

ALERT_DAYS = (
    30.0  # a false alarm a month: on clean time one alert in four weeks, well below the one a week of F-D6
)
BUDGET = 3  # incidents of a stream in seven days
INNOCENT_DAYS = 28.0  # what was judged false is taken to happen once in so many days
# counts over a day keep a burst in sight for a day; days of a routine follow each other
CLOSE = {"account": DAY, "routine": DAY + DAY // 2}
MOST_ALERTS = 5  # of an incident; the others are counted


@dataclass(frozen=True)
class Alert:
    """``row`` of the scored rows; ``days``: expected once in so many; ``state``: open, closed, false or over_budget."""

    id: str
    incident: str
    row: int
    stream: int
    time: int
    days: float
    reasons: Sequence[Reason]
    pattern: str
    state: str = "open"


@dataclass(frozen=True)
class Incident:
    """Alerts of a stream close in time, the rarest first, at most ``MOST_ALERTS`` of ``rows``; from ``first`` to
    ``last``.
    """

    id: str
    stream: int
    first: int
    last: int
    rows: int
    alerts: Sequence[Alert]
    reasons: Sequence[Reason]
    state: str

    @property
    def days(self) -> float:
        return self.alerts[0].days


def incidents(
    task: str,
    scored: Scored,
    feedback: Mapping[str, str] | None = None,
    threshold: float = ALERT_DAYS,
    budget: int = BUDGET,
) -> list[Incident]:
    """In the order of time. ``feedback``: verdict (``ack`` or ``false``) by the id of an alert or of an incident."""
    rows = np.flatnonzero(scored.alertable & (scored.days >= threshold))
    feedback = feedback or {}
    found: list[Incident] = []
    for group in _groups(scored, rows, CLOSE[task]):
        found.append(_incident(task, scored, group))
    if feedback:
        found = _taught(task, scored, found, feedback, threshold)
    return sorted(_within_budget(found, budget), key=lambda one: (one.first, one.id))


def alert_id(task: str, scored: Scored, row: int) -> str:
    """Stable from build to build: made of the event, or of the stream and its day."""
    table, stream = scored.streams.table, int(scored.streams.stream[row])
    if task == "account":
        told = str(table["event_id"][row].as_py())
    else:
        told = "/".join((*scored.streams.names[stream], str(int(scored.streams.day[row]))))
    return hashlib.sha256(f"{task}/{told}".encode()).hexdigest()[:12]


def weekly_counts(task: str, scored: Scored, tested: np.ndarray) -> np.ndarray:
    """(stream-weeks,) float64: incidents told in each week with tested rows, weeks counted from each stream's first."""
    rows = np.flatnonzero(tested)
    if not len(rows):
        return np.zeros(0)
    stream = scored.streams.stream[rows]
    first = np.full(len(scored.streams.names), np.iinfo(np.int64).max)
    np.minimum.at(first, stream, scored.streams.day[rows])
    last = np.zeros(len(scored.streams.names), np.int64)
    np.maximum.at(last, stream, scored.streams.day[rows])
    present = np.flatnonzero(last >= first)
    weeks = np.zeros(len(first), np.int64)
    weeks[present] = (last[present] - first[present]) // 7 + 1
    offset = np.concatenate([[0], np.cumsum(weeks)])
    counts = np.zeros(int(offset[-1]))
    begin = int(scored.streams.time[rows].min())
    for one in incidents(task, scored):
        if one.state == "open" and one.first >= begin and weeks[one.stream]:
            week = min((one.first // DAY - first[one.stream]) // 7, weeks[one.stream] - 1)
            if week >= 0:
                counts[offset[one.stream] + week] += 1
    return counts


def _groups(scored: Scored, rows: np.ndarray, close: int) -> list[np.ndarray]:
    if not len(rows):
        return []
    stream, time = scored.streams.stream[rows], scored.streams.time[rows]
    apart = (stream[1:] != stream[:-1]) | (np.diff(time) > close)
    return list(np.split(rows, np.flatnonzero(apart) + 1))


def _incident(task: str, scored: Scored, rows: np.ndarray) -> Incident:
    first, last = int(scored.streams.time[rows[0]]), int(scored.streams.time[rows[-1]])
    name = f"i-{alert_id(task, scored, int(rows[0]))}"
    order = rows[np.argsort(-scored.days[rows], kind="stable")][:MOST_ALERTS]
    alerts = [
        Alert(
            alert_id(task, scored, int(row)),
            name,
            int(row),
            int(scored.streams.stream[row]),
            int(scored.streams.time[row]),
            float(scored.days[row]),
            words.reasons(scored, int(row)),
            words.pattern(scored, int(row)),
        )
        for row in order
    ]
    reasons = words.together(scored, rows)
    return Incident(name, alerts[0].stream, first, last, len(rows), alerts, reasons, "open")


def _taught(
    task: str, scored: Scored, found: list[Incident], feedback: Mapping[str, str], threshold: float
) -> list[Incident]:
    """What was judged is marked; what is like something judged false is expected more often, and may fall below."""
    judged = {one.id: _verdict(one, feedback) for one in found}
    innocent: dict[tuple[int, str], int] = {}
    for one in found:
        if judged[one.id] == "false":
            for pattern in {alert.pattern for alert in one.alerts}:
                innocent[one.stream, pattern] = innocent.get((one.stream, pattern), 0) + 1
    kept = []
    for one in found:
        verdict = judged[one.id]
        if verdict:
            state = "closed" if verdict == "ack" else "false"
            kept.append(replace(one, state=state, alerts=[replace(a, state=state) for a in one.alerts]))
            continue
        damped = [
            replace(a, days=damped_days(a.days, innocent.get((one.stream, a.pattern), 0))) for a in one.alerts
        ]
        if alerts := [a for a in damped if a.days >= threshold]:
            kept.append(replace(one, alerts=sorted(alerts, key=lambda a: -a.days)))
    return kept


def damped_days(days: float, false: int) -> float:
    """Two causes add their rates: once in ``days`` by the model, and ``false`` times in ``INNOCENT_DAYS`` by what
    was said.
    """
    return 1.0 / (1.0 / days + false / INNOCENT_DAYS)


def _verdict(one: Incident, feedback: Mapping[str, str]) -> str:
    told = [feedback[name] for name in (one.id, *(alert.id for alert in one.alerts)) if name in feedback]
    return "false" if "false" in told else "ack" if told else ""


def _within_budget(found: list[Incident], budget: int) -> list[Incident]:
    """The causal budget of each stream; what is over it keeps its place with the state ``over_budget``."""
    kept: list[Incident] = []
    told: dict[int, list[Incident]] = {}
    for one in sorted(found, key=lambda i: (i.stream, i.first)):
        if one.state == "open":
            week = [other for other in told.get(one.stream, []) if other.first > one.first - 7 * DAY]
            if len(week) >= budget and one.days <= max(other.days for other in week):
                state = "over_budget"
                one = replace(one, state=state, alerts=[replace(a, state=state) for a in one.alerts])
            else:
                told.setdefault(one.stream, []).append(one)
        kept.append(one)
    return kept
