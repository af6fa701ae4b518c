"""What a family wants to be seen, as figures without a drawing: the graph's assets draw them.

Aggregates only: a label is a class, a feature or a pseudonym, never somebody's words. Light to import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Matrix:
    """Counts or shares of what is (``rows``) by what was said (``columns``); ``values`` (rows, columns)."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: np.ndarray


@dataclass(frozen=True)
class Heat:
    """``values`` (rows, columns) in shades, such as weekdays by hours."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: np.ndarray


@dataclass(frozen=True)
class Band:
    """A forecast against what came, all (n,): ``low`` and ``high`` bound the interval."""

    title: str
    times: Sequence[datetime]
    actual: np.ndarray
    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unit: str


@dataclass(frozen=True)
class Scatter:
    """A map: points ``x``, ``y`` (n,) with a group's name each; "" stands for none."""

    title: str
    x: np.ndarray
    y: np.ndarray
    labels: Sequence[str]


@dataclass(frozen=True)
class Timeline:
    """``values`` (n,) over ``times``; ``marks``: indices that stand out; above ``threshold`` is an alarm."""

    title: str
    times: Sequence[datetime]
    values: np.ndarray
    marks: Sequence[int] = ()
    threshold: float | None = None


@dataclass(frozen=True)
class Bars:
    """A value (n,) by name, with its interval where there is one."""

    title: str
    names: Sequence[str]
    values: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


Picture = Matrix | Heat | Band | Scatter | Timeline | Bars
