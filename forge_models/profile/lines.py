"""Lines: what one subject did of one facet, through one source, week by week.

Only weeks in which there was anything of the facet stand in a line. A gap of months is a phone left in a drawer or an
export that ends, and no proof that a taste has gone; so every figure of this family is of weeks with activity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forge_models.profile.splitting import PARTS, week_of


@dataclass(frozen=True)
class Line:
    """``weeks`` (W,) rising, ``part`` (W,) 0 train, 1 validation, 2 test; entries (n,): thing ``thing`` in week ``at``.

    Things are ordered by when they came, never by what they are called.
    """

    subject: str
    source: str
    export: str
    kind: str
    facet: str
    things: Sequence[str]
    weeks: np.ndarray
    part: np.ndarray
    at: np.ndarray
    thing: np.ndarray
    weight: np.ndarray
    events: np.ndarray

    def __len__(self) -> int:
        return len(self.weeks)


def lines(table: pa.Table) -> list[Line]:
    """The lines of weekly rows, in an order that does not know what subjects are called; without ``split``: train."""
    if not table.num_rows:
        return []
    week = week_of(table["time"])
    weight, events = (table[name].to_numpy().astype(np.float64) for name in ("weight", "events"))
    part = np.zeros(len(week), np.int8)
    if "split" in table.column_names:
        names = np.asarray(table["split"].to_pylist())
        part = np.argmax(names[:, None] == PARTS[None, :], 1).astype(np.int8)
    owner, owners = _codes(table, ["subject", "source", "kind", "facet"])
    thing, names_of = _codes(table, ["thing"])
    exports = table["export"].to_pylist()
    order = np.lexsort((thing, week, owner))
    bounds = np.flatnonzero(np.diff(owner[order], prepend=-1))
    found = []
    for rows in np.split(order, bounds[1:]):
        subject, source, kind, facet = owners[owner[rows[0]]]
        weeks, at = np.unique(week[rows], return_inverse=True)
        parts = np.zeros(len(weeks), np.int8)
        parts[at] = part[rows]
        own, code = _ordered(thing[rows], at, weight[rows])
        named = [names_of[one][0] for one in own]
        export = min(exports[row] for row in rows if week[row] == weeks[-1])
        found.append(
            Line(
                subject,
                source,
                export,
                kind,
                facet,
                named,
                weeks,
                parts,
                at,
                code,
                weight[rows],
                events[rows],
            )
        )
    return sorted(found, key=_likeness)


def _codes(table: pa.Table, names: Sequence[str]) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """(rows,) a number for each different row of ``names``, and the rows by number."""
    found = np.zeros(table.num_rows, np.int64)
    for name in names:
        encoded = table[name].combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        found = found * (len(encoded.dictionary) + 1) + encoded.indices.to_numpy(zero_copy_only=False)
    _, first, codes = np.unique(found, return_index=True, return_inverse=True)
    rows = table.select(list(names)).take(pa.array(first))
    return codes, list(zip(*(rows[name].to_pylist() for name in names), strict=True))


def _ordered(thing: np.ndarray, at: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The codes of a line's things by first week, last week and total, and (n,) the place of each entry's."""
    own, code = np.unique(thing, return_inverse=True)
    first, last, total = np.full(len(own), 1 << 30), np.zeros(len(own), np.int64), np.zeros(len(own))
    np.minimum.at(first, code, at)
    np.maximum.at(last, code, at)
    np.add.at(total, code, weight)
    order = np.lexsort((own, -total, last, first))
    place = np.empty(len(own), np.int64)
    place[order] = np.arange(len(own))
    return own[order], place[code]


def _likeness(line: Line) -> tuple[object, ...]:
    """Equal for two lines only where all that is learned from is equal, but for what they are called."""
    return (
        line.kind, line.facet, line.weeks.tobytes(), len(line.things), float(line.weight.sum()), line.at.tobytes(),
        line.thing.tobytes(), line.weight.tobytes(),
    )  # fmt: skip
