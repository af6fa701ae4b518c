"""Judging without labels: planted incidents on held-out time, beside that time as it was.

Each incident is a unit, and its figure is the rarity ("expected once in n days") of its rarest row; what it competes
with are the clean stream-days of the part. Nothing is point-adjusted. ``average_precision`` is at a base rate of one
incident in a hundred days, so that it can be compared from home to home. ``recall@week`` and ``recall@month``: found
at the threshold that one clean day in 7, or 28, reaches. ``found``: at the threshold of the product. Said of clean
time: ``alerts_per_week``, and ``calibration@7`` and ``@30``: how many times as many days as expected reach a rarity
of once in 7 or 30 days; 1 is right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from forge_core.errors import UsageError
from forge_core.evaluation import intervals
from forge_models.anomaly import alerting, calibration, incidents
from forge_models.anomaly.models import AnomalyModel, Scored
from forge_models.anomaly.streams import Streams, numbers, streams
from forge_models.family import Evaluation, Interval, Part, Splits

BEFORE: dict[Part, tuple[Part, ...]] = {"validation": ("train",), "test": ("train", "validation")}
MOST_ROWS = 120_000  # scored with incidents in them
MOST_CLEAN = 400_000
WANTED, MOST_COPIES = 60, 12  # incidents, and copies of a stream for each scenario
BASE = 0.01  # incidents per day, in the precision


def evaluate(task: str, model: AnomalyModel, splits: Splits, part: Part, seed: int = 0) -> Evaluation:
    """Metrics with 95 % bootstrap intervals over incidents; those of clean time over stream-weeks or days."""
    if part not in BEFORE:
        raise UsageError("FORGE-EVALUATE-PART", "A model is evaluated on validation or test, not on train.")
    seen, begin = chosen_streams(splits, part)
    if not seen.names:
        return _nothing()
    clean_table = incidents.recounted(seen.table) if task == "account" else seen.table
    clean = model.score(clean_table)
    tested = clean.alertable & (clean.streams.time >= begin)
    day_rarity = top_days(clean, tested)
    table, units = planted(task, seen, begin, seed)
    scored = model.score(table)
    rarity = _incident_days(scored, seen, units)
    per_unit = unit_metrics(rarity, day_rarity)
    metrics = intervals.mean_intervals(per_unit, seed=seed)
    metrics |= _clean_metrics(task, clean, tested, day_rarity, seed)
    names = np.array([scenario for _, scenario, _ in units], object)
    slices = {
        scenario: intervals.mean_intervals(
            {name: values[names == scenario] for name, values in per_unit.items()}, seed=seed
        )
        for scenario in incidents.SCENARIOS[task]
        if (names == scenario).any()
    }
    subjects = [seen.names[number][0] for number, _, _ in units]
    return Evaluation(metrics, subjects, per_unit, slices)


def chosen_streams(splits: Splits, part: Part) -> tuple[Streams, int]:
    """Streams that are known well enough when ``part`` begins and go on in it, and when that is (microseconds).

    Not all where they are many: taken in the order of their digests, up to ``MOST_CLEAN`` rows.
    """
    before = streams(splits.part(*BEFORE[part], part))
    inside = splits.part(part)
    begin = int(numbers(inside["time"].cast(pa.int64())).min()) if inside.num_rows else 0
    late = before.time >= begin
    kept: list[int] = []
    rows = 0
    for number in range(len(before.names)):
        low, high = int(before.starts[number]), int(before.starts[number + 1])
        early = int(np.searchsorted(before.time[low:high], begin))
        old = early >= calibration.LEARNING_EVENTS and (
            begin - before.time[low] >= calibration.LEARNING_DAYS * 86_400_000_000
        )
        if old and late[low:high].any() and (rows + high - low <= MOST_CLEAN or not kept):
            kept.append(number)
            rows += high - low
    if not kept or not inside.num_rows:
        return streams(before.table.slice(0, 0)), begin
    index = np.concatenate([np.arange(before.starts[n], before.starts[n + 1]) for n in kept])
    return streams(before.table.take(pa.array(index))), begin


def planted(task: str, seen: Streams, begin: int, seed: int) -> tuple[pa.Table, list[tuple[int, str, int]]]:
    """Copies of streams with one incident each, and (stream, scenario, copy) of each, in the order of the table."""
    scenarios = incidents.SCENARIOS[task]
    copies = int(np.clip(np.ceil(WANTED / (len(scenarios) * len(seen.names))), 1, MOST_COPIES))
    units: list[tuple[int, str, int]] = []
    tables: list[pa.Table] = []
    rows = 0
    for number in range(len(seen.names)):
        for copy in range(copies):
            for scenario in scenarios:
                table = incidents.plant(task, seen, number, begin, scenario, copy, seed)
                units.append((number, scenario, copy))
                tables.append(table)
                rows += table.num_rows
        if rows >= MOST_ROWS:
            break
    table = pa.concat_tables(tables, promote_options="permissive")
    return (incidents.recounted(table) if task == "account" else table), units


def top_days(scored: Scored, tested: np.ndarray) -> np.ndarray:
    """(days,) float64: the highest rarity of each tested stream-day."""
    place = calibration.day_of_rows(scored.streams)[tested]
    if not len(place):
        return np.zeros(0)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(place[order]) > 0]))
    top: np.ndarray = np.maximum.reduceat(scored.days[tested][order], starts)
    return top


def unit_metrics(rarity: np.ndarray, clean: np.ndarray) -> dict[str, np.ndarray]:
    """Per incident (n,), of their rarities and those of the clean days (m,); equal rarities count for the clean day."""
    clean = np.sort(clean)
    share = 1.0 - np.searchsorted(clean, rarity, side="left") / max(len(clean), 1)
    ordered = np.sort(rarity)
    reached = 1.0 - np.searchsorted(ordered, rarity, side="left") / max(len(rarity), 1)
    precision = BASE * reached / (BASE * reached + (1.0 - BASE) * share)
    return {
        "average_precision": precision,
        "recall@week": (share <= 1.0 / 7.0).astype(np.float64),
        "recall@month": (share <= 1.0 / 28.0).astype(np.float64),
        "top_1%": (share <= 0.01).astype(np.float64),
        "found": (rarity >= alerting.ALERT_DAYS).astype(np.float64),
    }


def _incident_days(scored: Scored, seen: Streams, units: list[tuple[int, str, int]]) -> np.ndarray:
    """(units,) float64: the rarity of the rarest planted row of each; 1 where the model could not say."""
    mine = scored.streams.table["incident"].to_numpy(zero_copy_only=False).astype(bool) & scored.alertable
    found = {}
    for number, name in enumerate(scored.streams.names):
        part = slice(scored.streams.starts[number], scored.streams.starts[number + 1])
        days = scored.days[part][mine[part]]
        found[name] = float(days.max()) if len(days) else 1.0
    return np.array(
        [found[seen.names[n][0], f"{seen.names[n][1]}#{scenario}/{c}"] for n, scenario, c in units]
    )


def _clean_metrics(
    task: str, clean: Scored, tested: np.ndarray, day_rarity: np.ndarray, seed: int
) -> dict[str, Interval]:
    weeks = alerting.weekly_counts(task, clean, tested)
    found: dict[str, Any] = {"alerts_per_week": weeks}
    for once in (7, 30):
        found[f"calibration@{once}"] = (day_rarity >= once) * float(once)
    return {name: intervals.mean_interval(values, seed=seed) for name, values in found.items()}


def _nothing() -> Evaluation:
    names = ("average_precision", "recall@week", "recall@month", "top_1%", "found")
    empty = {name: np.zeros(0) for name in names}
    return Evaluation(intervals.mean_intervals(empty), [], empty)
