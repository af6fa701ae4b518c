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
    """Rows without a split: subject, time, source, measure, value, known, export; the first two alone are no key."""
    if not loads:
        return _empty()
    tables = []
    for one in loads:
        n = len(one)
        same = {"subject": one.subject, "source": one.source, "measure": one.measure, "export": one.export}
        constant = {name: pa.array([value] * n, pa.string()) for name, value in same.items()}
        series = f"{one.measure} of {one.source}"
        tables.append(
            pa.table(
                {
                    "series": pa.array([f"{one.subject} {series}"] * n, pa.string()),
                    "time": pa.array(one.at(np.arange(n)), TIME),
                    **constant,
                    "value": one.values,
                    "known": one.known,
                }
            )
        )
    return pa.concat_tables(tables)


def from_rows(rows: pa.Table, step: int) -> list[Load]:
    """What ``as_rows`` gave and a split was added to, read back in any order."""
    if rows.num_rows == 0:
        return []
    rows = rows.sort_by([("series", "ascending"), ("time", "ascending")])
    names, time, part = _text(rows["series"]), micros(rows["time"]), parts(rows)
    values = _numbers(rows["value"])
    known = np.asarray(rows["known"].to_numpy(zero_copy_only=False), bool)
    edges = np.flatnonzero(names[1:] != names[:-1]) + 1
    found = []
    for low, high in zip([0, *edges], [*edges, len(names)], strict=True):
        told = {name: rows[name][int(low)].as_py() for name in ("subject", "source", "export", "measure")}
        cut = slice(low, high)
        found.append(
            Load(
                **told, start=int(time[low]), step=step, values=values[cut], known=known[cut], part=part[cut]
            )
        )
    return found


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
    schema = pa.schema([*text.items(), ("value", pa.float64()), ("known", pa.bool_())])
    return schema.empty_table()


def _text(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column.cast(pa.string()), "").to_numpy(zero_copy_only=False), str)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(), np.float64)
