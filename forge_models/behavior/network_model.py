"""The trained network as a model of next events, and its training by the shared trainer.

Windows of histories are packed as the recommender packs its own (``sequential_batches``). The last tenth of each
training history is not learned from but watched, where there is enough of it. The same rows and seed give the same
weights on one kind of CPU, whatever subjects are called.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from forge_models.behavior.instants import day_of_week, hour_of_day
from forge_models.behavior.network import ROW, EventNet, Shape, Training
from forge_models.behavior.timelines import Timeline, hashed_order
from forge_models.recommender import sequential_batches
from forge_models.recommender.interactions import Histories
from forge_models.recommender.sequential_batches import Packed
from forge_models.recommender.sequential_net import gap_buckets

if TYPE_CHECKING:
    from forge_models.family import TrainingRun

WATCHED = 0.1  # of each history, the last
LEAST_WATCHED, MOST_WATCHED = 100, 2_000  # events
ROWS = 16
EPOCHS = {"quick": 6, "full": 30}
LEAST_STEPS = {"quick": 50, "full": 300}
LEAST_EVENTS = 50


@dataclass(frozen=True)
class NetworkModel:
    """``net`` is None where there was too little to train; all labels are then as likely."""

    kind = "network"
    vocabulary: Sequence[str]
    net: EventNet | None
    config: Mapping[str, Any]
    report: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()

    def probabilities(self, line: Timeline, targets: np.ndarray) -> np.ndarray:
        """(len(targets), line.size) float32: of what event ``targets`` is, given at most ``ROW`` events before it."""
        found = np.zeros((len(targets), line.size), np.float32)
        if self.net is None:
            return found + 1.0 / max(line.size, 1)
        # each window answers for its second half, so that an answer rests on half a window at least
        group = np.maximum(0, (targets - 1) // (ROW // 2) - 1)
        for start in np.unique(group):
            rows = np.flatnonzero(group == start)
            low = int(start) * (ROW // 2)
            cut = slice(low, min(len(line), low + ROW))
            found[rows] = self._window(line, cut, targets[rows] - 1 - low)
        return found

    def _window(self, line: Timeline, cut: slice, moments: np.ndarray) -> np.ndarray:
        assert self.net is not None
        batch = {name: torch.from_numpy(values[None, cut]) for name, values in described(line).items()}
        labels = line.labels[cut]
        batch["segments"] = torch.zeros((1, len(labels)), dtype=torch.long)
        with torch.no_grad():
            hidden, attention, gate = self.net(batch)
            at = torch.from_numpy(moments)
            made = self.net.generate(hidden[0, at]).exp().numpy()
            share = gate[0, at].numpy()[:, None]
            pointing = attention[0, at].numpy()
        found = np.zeros((len(moments), line.size), np.float32)
        found[:, : line.known] = share * made
        follows = np.zeros((len(labels), line.size), np.float32)
        follows[np.arange(len(labels) - 1), labels[1:]] = 1.0  # what followed each moment of the window
        return found + (1 - share) * (pointing @ follows)


def described(line: Timeline) -> dict[str, np.ndarray]:
    """(n,) int64 each: what the network is told of every event."""
    return {
        "labels": np.minimum(line.labels, line.known),
        "gaps": gap_buckets(line.start),
        "hours": hour_of_day(line.end).astype(np.int64),
        "days": np.asarray(day_of_week(line.end), np.int64),
    }


@dataclass(frozen=True)
class Rows:
    """Packed rows of places in ``events``, arrays over the events of all histories."""

    packed: Packed
    events: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.packed)

    def batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        at, targets = self.packed.items[indices], self.packed.targets[indices]
        found = {name: torch.from_numpy(values[at]) for name, values in self.events.items()}
        found["targets"] = torch.from_numpy(np.where(targets >= 0, self.events["labels"][targets], -1))
        found["segments"] = torch.from_numpy(self.packed.segments[indices])
        return found


def fit(
    lines: Sequence[Timeline], vocabulary: Sequence[str], config: Mapping[str, Any], run: TrainingRun
) -> NetworkModel:
    """``config``: ``dims`` (0: by the number of events), ``layers``, ``dropout``, ``learning_rate``."""
    from forge_models.trainer import TrainerConfig, train

    lines = [line for line in hashed_order(lines) if len(line) >= 2]
    total = sum(map(len, lines))
    untrained = NetworkModel(vocabulary, None, dict(config))
    if total < LEAST_EVENTS:
        return untrained
    watched = [int(WATCHED * len(line)) for line in lines]
    if sum(watched) < LEAST_WATCHED:
        watched = [0] * len(lines)
    rows = _rows(lines, watched)
    dims = int(config["dims"]) or (64 if total >= 20_000 else 32)
    shape = Shape(len(vocabulary), dims, 4, int(config["layers"]), 2 * dims, float(config["dropout"]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        training = Training(EventNet(shape))
    size = max(1, min(ROWS, len(rows) // 4))
    once = math.ceil(len(rows) / size)
    steps = int(config.get("steps", 0)) or max(LEAST_STEPS[run.preset], EPOCHS[run.preset] * once)
    settings = TrainerConfig(
        max_steps=steps,
        batch_size=size,
        learning_rate=float(config["learning_rate"]),
        warmup_steps=min(100, steps // 10),
        evaluate_every=max(once, steps // 15),
        patience=4,
    )
    run.progress(
        f"behavior: {len(rows)} rows of events, {shape.layers} layers of width {dims}, {steps} steps"
    )
    score = _score(untrained, lines, watched)
    outcome = train(training, rows, settings, run, score=score)
    told = {
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "watched_mrr": -1.0 if outcome.best_score is None else float(outcome.best_score),
        "stopped": outcome.stopped,
        "precision": outcome.precision,
    }
    return replace(
        untrained, net=training.net.cpu().eval(), report={"training": [told]}, history=outcome.history
    )


def _rows(lines: Sequence[Timeline], watched: Sequence[int]) -> Rows:
    told = [described(line) for line in lines]
    events = {name: np.concatenate([one[name] for one in told]) for name in told[0]}
    lengths = np.array([len(line) for line in lines])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    times = np.concatenate([line.start for line in lines])
    histories = Histories(indptr, np.arange(indptr[-1]), times, int(indptr[-1]))
    ends = indptr[1:] - np.array(watched)
    return Rows(sequential_batches.pack(histories, sequential_batches.windows(histories, ends), ROW), events)


def _score(model: NetworkModel, lines: Sequence[Timeline], watched: Sequence[int]) -> Any:
    """The mean reciprocal rank of watched events; None where nothing is watched."""
    if not sum(watched):
        return None
    every = max(1, sum(watched) // MOST_WATCHED)
    asked = [
        (line, np.arange(len(line) - held, len(line)))
        for line, held in zip(lines, watched, strict=True)
        if held
    ][::every]

    def score(training: Training) -> float:
        net = training.net
        if net.bias.device.type != "cpu":
            from copy import deepcopy

            net = deepcopy(net).cpu()
        fitted = replace(model, net=net)
        found = []
        for line, targets in asked:
            chances = fitted.probabilities(line, targets)
            own = chances[np.arange(len(targets)), line.labels[targets]]
            found.append(1.0 / (chances >= own[:, None]).sum(1))
        return float(np.concatenate(found).mean())

    return score
