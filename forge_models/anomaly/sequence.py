"""The engine's own surprise over the event stream: training, and scores of whole streams in overlapping windows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from forge_models.anomaly.account import AccountView
from forge_models.anomaly.sequence_net import OVERLAP, WINDOW, EventNet, Shape, encode, gathered, windows
from forge_models.anomaly.streams import Streams

if TYPE_CHECKING:
    from forge_models.anomaly.models import View
    from forge_models.family import TrainingRun

LEAST_EVENTS = 200  # below it an order is not learned
BATCH = 64  # windows that are scored at once
EPOCHS = {"quick": 4, "full": 20}
LEAST_STEPS, MOST_STEPS = {"quick": 40, "full": 300}, {"quick": 200, "full": 4000}
WATCHED = 64


class Windows:
    """Training windows by number."""

    def __init__(self, codes: np.ndarray, first: np.ndarray, length: np.ndarray) -> None:
        self.codes, self.first, self.length = codes, first, length

    def __len__(self) -> int:
        return len(self.first)

    def batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        found = gathered(self.codes, self.first[indices], self.length[indices])
        return found


@dataclass(frozen=True)
class Surprised:
    """``net`` None where there were too few events: nothing is strange then."""

    net: EventNet | None
    kind: ClassVar[str] = "sequence"

    @torch.inference_mode()
    def scores(self, rare: np.ndarray, seen: Streams, view: View) -> np.ndarray:
        found = np.zeros(len(seen))
        if self.net is None or not len(seen):
            return found
        assert isinstance(view, AccountView)
        codes = encode(seen, {item: place for place, item in enumerate(view.items)})
        first, length = windows(seen.starts, WINDOW - OVERLAP)
        begins = np.isin(first, seen.starts)
        order = np.argsort(length, kind="stable")  # windows of like length together: no padding is computed
        for at in range(0, len(order), BATCH):
            part = order[at : at + BATCH]
            batch = gathered(codes, first[part], length[part])
            surprise = self.net.surprise(batch["events"], batch["lengths"]).numpy()
            for row, number in enumerate(part):
                skip = 0 if begins[number] else OVERLAP  # those events were scored with more before them
                low, high = first[number] + skip, first[number] + length[number]
                found[low:high] = surprise[row, skip : length[number]]
        return found


def fit(
    task: str,
    view: View,
    seen: Streams,
    rare: np.ndarray,
    known: np.ndarray,
    late: np.ndarray,
    config: Mapping[str, Any],
    run: TrainingRun,
) -> tuple[Surprised, dict[str, Any], Sequence[Mapping[str, float]]]:
    """Train on the events before the last fifth of the days; some windows of that fifth choose the step."""
    from forge_models.trainer import TrainerConfig, train

    assert isinstance(view, AccountView)
    counts = np.bincount(seen.stream[~late], minlength=len(seen.names))
    if int((~late).sum()) < LEAST_EVENTS:
        return Surprised(None), {"steps": 0, "stopped": "too few events"}, ()
    codes = encode(seen, {item: place for place, item in enumerate(view.items)})
    first, length = _early(seen.starts, counts)
    later, later_length = _late(seen.starts, counts)
    shape = Shape(len(view.items) + 1, int(config["dims"]), 2, int(config["layers"]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        net = EventNet(shape)
    watched = gathered(codes, later[:WATCHED], later_length[:WATCHED]) if len(later) else None

    def score(module: Any) -> float:
        assert watched is not None
        device = next(module.parameters()).device
        with torch.inference_mode():
            return -float(module.loss({name: tensor.to(device) for name, tensor in watched.items()})[0])

    size = max(1, min(16, len(first)))
    once = math.ceil(len(first) / size)
    steps = min(max(LEAST_STEPS[run.preset], EPOCHS[run.preset] * once), MOST_STEPS[run.preset])
    settings = TrainerConfig(
        max_steps=steps,
        batch_size=size,
        learning_rate=float(config["learning_rate"]),
        warmup_steps=steps // 10,
        evaluate_every=max(1, steps // 10),
        patience=4,
    )
    run.progress(f"sequence: {len(first)} windows of events")
    outcome = train(
        net, Windows(codes, first, length), settings, run, score=score if watched is not None else None
    )
    row = {"steps": outcome.steps, "best_step": outcome.best_step, "stopped": outcome.stopped}
    return Surprised(net.cpu().eval()), row, outcome.history


def _early(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Windows of the first ``counts`` events of each stream, of two events at least."""
    first, length = [], []
    for low, count in zip(starts[:-1].tolist(), counts.tolist(), strict=True):
        for at in range(0, count - 1, WINDOW):
            first.append(low + at)
            length.append(min(WINDOW, count - at))
    found = np.array(length, np.int64)
    return np.array(first, np.int64)[found >= 2], found[found >= 2]


def _late(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One window at the end of each stream that goes on after its first ``counts`` events; the longest first."""
    low = np.maximum(starts[:-1] + counts, starts[1:] - WINDOW)
    length = starts[1:] - low
    chosen = np.flatnonzero(length >= 2)
    chosen = chosen[np.argsort(-length[chosen], kind="stable")]
    return low[chosen], length[chosen]
