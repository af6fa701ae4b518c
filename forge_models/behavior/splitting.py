"""How rows become train, validation and test: always by time, 80/10/10.

``temporal``: two instants divide the events of all subjects; nobody's future teaches. ``per_subject``: each subject's
own last fifth is held back, as benchmarks on check-ins do it; subjects whose exports end at different times are all
judged, but the counts over all subjects then hold events that are later than some that are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_models.behavior import series
from forge_models.behavior.instants import DAY, PARTS, micros, parts
from forge_models.behavior.series import Load
from forge_models.family import Splits

TRAIN_SHARE, VALIDATION_SHARE = 0.8, 0.1


def split_events(rows: pa.Table, strategy: str) -> Splits:
    """``rows`` as ``sequences`` gives them."""
    time = micros(rows["time"])
    if strategy == "per_subject":
        position = rows["position"].to_numpy()
        subject = pc.index_in(rows["subject"], value_set=pc.unique(rows["subject"])).to_numpy()
        count = np.bincount(subject, minlength=1)[subject] if len(subject) else np.zeros(0)
        cuts = [np.floor(share * count) for share in (TRAIN_SHARE, TRAIN_SHARE + VALIDATION_SHARE)]
        part = (position >= cuts[0]).astype(int) + (position >= cuts[1])
    elif strategy == "temporal":
        part = _windows(time)
    else:
        raise ValueError(f"unknown split strategy: {strategy}")
    return Splits(_with(rows, part), {}, strategy)


def split_loads(loads: Sequence[Load]) -> Splits:
    """Days are divided, over all series at the same instants; a gap is no day that was observed."""
    rows = series.as_rows(loads)
    days = {
        int(day) for one in loads for day in np.unique(np.asarray(one.at(np.flatnonzero(one.known))) // DAY)
    }
    first, second = _cuts(np.array(sorted(days), np.int64))
    day = micros(rows["time"]) // DAY
    return Splits(_with(rows, (day >= first).astype(int) + (day >= second)), {}, "temporal")


def size_events(splits: Splits) -> dict[str, int]:
    rows = splits.rows
    time = micros(rows["time"])
    return {
        "events": rows.num_rows,
        "days": len(np.unique(time // DAY)),
        "labels": len(pc.unique(rows["label"])),
        "evaluated_events": splits.part("test").num_rows,
    }


def size_loads(splits: Splits) -> dict[str, int]:
    """``days``: with anything known of them; ``active_days``: in which something was; ``evaluated_days``: of test."""
    day, values = micros(splits.rows["time"]), series.by_day(splits.rows)
    known = ~np.isnan(values).all(axis=1)
    chosen = {
        "days": known,
        "active_days": np.nansum(values, axis=1) > 0,
        "evaluated_days": known & (parts(splits.rows) == PARTS.index("test")),
    }
    return {name: len(np.unique(day[rows])) for name, rows in chosen.items()}


def leakage(splits: Splits, key: str) -> dict[str, int]:
    """``key``: the column beside time that rows are told apart by. With ``per_subject`` order holds within each."""
    rows = splits.rows
    part, time = parts(rows).astype(int), micros(rows["time"])
    owner = pc.index_in(rows[key], value_set=pc.unique(rows[key])).to_numpy()
    if key == "subject":  # two labels may begin at one instant; one label may not
        labels = pc.index_in(rows["label"], value_set=pc.unique(rows["label"])).to_numpy()
        pairs = np.stack([owner, labels, time]) if rows.num_rows else np.zeros((3, 0))
    else:
        pairs = np.stack([owner, time]) if rows.num_rows else np.zeros((2, 0))
    groups = owner if splits.strategy == "per_subject" else np.zeros(len(owner), int)
    return {
        "unknown_part": int((part < 0).sum()),
        "twice_at_one_time": pairs.shape[1] - np.unique(pairs, axis=1).shape[1],
        "train_after_a_later_part": _late(groups, time, part == 0, part > 0, splits.strategy),
        "validation_after_test": _late(groups, time, part == 1, part == 2, splits.strategy),
    }


def _late(groups: np.ndarray, time: np.ndarray, earlier: np.ndarray, later: np.ndarray, strategy: str) -> int:
    """Rows of ``earlier`` that are not before all of ``later`` of their group; per subject one instant may be cut."""
    first = np.full(int(groups.max(initial=0)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, groups[later], time[later])
    limit = first[groups[earlier]]
    late = time[earlier] > limit if strategy == "per_subject" else time[earlier] >= limit
    return int(late.sum())


def _windows(time: np.ndarray) -> np.ndarray:
    first, second = _cuts(np.sort(time))
    return (time >= first).astype(int) + (time >= second)


def _cuts(ordered: np.ndarray) -> tuple[int, int]:
    """The instants at which validation and test begin."""
    if not len(ordered):
        return 0, 0
    n = len(ordered)
    at = [min(n - 1, int(share * n)) for share in (TRAIN_SHARE, TRAIN_SHARE + VALIDATION_SHARE)]
    return int(ordered[at[0]]), int(ordered[at[1]])


def _with(rows: pa.Table, part: np.ndarray) -> pa.Table:
    if "split" in rows.column_names:
        rows = rows.drop_columns(["split"])
    return rows.append_column("split", pa.array(np.array(PARTS)[part.astype(int)], pa.string()))
