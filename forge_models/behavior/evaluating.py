"""Judging the models: every event, or every day, of the part is foretold from what came before it.

Next place and next activity: full ranking of all labels that the model or the subject's own past knows; a label that
nobody knew cannot be found and counts as a miss. Returns and explorations are told apart; the share of returns is the
ceiling of whatever knows only the past. Load: rolling origin, a forecast at each midnight, its error over that of the
seasonal naive forecast on the training part (MASE: Hyndman and Koehler 2006), and how often the band held.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forge_core.errors import UsageError
from forge_core.evaluation import intervals
from forge_models.behavior.series import Load
from forge_models.behavior.timelines import Timeline, timelines
from forge_models.family import Evaluation, Interval, Part, Splits

NUMBER: dict[Part, int] = {"train": 0, "validation": 1, "test": 2}
DEPTHS = (1, 5, 10)
ASKED = 2048  # targets at once: of 10,000 labels 80 MB


def events(model: Any, splits: Splits, part: Part) -> Evaluation:
    """Metrics with 95 % bootstrap intervals over events: acc@1, acc@5, acc@10, mrr, and the share of returns."""
    number = _number(part)
    found: list[dict[str, np.ndarray]] = []
    owners: list[str] = []
    # a part that is yet to come is not looked at, and what came before the part is
    for line in timelines(splits.rows, model.vocabulary):
        line = line.until(int((line.part <= number).sum()))
        targets = np.flatnonzero(line.part == number)
        targets = targets[targets > 0]
        if len(targets):
            found.append(judged(model, line, targets))
            owners += [line.subject] * len(targets)
    names = [*(f"acc@{depth}" for depth in DEPTHS), "mrr", "return_rate"]
    values = {name: np.concatenate([one[name] for one in found]) if found else np.zeros(0) for name in names}
    back = values["return_rate"] > 0
    slices: dict[str, dict[str, Interval]] = {}
    for name, chosen in (("return", back), ("explore", ~back)):
        if chosen.any():
            slices[name] = intervals.mean_intervals({m: values[m][chosen] for m in ("acc@1", "mrr")})
    return Evaluation(intervals.mean_intervals(values), owners, values, slices)


def judged(model: Any, line: Timeline, targets: np.ndarray) -> dict[str, np.ndarray]:
    """Values per target; a tie counts against the model, and a label of no chance is not found."""
    rank = np.full(len(targets), np.inf)
    for at in range(0, len(targets), ASKED):
        some = targets[at : at + ASKED]
        chances = model.probabilities(line, some)
        own = chances[np.arange(len(some)), line.labels[some]]
        rank[at : at + ASKED] = np.where(own > 0, (chances >= own[:, None]).sum(1), np.inf)
    first = {label: at for at, label in reversed(list(enumerate(line.labels.tolist())))}
    returned = np.array([first[line.labels[i]] < i for i in targets])
    found = {f"acc@{depth}": (rank <= depth).astype(np.float64) for depth in DEPTHS}
    return found | {"mrr": 1.0 / rank, "return_rate": returned.astype(np.float64)}


def loads(model: Any, lines: Sequence[Load], part: Part) -> Evaluation:
    """A unit is one forecast of one series: mase, mae, coverage of the 90 % band and its width over the denominator."""
    number = _number(part)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("mase", "mae", "coverage", "width")}
    owners: list[str] = []
    measures: list[str] = []
    for load in lines:
        origins = asked(load, number, model.horizon)
        if not len(origins):
            continue
        came = np.lib.stride_tricks.sliding_window_view(load.values, model.horizon)[origins]
        said = model.forecast(load, origins)
        scale = denominator(load)
        error = np.abs(came - said.point).mean(1)
        inside = (came >= said.low - 1e-9) & (came <= said.high + 1e-9)
        columns["mae"].append(error)
        columns["mase"].append(error / scale)
        columns["coverage"].append(inside.mean(1))
        columns["width"].append((said.high - said.low).mean(1) / scale)
        owners += [load.subject] * len(origins)
        measures += [load.measure] * len(origins)
    values = {name: np.concatenate(found) if found else np.zeros(0) for name, found in columns.items()}
    of = np.array(measures)
    slices = {
        name: intervals.mean_intervals({m: values[m][of == name] for m in ("mase", "coverage")})
        for name in sorted(set(measures))
    }
    return Evaluation(intervals.mean_intervals(values), owners, values, slices)


def asked(load: Load, number: int, horizon: int) -> np.ndarray:
    """Midnights in the part, of which ``horizon`` values lie in it and none in a gap."""
    inside = np.flatnonzero(load.part == number)
    inside = inside[(inside % load.block == 0) & (inside > 0)]
    inside = inside[inside + horizon <= len(load)]
    whole = [
        bool((load.part[i : i + horizon] == number).all() and load.known[i : i + horizon].all())
        for i in inside
    ]
    return inside[np.array(whole, bool)]


def denominator(load: Load) -> float:
    """The mean absolute error of seasonal naive on the training part; where that is 0, of a shorter season."""
    train = load.values[load.part == 0]
    for season in (7 * load.block, load.block, 1):
        if len(train) > season:
            found = float(np.abs(train[season:] - train[:-season]).mean())
            if found > 0:
                return found
    return float(np.abs(load.values).mean()) or 1.0


def _number(part: Part) -> int:
    if part not in ("validation", "test"):
        raise UsageError("FORGE-EVALUATE-PART", "A model is evaluated on validation or test, not on train.")
    return NUMBER[part]
