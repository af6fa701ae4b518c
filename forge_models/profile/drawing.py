"""The pictures of a chosen model: what was said against what came, and the population's weeks and months.

Aggregates over everybody: facets, weekdays and hours, never a thing or a label of somebody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from forge_models.family import Splits
from forge_models.pictures import Bars, Heat, Picture
from forge_models.profile import evaluating
from forge_models.profile.routines import BLOCK, DAYS, DONE
from forge_models.profile.splitting import week_of

MONTHS = 24  # the last ones
LATER = 12  # weeks after a thing came first


def pictures(task: str, model: Any, splits: Splits) -> Mapping[str, Picture]:
    found: dict[str, Picture] = {"over_time": _months(splits)}
    if task == "routines" and (heat := _week(splits)) is not None:
        found["week"] = heat
    some = evaluating.questions(splits, "test")
    if len(some):
        chances = model.chances(some)
        told = evaluating.calibration(chances, some.came)
        names = [f"said {said:.0%} ({count})" for said, _, count in told]
        found["calibration"] = Bars(
            "Share that came, by chance said",
            names,
            np.array([came for _, came, _ in told]),
        )
        sliced = evaluating.evaluate(model, splits, "test").slices
        own = {facet: one["average_precision"] for facet, one in sliced.items()}
        found["by_facet"] = Bars(
            "Average precision by facet", list(own), *(
                np.array([getattr(one, name) for one in own.values()]) for name in ("value", "low", "high")
            ),
        )  # fmt: skip
        found["staying"] = _staying(some)
    return found


def _months(splits: Splits) -> Heat:
    """Things by facet and month: how much of a profile there is, and when."""
    rows = splits.rows
    weeks = week_of(rows["time"])
    months = [datetime.fromtimestamp((4 + 7 * int(week)) * 86_400, UTC).strftime("%Y-%m") for week in weeks]
    columns = sorted(set(months))[-MONTHS:]
    facets = sorted(set(rows["facet"].to_pylist()))
    values = np.zeros((len(facets), len(columns)))
    place, at = ({name: n for n, name in enumerate(names)} for names in (facets, columns))
    for facet, month, events in zip(
        rows["facet"].to_pylist(), months, rows["events"].to_pylist(), strict=True
    ):
        if month in at:
            values[place[facet], at[month]] += events
    return Heat("Events behind statements, by facet and month", facets, columns, values)


def _week(splits: Splits) -> Heat | None:
    """Activities by weekday and part of the day."""
    values = np.zeros((7, 24 // BLOCK))
    rows = splits.rows.select(["facet", "thing", "events"]).to_pylist()
    for row in rows:
        if row["facet"] in DONE:
            day, block = divmod(int(row["thing"].partition(":")[2]), 24 // BLOCK)
            values[day, block] += row["events"]
    if not values.any():
        return None
    hours = [f"{block * BLOCK:02d}-{(block + 1) * BLOCK:02d}" for block in range(24 // BLOCK)]
    return Heat("Activity by weekday and hours, UTC", [day[:-1] for day in DAYS], hours, values)


def _staying(some: Any) -> Bars:
    """How many of the things that once came still come, week after week with activity."""
    from forge_models.profile.asking import NAMES

    age = np.minimum(np.round(np.expm1(some.x[:, NAMES.index("age")])).astype(int) + 1, LATER)
    there = [week for week in range(1, LATER + 1) if (age == week).any()]
    names = [f"week {week}" if week < LATER else f"week {LATER} on" for week in there]
    shares = np.array([some.came[age == week].mean() for week in there])
    return Bars("Came again, by weeks since first", names, shares)
