"""How the recommender's rows become train, validation and test.

``temporal``: two instants divide all interactions 80/10/10 by the time a subject first met an item; a
model is asked in the third window what it could know from the first two. Used where every time is known.
``leave_last_out``: a subject's last new item is the test, the one before it the validation. Used where only
the order is known; it lets other people's future into training, so its figures are higher than life.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_models.family import Splits
from forge_models.recommender.interactions import codes, sorted_unique, text

PARTS = np.array(["train", "validation", "test"])
TRAIN, VALIDATION, TEST = 0, 1, 2
TRAIN_SHARE, VALIDATION_SHARE = 0.8, 0.1
LEAST_FOR_HOLDOUT = 3  # one item each for train, validation and test


def split(rows: pa.Table, side: Mapping[str, pa.Table], strategy: str = "auto") -> Splits:
    """Rows with a null subject, item, or (for temporal) time take no part."""
    rows = rows.filter(pc.and_(rows["subject"].is_valid(), rows["item"].is_valid()))
    if strategy == "auto":
        known = rows["first_time"].null_count == 0 and not pc.any(rows["ordered_only"]).as_py()
        strategy = "temporal" if known else "leave_last_out"
    if strategy == "temporal":
        rows = rows.filter(rows["first_time"].is_valid())
        part = _by_time(_micros(rows))
    elif strategy == "leave_last_out":
        part = _by_order(_subject_codes(rows), _numbers(rows["position"]), text(rows["item"]))
    else:
        raise ValueError(f"unknown split strategy: {strategy}")
    if "split" in rows.column_names:
        rows = rows.drop_columns(["split"])
    return Splits(rows.append_column("split", pa.array(PARTS[part], pa.string())), dict(side), strategy)


def size(splits: Splits) -> dict[str, int]:
    """What there is to learn from, and how many subjects can be judged on it."""
    rows = splits.rows
    before, after = splits.part("train", "validation"), splits.part("test")
    both = pc.is_in(sorted_unique(text(after["subject"])), value_set=sorted_unique(text(before["subject"])))
    return {
        "subjects": len(pc.unique(rows["subject"])),
        "items": len(pc.unique(rows["item"])),
        "interactions": rows.num_rows,
        "evaluated_subjects": int(pc.sum(both).as_py() or 0),
    }


def leakage(splits: Splits) -> dict[str, int]:
    """Rows that break the split, by rule; ``refit`` splits keep to the same rules."""
    rows = splits.rows
    part = codes(rows["split"], pa.array(PARTS))
    subject = _subject_codes(rows)
    item = codes(text(rows["item"]), sorted_unique(text(rows["item"])))
    pair = subject * (item.max(initial=0) + 1) + item
    found = {
        "unknown_part": int((part < 0).sum()),
        "subject_and_item_twice": len(pair) - len(np.unique(pair)),
    }
    if splits.strategy == "temporal":
        known = rows["first_time"].is_valid().to_numpy()
        time = _numbers(pc.fill_null(rows["first_time"].cast(pa.int64()), 0))
        found["time_unknown"] = int((~known).sum())
        found["train_in_a_later_window"] = _at_or_after(time, part == TRAIN, part > TRAIN)
        found["validation_in_the_test_window"] = _at_or_after(time, part == VALIDATION, part == TEST)
    else:
        position = _numbers(rows["position"])
        found["train_after_a_later_part"] = _out_of_order(subject, position, part == TRAIN, part > TRAIN)
        found["validation_after_test"] = _out_of_order(subject, position, part == VALIDATION, part == TEST)
        held = np.bincount(subject[part == TEST], minlength=1)
        found["subject_with_two_test_rows"] = int((held > 1).sum())
    return found


def _by_time(time: np.ndarray) -> np.ndarray:
    ordered = np.sort(time)
    n = len(ordered)
    if n == 0:
        return np.zeros(0, np.int64)
    first = ordered[min(n - 1, int(n * TRAIN_SHARE))]
    second = ordered[min(n - 1, int(n * (TRAIN_SHARE + VALIDATION_SHARE)))]
    return np.where(time < first, TRAIN, np.where(time < second, VALIDATION, TEST))


def _by_order(subject: np.ndarray, position: np.ndarray, item: pa.Array) -> np.ndarray:
    tie = codes(item, sorted_unique(item))
    order = np.lexsort((tie, position, subject))
    counts = np.bincount(subject) if len(subject) else np.zeros(0, np.int64)
    ends = np.cumsum(counts)[subject[order]]
    from_end = ends - 1 - np.arange(len(order))
    enough = counts[subject[order]] >= LEAST_FOR_HOLDOUT
    part = np.empty(len(order), np.int64)
    part[order] = np.where(enough & (from_end < 2), TEST - from_end, TRAIN)
    return part


def _at_or_after(time: np.ndarray, earlier: np.ndarray, later: np.ndarray) -> int:
    return int((time[earlier] >= time[later].min()).sum()) if later.any() else 0


def _out_of_order(subject: np.ndarray, position: np.ndarray, earlier: np.ndarray, later: np.ndarray) -> int:
    """Earlier rows of a subject that do not come before all of the subject's later rows."""
    if not later.any():
        return 0
    border = np.full(subject.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(border, subject[later], position[later])
    return int((position[earlier] > border[subject[earlier]]).sum())


def _subject_codes(rows: pa.Table) -> np.ndarray:
    return codes(text(rows["subject"]), sorted_unique(text(rows["subject"])))


def _micros(rows: pa.Table) -> np.ndarray:
    return _numbers(rows["first_time"].cast(pa.int64()))


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy().astype(np.int64)
