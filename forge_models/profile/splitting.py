"""How evidence becomes train, validation and test: by two Mondays that divide the weeks of everybody.

A row is a thing of a subject and source in one week. Nothing of a label's words is needed to learn: they stay behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_models.family import Splits
from forge_models.profile.evidence import TIME

TRAIN_SHARE, VALIDATION_SHARE = 0.6, 0.2
PARTS = np.array(["train", "validation", "test"])
WEEK = 7 * 86_400_000_000  # µs
MONDAY = 4 * 86_400_000_000  # 1970-01-05 was the first
KINDS: Mapping[str, Sequence[str]] = {
    "interests": ("interest",),
    "routines": ("routine",),
    "contacts": ("contact", "language", "mood"),
}


def week_of(time: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """(n,) int64: weeks since the first Monday of 1970."""
    return (_numbers(time.cast(TIME).cast(pa.int64())) - MONDAY) // WEEK


def weekly(task: str, evidence: pa.Table) -> pa.Table:
    """One row per week (``time`` is its Monday), thing, subject and source, of the kinds of ``task``."""
    table = evidence.filter(pc.is_in(evidence["kind"], pa.array(KINDS[task])))
    there = pc.and_(table["subject"].is_valid(), pc.and_(table["time"].is_valid(), table["thing"].is_valid()))
    table = table.filter(there)
    monday = pa.array(week_of(table["time"]) * WEEK + MONDAY).cast(TIME)
    facet = pc.list_element(pc.split_pattern(table["thing"], ":", max_splits=1), 0)
    table = table.set_column(table.column_names.index("time"), "time", monday).append_column("facet", facet)
    by = ["time", "thing", "subject", "source", "kind", "facet"]
    grouped = table.group_by(by, use_threads=False).aggregate(
        [("export", "min"), ("weight", "sum"), ("events", "sum")]
    )
    plain = {"export": "export_min", "weight": "weight_sum", "events": "events_sum"}
    names = ["time", "thing", "subject", "source", "export", "kind", "facet", "weight", "events"]
    found = pa.table({name: grouped[plain.get(name, name)] for name in names})
    return found.sort_by([(name, "ascending") for name in ("time", "thing", "subject", "source")])


def split(task: str, evidence: pa.Table) -> Splits:
    table = weekly(task, evidence)
    week = week_of(table["time"])
    part = np.zeros(len(week), np.int64)
    weeks = np.sort(_line_weeks(table, week))
    if len(weeks):
        first = weeks[min(len(weeks) - 1, int(len(weeks) * TRAIN_SHARE))]
        second = weeks[min(len(weeks) - 1, int(len(weeks) * (TRAIN_SHARE + VALIDATION_SHARE)))]
        part = np.where(week < first, 0, np.where(week < second, 1, 2))
    return Splits(table.append_column("split", pa.array(PARTS[part], pa.string())), {}, "temporal")


def size(splits: Splits) -> dict[str, int]:
    """``weeks``: of who is known longest, from the first to the last; ``judged``: units of the smaller part."""
    from forge_models.profile.asking import asked
    from forge_models.profile.lines import lines

    table = splits.rows
    longest = 0
    if table.num_rows:
        spans = table.group_by(["subject", "source"]).aggregate([("time", "min"), ("time", "max")])
        longest = int((week_of(spans["time_max"]) - week_of(spans["time_min"])).max()) + 1
    known = lines(table)
    judged = [asked(known, number, judged=True).units for number in (1, 2)]
    return {"weeks": longest, "events": int(pc.sum(table["events"]).as_py() or 0), "judged": min(judged)}


def leakage(splits: Splits) -> dict[str, int]:
    """Rows of an earlier part that are not before all rows of a later one, rows of no part, weeks twice."""
    table = splits.rows
    names = np.array(table["split"].to_pylist(), dtype=object)
    week = week_of(table["time"])
    found = {"unknown_part": int((~np.isin(names, PARTS)).sum())}
    for rule, early, late in (
        ("train_in_a_later_window", "train", ("validation", "test")),
        ("validation_in_the_test_window", "validation", ("test",)),
    ):
        later = np.isin(names, late)
        found[rule] = int((week[names == early] >= week[later].min()).sum()) if later.any() else 0
    once = table.group_by(["time", "thing", "subject", "source"]).aggregate([])
    return found | {"week_twice": table.num_rows - once.num_rows}


def _line_weeks(table: pa.Table, week: np.ndarray) -> np.ndarray:
    """(n,) the week of each week with evidence of each subject, source and facet."""
    if not len(week):
        return week
    keyed = table.select(["subject", "source", "facet"]).append_column("week", pa.array(week))
    return _numbers(keyed.group_by(keyed.column_names).aggregate([])["week"])


def _numbers(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    return (
        np.asarray(column.to_numpy(zero_copy_only=False))
        if isinstance(column, pa.Array)
        else column.to_numpy()
    )
