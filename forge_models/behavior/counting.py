"""The counting tier: where next, by a pool of votes of the subject's own past, returns and explorations told apart.

What a person does next is mostly a return (Song et al. 2010). Among the labels met before, the shares that the kernels
of ``kernels`` give, and what others do after the same place, are pooled as a weighted geometric mean (a logarithmic
opinion pool: Genest and Zidek 1986; fitted as a conditional logit: McFadden 1974). How likely something new is, is a
logistic model of how much was new lately; what it then is, is counted over all subjects. The few weights are learned on
the last events of the training rows, which the counts they are learned with do not hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forge_models.behavior import kernels, moves
from forge_models.behavior.fitting import Choices, conditional_logit, logistic
from forge_models.behavior.population import Population
from forge_models.behavior.timelines import Timeline, hashed_order

FEATURES = (*kernels.COMPONENTS, "others after this place", "met once")
FLOOR = 1e-4  # share below which a component says no
TARGETS = 30_000  # events that the weights are learned from at most: two dozen numbers need no more
CANDIDATES = 1_500_000  # of all these events together: a person with thousands of places has hundreds in each
HELD_OUT = 0.15  # of each subject's training events, the last
START = np.array([0.15] * 4 + [0.2, 0.1, 0.1, 0.1, 0.2, 0.05, 0.05, 0.05, 0.1, 0.0])
EXPLORING = np.array(
    [-1.5, 0.0, 1.0]
)  # constant, log of events, share of new ones lately: before anything is learned


@dataclass(frozen=True)
class CountingModel:
    """``weights`` (len(FEATURES),) of the pool; ``exploring`` (3,) of the logistic model; both float64."""

    kind = "counting"
    vocabulary: Sequence[str]
    population: Population
    weights: np.ndarray
    exploring: np.ndarray
    config: Mapping[str, Any]
    report: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def probabilities(self, line: Timeline, targets: np.ndarray) -> np.ndarray:
        """(len(targets), line.size) float32: of what event ``targets`` is, given those before it.

        Rows sum to at most 1; what is missing to 1 is something that neither the model nor the subject has met.
        """
        found = np.zeros((len(targets), line.size), np.float32)
        at = 0
        for block, features, new in _described(line, targets, self.population, self.config):
            rows = slice(at, at + len(block.targets))
            at = rows.stop
            scores = np.where(block.seen, features @ self.weights, -np.inf)
            returning = 1 - _sigmoid(new @ self.exploring)
            returning[~block.seen.any(1)] = 0.0
            among = _softmax(scores)
            others = self.population.next(_previous(line, block.targets), line.size)
            places = found[rows]
            places[:, block.labels] = returning[:, None] * among
            met = np.zeros((len(block.targets), line.size), bool)
            met[:, block.labels] = block.seen
            others[:, line.known :] = 0.0
            others[met] = 0.0  # something new is nothing that was met; what is met by nobody keeps its share
            places += (1 - returning[:, None]) * others
        return found

    def exploration(self, line: Timeline) -> float:
        """The chance that what comes after all events of ``line`` was never met before."""
        _, _, new = next(_described(line, np.array([len(line)]), self.population, self.config))
        return float(_sigmoid(new @ self.exploring)[0])


def fit(lines: Sequence[Timeline], vocabulary: Sequence[str], config: Mapping[str, Any]) -> CountingModel:
    """``lines`` hold training events and nothing else."""
    population = Population.of(lines, len(vocabulary))
    weights, exploring, learned = START, EXPLORING, 0
    if config["learn"]:
        earlier = [line.until(len(line) - _held(line)) for line in lines]
        choices, new, returned = _examples(lines, Population.of(earlier, len(vocabulary)), config)
        learned = len(returned)
        if choices.targets.size:
            weights = conditional_logit(choices, START, float(config["pull"]))
        if learned:
            exploring = logistic(new, ~returned, EXPLORING, float(config["pull"]))
    pairs = zip(FEATURES, weights, strict=True)
    rows: list[Mapping[str, Any]] = [{"component": name, "weight": float(w)} for name, w in pairs]
    report: dict[str, Sequence[Mapping[str, Any]]] = {"pool": rows, "learned from": [{"events": learned}]}
    return CountingModel(vocabulary, population, weights, exploring, dict(config), report)


def _held(line: Timeline) -> int:
    return int(np.ceil(HELD_OUT * len(line)))


def _examples(
    lines: Sequence[Timeline], population: Population, config: Mapping[str, Any]
) -> tuple[Choices, np.ndarray, np.ndarray]:
    """What was chosen among what, for returns; and for all events what exploring rests on, and which were returns."""
    parts: list[np.ndarray] = []
    sizes: list[np.ndarray] = []
    chosen: list[np.ndarray] = []
    news: list[np.ndarray] = []
    returns: list[np.ndarray] = []
    candidates = sum(_held(line) * min(len(np.unique(line.labels)), kernels.LOOKBACK // 2) for line in lines)
    every = max(1, -(-sum(map(_held, lines)) // TARGETS), -(-candidates // CANDIDATES))
    for line in hashed_order(lines):
        targets = np.arange(max(1, len(line) - _held(line)), len(line))[::-1][::every][::-1]
        if not len(targets):
            continue
        for block, features, new in _described(line, targets, population, config):
            hit = block.labels[None, :] == line.labels[block.targets][:, None]
            returned = (hit & block.seen).any(1)
            seen = block.seen[returned]
            parts.append(features[returned][seen])
            sizes.append(seen.sum(1))
            chosen.append((np.cumsum(seen, 1) - 1)[hit[returned]])
            news.append(new)
            returns.append(returned)
    if not news:
        empty = np.zeros((0, len(FEATURES)))
        none = np.zeros(0, np.int64)
        return Choices(empty, none, none), np.zeros((0, len(EXPLORING))), np.zeros(0, bool)
    choices = Choices(np.concatenate(parts), np.concatenate(sizes), np.concatenate(chosen))
    return choices, np.concatenate(news), np.concatenate(returns)


def _described(line: Timeline, targets: np.ndarray, population: Population, config: Mapping[str, Any]) -> Any:
    """Each block of votes with the features of its candidates (b, m, F), and of exploring (b, 3)."""
    homes = moves.homes(line) if config["moves"] else None
    for block in kernels.votes(line, targets, homes):
        others = population.next(_previous(line, block.targets), line.size)[:, block.labels]
        logs = np.log(np.concatenate([block.shares, others[:, :, None]], 2) + FLOOR)
        once = block.once[:, :, None].astype(np.float64)
        features = np.concatenate([logs, once], 2)
        events = np.log(block.targets.astype(np.float64))
        new = np.stack([np.ones(len(events)), events - 4.0, block.new_lately], 1)
        yield block, features, new


def _previous(line: Timeline, targets: np.ndarray) -> np.ndarray:
    return np.where(targets > 0, line.labels[np.maximum(targets, 1) - 1], -1)


def _softmax(scores: np.ndarray) -> np.ndarray:
    top = scores.max(1, keepdims=True)
    grown = np.exp(scores - np.where(np.isfinite(top), top, 0.0))
    total = grown.sum(1, keepdims=True)
    return np.divide(grown, total, out=np.zeros_like(grown), where=total > 0)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(values, -30, 30)))
