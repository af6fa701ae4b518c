"""Load as series: how much a subject does per hour or day, with the silent hours filled in and the gaps told apart.

``features/activity_*`` holds only hours in which something was. Between a series' first and last hour the others are
zero, but a silence of four weeks or more is a gap in what was exported, not a quiet month: nothing is learned of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_models.behavior.instants import DAY, HOUR, TIME, micros, parts

GAP = 28 * DAY
MEASURES = ("events", "calendar_minutes")
LONGEST = {HOUR: 400 * DAY, DAY: 3650 * DAY}  # of the past that is kept: more teaches the lags nothing
SHORTEST = 7 * DAY


@dataclass(frozen=True)
class Load:
    """One series: ``values`` (n,) float64 from ``start`` (microseconds, at midnight UTC) on, each of ``step``;
    ``known`` (n,) bool, False within a gap; ``part`` (n,) int8: 0 train, 1 validation, 2 test."""

    subject: str
    source: str
    export: str
    measure: str
    start: int
    step: int
    values: np.ndarray
    known: np.ndarray
    part: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    @property
    def block(self) -> int:
        """Values of a day."""
        return int(DAY // self.step)

    def at(self, index: int | np.ndarray) -> int | np.ndarray:
        """The instant at which value ``index`` begins."""
        return self.start + index * self.step


def filled(table: pa.Table, step: int) -> list[Load]:
    """All series of ``features/activity_hourly`` or ``_daily``, sorted; those shorter than a week are left out.

    A series goes from midnight of its first day to the end of the last day on which its subject did anything: later
    calendar entries are plans.
    """
    column = "hour" if step == HOUR else "day"
    kept = table.filter(pc.and_(table["subject"].is_valid(), table[column].is_valid()))
    found: list[Load] = []
    if kept.num_rows == 0:
        return found
    kept = kept.sort_by([("subject", "ascending"), ("source", "ascending"), (column, "ascending")])
    subject, source = _text(kept["subject"]), _text(kept["source"])
    time = micros(kept[column]) // step * step
    export = kept["export"].to_pylist()
    columns = {name: _numbers(kept[name]) for name in MEASURES}
    last_of = {}
    for name in np.unique(subject):
        mine = subject == name
        active = mine & (columns["events"] > 0)
        last_of[str(name)] = int(time[active if active.any() else mine].max())
    edges = np.flatnonzero((subject[1:] != subject[:-1]) | (source[1:] != source[:-1])) + 1
    for low, high in zip([0, *edges], [*edges, len(time)], strict=True):
        owner = str(subject[low])
        last = (last_of[owner] // DAY + 1) * DAY
        for measure in MEASURES:
            cut = slice(low, high)
            there = (columns[measure][cut] > 0) & (time[cut] < last)
            if not there.any():
                continue
            first = max(int(time[cut][there][0]) // DAY * DAY, last - LONGEST[step])
            if last - first < SHORTEST:
                continue
            values = np.zeros((last - first) // step)
            inside = there & (time[cut] >= first)
            np.add.at(values, (time[cut][inside] - first) // step, columns[measure][cut][inside])
            found.append(
                Load(
                    owner, str(source[low]), str(export[low]), measure, first, step, values,
                    _known(values, step), np.zeros(len(values), np.int8),
                )
            )  # fmt: skip
    return found


def as_rows(loads: Sequence[Load]) -> pa.Table:
    """A row for each day of each series, without a split: ``value`` is a list of the day's values, NaN within a gap.

    A row of its own for each hour would be millions for a hundred people, and nearly all of it names.
    """
    if not loads:
        return _empty()
    tables = []
    for one in loads:
        values = np.where(one.known, one.values, np.nan)
        days = len(values) // one.block
        offsets = np.arange(days + 1, dtype=np.int32) * one.block
        same = {"subject": one.subject, "source": one.source, "measure": one.measure, "export": one.export}
        constant = {name: pa.array([text] * days, pa.string()) for name, text in same.items()}
        series = f"{one.subject} {one.measure} of {one.source}"
        tables.append(
            pa.table(
                {
                    "series": pa.array([series] * days, pa.string()),
                    "time": pa.array(one.at(np.arange(days) * one.block), TIME),
                    **constant,
                    "value": pa.ListArray.from_arrays(offsets, pa.array(values[: offsets[-1]])),
                }
            )
        )
    return pa.concat_tables(tables)


def from_rows(rows: pa.Table, step: int) -> list[Load]:
    """What ``as_rows`` gave and a split was added to, read back in any order."""
    if rows.num_rows == 0:
        return []
    rows = rows.sort_by([("series", "ascending"), ("time", "ascending")])
    day, values = micros(rows["time"]), by_day(rows)
    known, part = ~np.isnan(values), np.repeat(parts(rows)[:, None], values.shape[1], axis=1)
    code = pc.index_in(rows["series"], value_set=pc.unique(rows["series"])).to_numpy()
    edges = np.flatnonzero(np.diff(code)) + 1
    found = []
    for low, high in zip([0, *edges], [*edges, len(code)], strict=True):
        told = {name: rows[name][int(low)].as_py() for name in ("subject", "source", "export", "measure")}
        inside = known[low:high].ravel()
        own = np.where(inside, values[low:high].ravel(), 0.0)
        found.append(
            Load(
                **told, start=int(day[low]), step=step, values=own, known=inside, part=part[low:high].ravel()
            )
        )
    return found


def by_day(rows: pa.Table) -> np.ndarray:
    """(rows, values of a day) float64 of ``as_rows``; NaN within a gap."""
    values = rows["value"].combine_chunks()
    flat = np.asarray(pc.list_flatten(values).to_numpy(zero_copy_only=False), np.float64)
    return flat.reshape(len(values), -1) if len(values) else flat.reshape(0, 1)


def _known(values: np.ndarray, step: int) -> np.ndarray:
    """False within runs of zeros that last ``GAP`` or more."""
    known = np.ones(len(values), bool)
    quiet = np.concatenate([[False], values == 0, [False]])
    change = np.flatnonzero(quiet[1:] != quiet[:-1])
    for low, high in zip(change[::2], change[1::2], strict=True):
        if (high - low) * step >= GAP:
            known[low:high] = False
    return known


def _empty() -> pa.Table:
    text = dict.fromkeys(("series",), pa.string()) | {"time": TIME}
    text |= dict.fromkeys(("subject", "source", "measure", "export"), pa.string())
    schema = pa.schema([*text.items(), ("value", pa.list_(pa.float64()))])
    return schema.empty_table()


def _text(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column.cast(pa.string()), "").to_numpy(zero_copy_only=False), str)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(), np.float64)
