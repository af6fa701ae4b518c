"""Training sequences of the sequential recommender: windows of histories, packed into rows of one length.

Nothing here depends on what subjects are called: they are put in the order of a hash of what they did, so that the same
data under other pseudonyms gives the same rows, batches and model.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forge_models.recommender.interactions import Histories
from forge_models.recommender.sequential_net import gap_buckets

ROW = 256  # events of a row; 54 % of rows padded to 200 would be empty on MovieLens-1M, of packed ones 1 %
WINDOW = 200  # events of a window at most: an event that far back has little left to say


@dataclass(frozen=True)
class Packed:
    """Rows (n, ROW): ``items`` and ``gaps`` int64 of events, ``targets`` int64 the item after each, -1 where there is
    none, ``segments`` int64 which window of the row it is in; -1 behind the last."""

    items: np.ndarray
    gaps: np.ndarray
    targets: np.ndarray
    segments: np.ndarray

    def __len__(self) -> int:
        return len(self.items)

    def digest(self, told: Any, *more: np.ndarray) -> str:
        """Names a fit of these rows with ``told`` (JSON) and ``more``: the same name, the same result."""
        name = hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=12)
        for array in (self.items, self.gaps, self.targets, self.segments, *more):
            name.update(np.ascontiguousarray(array).tobytes())
        return name.hexdigest()


def ordered(histories: Histories) -> np.ndarray:
    """(n,) int64: subjects in the order of a hash of what they did, those who did nothing last."""
    digests = []
    for row in range(len(histories)):
        part = slice(histories.indptr[row], histories.indptr[row + 1])
        told = histories.items[part].tobytes() + histories.times[part].tobytes()
        digests.append((part.start == part.stop, hashlib.blake2b(told, digest_size=16).digest(), row))
    return np.array([row for _, _, row in sorted(digests)], np.int64)


def windows(histories: Histories, ends: np.ndarray) -> list[tuple[int, int]]:
    """(first event, end) of windows of at most ``WINDOW`` + 1 events, whose last is a target only.

    ``ends`` (n,): where each history ends for training. Windows of a history meet in one event, so that every event
    but the first of all is a target once.
    """
    found = []
    for start, end in zip(histories.indptr[:-1].tolist(), ends.tolist(), strict=True):
        while end - start >= 2:
            first = max(start, end - WINDOW - 1)
            found.append((first, end))
            end = first + 1
    return found


def pack(histories: Histories, found: Sequence[tuple[int, int]], row: int = ROW) -> Packed:
    """First-fit decreasing: the longest windows first, each into the fullest row that has room."""
    buckets = np.zeros(len(histories.items), np.int64)
    for number in range(len(histories)):
        part = slice(histories.indptr[number], histories.indptr[number + 1])
        buckets[part] = gap_buckets(histories.times[part])
    room: dict[int, list[int]] = defaultdict(list)  # rows by the events that still fit
    rows: list[list[tuple[int, int]]] = []
    for first, end in sorted(found, key=lambda one: one[0] - one[1]):  # stable: equal lengths stay in order
        size = end - first - 1
        free = next((left for left in range(size, row) if room[left]), None)
        if free is None:
            rows.append([])
            place, left = len(rows) - 1, row
        else:
            place, left = room[free].pop(), free
        rows[place].append((first, end))
        room[left - size].append(place)
    shape = (len(rows), row)
    packed = Packed(
        np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, -1), np.full(shape, -1)
    )
    for place, inside in enumerate(rows):
        at = 0
        for segment, (first, end) in enumerate(inside):
            here = slice(at, at + end - first - 1)
            packed.items[place, here] = histories.items[first : end - 1]
            packed.gaps[place, here] = buckets[first : end - 1]
            packed.targets[place, here] = histories.items[first + 1 : end]
            packed.segments[place, here] = segment
            at = here.stop
    return packed
