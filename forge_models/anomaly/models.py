"""A fitted model of either task: a view of the rows, how rare each value of it is, a detector, and the calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa

from forge_models.anomaly import calibration, tails
from forge_models.anomaly.account import COUNTED, AccountView
from forge_models.anomaly.calibration import Calibration
from forge_models.anomaly.routine import RoutineView
from forge_models.anomaly.streams import Streams, streams
from forge_models.anomaly.tails import Tails

View = AccountView | RoutineView
USUAL = 2.0  # nats: what one row in seven has in a column is no evidence


class Detector(Protocol):
    """What makes one score of a row's rarities; ``kind`` names it in the artifact."""

    @property
    def kind(self) -> str: ...

    def scores(self, rare: np.ndarray, seen: Streams, view: View) -> np.ndarray:
        """(n,) float64, higher is stranger, of rarities (n, d); ``seen`` are the rows themselves."""


@dataclass(frozen=True)
class Scored:
    """Rows in the order of ``streams``: rarities ``rare`` (n, d), ``score`` (n,), ``days`` (n,): expected once in so
    many days, ``alertable`` (n,) bool: the stream is known well enough, and what words are made of."""

    streams: Streams
    names: Sequence[str]
    rare: np.ndarray
    score: np.ndarray
    days: np.ndarray
    alertable: np.ndarray
    facts: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class AnomalyModel:
    """``task``: account or routine. A model knows the population's habits and nobody's own: those come with the
    rows.
    """

    task: str
    config: Mapping[str, Any]
    view: View
    tails: Tails
    detector: Detector
    calibration: Calibration
    report: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()  # of its training; not stored

    @property
    def kind(self) -> str:
        return self.detector.kind

    def score(self, table: pa.Table) -> Scored:
        """Every row by the rows of its stream before it, which should all be in ``table``."""
        return self.scored(streams(table))

    def scored(self, seen: Streams) -> Scored:
        values, facts = self.view.values(seen)
        rare = self.tails(values)
        score = self.detector.scores(rare, seen, self.view) if len(seen) else np.zeros(0)
        days = self.calibration.days(seen, score)
        return Scored(seen, self.view.names, rare, score, days, calibration.learned(seen), facts)


@dataclass(frozen=True)
class Evidence:
    """The sum of what is beyond the usual: Fisher's sum of log tail probabilities, without the noise of columns where
    nothing was. ``groups``: the columns that count; of those that say the same of one thing the rarest speaks alone."""

    groups: tuple[tuple[int, ...], ...]
    kind: ClassVar[str] = "evidence"

    def scores(self, rare: np.ndarray, seen: Streams, view: View) -> np.ndarray:
        total = np.zeros(len(rare))
        for group in self.groups:
            total += np.maximum(np.abs(rare[:, list(group)]).max(axis=1) - USUAL, 0.0)
        return total

    def one(self, rare: Sequence[float]) -> float:
        return sum(max(max(abs(rare[place]) for place in group) - USUAL, 0.0) for group in self.groups)


def alike(names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Columns by what they speak of: counts of one thing in several windows are one, all others stand alone."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        what = "failures" if name == "failed" else name.split("_")[0] if name in COUNTED else name
        found.setdefault(what, []).append(place)
    return tuple(tuple(places) for places in found.values())


@dataclass(frozen=True)
class Everything:
    """Tail probabilities of the columns as they stand, multiplied: ECOD's score."""

    kind: ClassVar[str] = "everything"

    def scores(self, rare: np.ndarray, seen: Streams, view: View) -> np.ndarray:
        total: np.ndarray = np.abs(rare).sum(axis=1)
        return total


@dataclass(frozen=True)
class Near:
    """The ensemble of nearest neighbours over the rarities."""

    neighbours: Any
    kind: ClassVar[str] = "neighbours"

    def scores(self, rare: np.ndarray, seen: Streams, view: View) -> np.ndarray:
        found: np.ndarray = self.neighbours.scores(rare)
        return found

    def one(self, rare: Sequence[float]) -> float:
        return float(self.neighbours.one(np.array(rare)))


@dataclass(frozen=True)
class Woods:
    """The isolation forest over the rarities."""

    forest: Any
    kind: ClassVar[str] = "forest"

    def scores(self, rare: np.ndarray, seen: Streams, view: View) -> np.ndarray:
        # in bits of the paper's score, which is bounded: the tail of a bounded score tells little apart
        found: np.ndarray = -np.log(np.maximum(1.0 - self.forest.scores(rare), 1e-9))
        return found


@dataclass(frozen=True)
class Raw:
    """Rarities of the table's own columns, without a look at whose they are: ECOD as one would take it from a
    library.
    """

    columns: tuple[str, ...]
    own: Tails
    kind: ClassVar[str] = "columns"

    def scores(self, rare: np.ndarray, seen: Streams, view: View) -> np.ndarray:
        total: np.ndarray = np.abs(self.own(columns(seen, self.columns))).sum(axis=1)
        return total


def columns(seen: Streams, names: Sequence[str]) -> np.ndarray:
    """(n, len(names)) float64 of the table's columns; unknown is 0."""
    from forge_models.anomaly.streams import floats

    if not len(seen):
        return np.zeros((0, len(names)))
    return np.column_stack([np.nan_to_num(floats(seen.table[name])) for name in names])


def fitted_tails(seen: Streams, names: Sequence[str], two_sided: bool) -> Tails:
    return tails.fit(columns(seen, names), two_sided)
