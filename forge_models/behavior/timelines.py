"""Sequences of labels in time: one timeline per subject, as arrays.

A label is a place or a kind of activity. Models know the labels of their training rows; labels that only the subject's
own history has get codes behind them, so that a place first met after training can be said again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_models.behavior.instants import micros, parts

__all__ = ["Timeline", "hashed_order", "timelines"]


@dataclass(frozen=True)
class Timeline:
    """One subject's events, oldest first.

    ``labels`` (n,) int64: codes below ``known`` are of the model's vocabulary, those from there on of ``extra``;
    ``start`` and ``end`` (n,) int64: microseconds since 1970, ``end`` never before ``start``; ``part`` (n,) int8: 0
    train, 1 validation, 2 test.
    """

    subject: str
    labels: np.ndarray
    start: np.ndarray
    end: np.ndarray
    part: np.ndarray
    known: int
    extra: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """Labels that an answer ranks: the model's and the subject's own."""
        return self.known + len(self.extra)

    def until(self, count: int) -> Timeline:
        """The first ``count`` events."""
        cut = slice(0, count)
        arrays = (self.labels[cut], self.start[cut], self.end[cut], self.part[cut])
        return Timeline(self.subject, *arrays, self.known, self.extra)

    def name(self, code: int, vocabulary: Sequence[str]) -> str:
        return vocabulary[code] if code < self.known else self.extra[code - self.known]


def timelines(rows: pa.Table, vocabulary: Sequence[str]) -> list[Timeline]:
    """Rows with subject, label, time, until and split, in any order; subjects in the order of their names.

    Events of one instant come in the order of their labels, whatever the order of the rows.
    """
    if rows.num_rows == 0:
        return []
    subjects = pc.unique(rows["subject"]).cast(pa.string()).sort()
    owner = _codes(rows["subject"], subjects)
    names = pc.unique(rows["label"]).cast(pa.string()).sort()
    label = _codes(rows["label"], names)
    start = micros(rows["time"])
    end = np.maximum(micros(pc.coalesce(rows["until"], rows["time"])), start)
    part = parts(rows)
    order = np.lexsort((end, label, start, owner))
    owner, label, start, end, part = owner[order], label[order], start[order], end[order], part[order]
    place = {name: code for code, name in enumerate(vocabulary)}
    written = names.to_pylist()
    codes = np.array([place.get(name, -1) for name in written], np.int64)
    found = []
    bounds = np.searchsorted(owner, np.arange(len(subjects) + 1))
    for number, subject in enumerate(subjects.to_pylist()):
        cut = slice(bounds[number], bounds[number + 1])
        own = codes[label[cut]].copy()
        new = sorted(set(label[cut][own < 0].tolist()))
        for offset, which in enumerate(new):
            own[label[cut] == which] = len(place) + offset
        extra = tuple(written[which] for which in new)
        found.append(Timeline(subject, own, start[cut], end[cut], part[cut], len(place), extra))
    return found


def hashed_order(found: Sequence[Timeline]) -> Iterator[Timeline]:
    """In the order of a hash of what they did: the same data under other names is gone through in the same order."""

    def digest(one: Timeline) -> bytes:
        return hashlib.blake2b(one.labels.tobytes() + one.start.tobytes(), digest_size=16).digest()

    return iter(sorted(found, key=digest))


def _codes(column: pa.ChunkedArray, values: pa.Array) -> np.ndarray:
    return pc.index_in(column.cast(pa.string()), value_set=values).to_numpy().astype(np.int64)
