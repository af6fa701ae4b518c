"""The pictures of an anomaly model on the test part: days over time, how rare they are, when things happen, what is
found.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from forge_models.anomaly import alerting, calibration, incidents
from forge_models.anomaly.evaluating import chosen_streams, evaluate
from forge_models.anomaly.models import AnomalyModel, Scored
from forge_models.anomaly.streams import DAY, SECOND
from forge_models.family import Splits
from forge_models.pictures import Bars, Heat, Picture, Timeline

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
STEPS = (1, 2, 3, 5, 7, 14, 30, 90, 365)


def pictures(task: str, model: AnomalyModel, splits: Splits) -> dict[str, Picture]:
    """Of the longest stream of those that are judged; nothing where there is none."""
    seen, begin = chosen_streams(splits, "test")
    if not seen.names:
        return {}
    table = incidents.recounted(seen.table) if task == "account" else seen.table
    scored = model.score(table)
    found: dict[str, Picture] = {
        "timeline": _timeline(task, scored),
        "distribution": _distribution(scored, begin),
        "heat": _heat(task, scored),
    }
    slices = evaluate(task, model, splits, "test").slices
    if slices:
        shown = [one["recall@month"] for one in slices.values()]
        found["scenarios"] = Bars(
            "Planted incidents found, at one false alarm in four weeks",
            [name.replace("_", " ") for name in slices],
            np.array([one.value for one in shown]),
            np.array([one.low for one in shown]),
            np.array([one.high for one in shown]),
        )
    return found


def _timeline(task: str, scored: Scored) -> Timeline:
    """Once in how many days the rarest thing of each day is expected, as a power of ten; marks are incidents."""
    longest = int(np.argmax(np.diff(scored.streams.starts)))
    stream, day, top = calibration.daily(scored.streams, scored.days)
    mine = stream == longest
    days, values = day[mine], np.log10(np.maximum(top[mine], 1.0))
    told = {one.first // DAY for one in alerting.incidents(task, scored) if one.stream == longest}
    marks = [place for place, one in enumerate(days.tolist()) if one in told]
    times = [datetime.fromtimestamp(int(one) * DAY / 1e6, UTC) for one in days]
    title = "Rarity of each day: expected once in 10^y days"
    return Timeline(title, times, values, marks, float(np.log10(alerting.ALERT_DAYS)))


def _distribution(scored: Scored, begin: int) -> Bars:
    """How many test days reach a rarity, over how many should: 1 everywhere is a perfect calibration."""
    tested = scored.alertable & (scored.streams.time >= begin)
    place = calibration.day_of_rows(scored.streams)
    top = np.zeros(int(place[-1]) + 1)
    np.maximum.at(top, place[tested], scored.days[tested])
    top = top[np.unique(place[tested])]
    shares = [float((top >= step - 1e-9).mean()) if len(top) else 0.0 for step in STEPS]
    return Bars(
        "Share of test days that are expected at most once in n days",
        [str(step) for step in STEPS],
        np.array(shares),
    )


def _heat(task: str, scored: Scored) -> Heat:
    """Account: events by weekday and hour; routine: mean rarity of each figure by weekday."""
    weekday = (scored.streams.day + 3) % 7
    if task == "account":
        hour = (scored.streams.time // (3600 * SECOND)) % 24
        values = np.bincount(weekday * 24 + hour, minlength=168).reshape(7, 24).astype(np.float64)
        return Heat(
            "Account events by weekday and hour (UTC)", WEEKDAYS, [str(one) for one in range(24)], values
        )
    rare = np.abs(scored.rare)
    means = np.array(
        [rare[weekday == one].mean(axis=0) if (weekday == one).any() else 0.0 * rare[0] for one in range(7)]
    )
    return Heat(
        "Mean rarity of each figure by weekday (nats)",
        WEEKDAYS,
        [n.replace("_", " ") for n in scored.names],
        means,
    )
