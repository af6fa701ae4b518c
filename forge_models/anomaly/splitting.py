"""How the rows of the anomaly family become train, validation and test: by two instants that divide the days of all.

Two thirds, one sixth and one sixth of the stream-days: whoever is judged on a rare day needs many of them. The same two
instants hold for everybody, so nothing that is fitted has seen a day of the test, of whomever.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_models.anomaly.streams import DAY, numbers
from forge_models.columns import texts
from forge_models.family import Splits

TRAIN_SHARE, VALIDATION_SHARE = 4 / 6, 1 / 6
PARTS = np.array(["train", "validation", "test"])
# of a device: when it was seen last before the export was made; the export did that, not its owner
STANDING = ":device-last-seen"
KIND = pa.timestamp("us", tz="UTC")
# what a model reads; the first two order the rows
COLUMNS = {
    "account": (
        "time", "event_id", "subject", "source", "export", "item", "failed", "earlier", "events_1h", "events_24h",
        "failures_1h", "failures_24h", "new_item", "new_device", "new_network", "new_country", "other_country_h",
        "impossible_travel", "seconds_since_last", "hour_rarity",
    ),
    "routine": (
        "time", "subject", "source", "export", "events", "watch", "search", "browse", "message", "security",
        "app_usage", "calendar_minutes", "dwell_minutes", "active_hours", "night_events", "first_hour", "last_hour",
        "longest_silence_h",
    ),
}  # fmt: skip


def rows(task: str, table: pa.Table) -> pa.Table:
    """The columns that are read, plain; without rows of no subject or time, and those that tell of a state alone."""
    if "day" in table.column_names and "time" not in table.column_names:
        table = table.rename_columns(["time" if name == "day" else name for name in table.column_names])
    if "event_id" in table.column_names:
        place = table.column_names.index("event_id")
        table = table.set_column(place, "event_id", texts(table["event_id"]))
    table = table.select([name for name in COLUMNS[task]])
    table = table.set_column(0, "time", table["time"].cast(KIND))
    kept = pc.and_(table["subject"].is_valid(), table["time"].is_valid())
    if "item" in table.column_names:
        standing = pc.fill_null(pc.ends_with(table["item"].cast(pa.string()), STANDING), False)
        kept = pc.and_(kept, pc.invert(standing))
    return table.filter(kept)


def split(task: str, table: pa.Table, side: Mapping[str, pa.Table]) -> Splits:
    table = rows(task, table)
    time = numbers(table["time"].cast(pa.int64()))
    day = time // DAY
    days = np.sort(_stream_days(table, day))
    part = np.zeros(len(day), np.int64)
    if len(days):
        first = days[min(len(days) - 1, int(len(days) * TRAIN_SHARE))]
        second = days[min(len(days) - 1, int(len(days) * (TRAIN_SHARE + VALIDATION_SHARE)))]
        part = np.where(day < first, 0, np.where(day < second, 1, 2))
    return Splits(table.append_column("split", pa.array(PARTS[part], pa.string())), dict(side), "temporal")


def size(splits: Splits) -> dict[str, int]:
    """``days``: of the stream that is known longest, from its first day to its last; and all rows."""
    table = splits.rows
    longest = 0
    if table.num_rows:
        spans = table.group_by(["subject", "source"]).aggregate([("time", "min"), ("time", "max")])
        low, high = (numbers(spans[f"time_{end}"].cast(pa.int64())) // DAY for end in ("min", "max"))
        longest = int((high - low).max()) + 1
    return {"days": longest, "events": table.num_rows, "evaluated_events": _evaluated(splits)}


def _evaluated(splits: Splits) -> int:
    """Rows of the smaller held-out part that are of streams known well enough to be judged."""
    from forge_models.anomaly.evaluating import chosen_streams

    found = []
    for part in ("validation", "test"):
        seen, begin = chosen_streams(splits, part)
        found.append(int((seen.time >= begin).sum()))
    return min(found)


def leakage(splits: Splits) -> dict[str, int]:
    """Rows of an earlier part that are not before all rows of a later one, and rows of no part."""
    table = splits.rows
    names = np.array(table["split"].to_pylist(), dtype=object)
    time = numbers(table["time"].cast(pa.int64()))
    found = {"unknown_part": int((~np.isin(names, PARTS)).sum())}
    for rule, early, late in (
        ("train_in_a_later_window", "train", ("validation", "test")),
        ("validation_in_the_test_window", "validation", ("test",)),
    ):
        later = np.isin(names, late)
        found[rule] = int((time[names == early] >= time[later].min()).sum()) if later.any() else 0
    return found


def _stream_days(table: pa.Table, day: np.ndarray) -> np.ndarray:
    """(d,) int64: the day of each day with rows of each stream."""
    if not len(day):
        return day
    keyed = pa.table({"subject": table["subject"], "source": table["source"], "day": day})
    return numbers(keyed.group_by(["subject", "source", "day"]).aggregate([])["day"])
