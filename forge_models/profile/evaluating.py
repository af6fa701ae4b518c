"""Judging the models: after each week, of all things a line still knows, which come in the next one?

A unit is one such week of one line (a subject's channels, say). Average precision (Buckley and Voorhees 2000) over the
things of the unit, ties taken together; log loss and the Brier score of their chances. Units in which everything or
nothing came tell no order and are left out, for every model alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forge_core.errors import UsageError
from forge_core.evaluation import intervals
from forge_models.family import Evaluation, Interval, Part, Splits
from forge_models.profile.asking import Asked, asked
from forge_models.profile.lines import lines

NUMBER: dict[Part, int] = {"train": 0, "validation": 1, "test": 2}
BINS = 10


def questions(splits: Splits, part: Part) -> Asked:
    """What is judged on ``part``; what came before it is known."""
    if part not in ("validation", "test"):
        raise UsageError("FORGE-EVALUATE-PART", "A model is evaluated on validation or test, not on train.")
    return asked(lines(splits.rows), NUMBER[part], judged=True)


def evaluate(model: Any, splits: Splits, part: Part) -> Evaluation:
    """average_precision, log_loss, brier, and calibration_gap: how far said and come are apart in a unit."""
    some = questions(splits, part)
    chances = model.chances(some)
    said = np.clip(chances, 1e-6, 1 - 1e-6)
    loss = -np.where(some.came, np.log(said), np.log(1 - said))
    values = {
        "average_precision": average_precision(chances, some.came, some.unit, some.units),
        "log_loss": _means(loss, some),
        "brier": _means((chances - some.came) ** 2, some),
        "calibration_gap": np.abs(_means(chances - some.came, some)),
    }
    first = np.searchsorted(some.unit, np.arange(some.units))
    owners = [some.lines[some.line[row]].subject for row in first]
    facets = some.facets[first] if len(first) else np.zeros(0, object)
    slices: dict[str, dict[str, Interval]] = {
        facet: intervals.mean_intervals(
            {name: values[name][facets == facet] for name in ("average_precision", "log_loss")}
        )
        for facet in sorted(set(facets.tolist()))
    }
    return Evaluation(intervals.mean_intervals(values), owners, values, slices)


def average_precision(chances: np.ndarray, came: np.ndarray, unit: np.ndarray, units: int) -> np.ndarray:
    """(units,) the mean, over what came, of the precision at its rank; a tie is one step, as if drawn together."""
    if not units:
        return np.zeros(0)
    order = np.lexsort((-chances, unit))
    unit, came, chances = unit[order], came[order].astype(np.float64), chances[order]
    start = np.searchsorted(unit, np.arange(units))
    hits = np.cumsum(came)
    hits -= (hits[start] - came[start])[unit]
    rank = np.arange(len(unit)) - start[unit] + 1
    ends = np.ones(len(unit), bool)  # the last of each tie
    ends[:-1] = (unit[1:] != unit[:-1]) | (chances[1:] != chances[:-1])
    at, of = np.flatnonzero(ends), unit[ends]
    before = np.zeros(len(at))
    before[1:] = np.where(of[1:] == of[:-1], hits[at[:-1]], 0.0)
    gained = (hits[at] - before) * hits[at] / rank[at]
    total = np.bincount(unit, came, units)
    return np.bincount(of, gained, units) / np.maximum(total, 1.0)


def calibration(chances: np.ndarray, came: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean chance, share that came, how many) of each tenth that is there."""
    bins = np.minimum((chances * BINS).astype(int), BINS - 1)
    return [
        (float(chances[bins == one].mean()), float(came[bins == one].mean()), int((bins == one).sum()))
        for one in range(BINS)
        if (bins == one).any()
    ]


def _means(values: np.ndarray, some: Asked) -> np.ndarray:
    """(units,) means over the questions of a unit."""
    count = np.bincount(some.unit, minlength=some.units)
    return np.bincount(some.unit, values, some.units) / np.maximum(count, 1)
