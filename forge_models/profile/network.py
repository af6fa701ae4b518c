"""The network of the profile: the retentive engine over a thing's weeks, which corrects the count that forgets.

A token is one week of one thing's line: whether the thing came, how much, its share, how long the pause before was, and
the odds that the beta-binomial gives it by then. After each token stands the chance of the next week. What the network
says is added to those odds, and begins as nothing: where there is little to learn it stays at the counting tier.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from forge_models.engine.backbone import Backbone
from forge_models.engine.config import EngineConfig
from forge_models.profile.asking import HALF_LIVES, MEMORY, Asked, asked
from forge_models.profile.decay import OTHERS, SMALLEST, Decay
from forge_models.profile.lines import Line
from forge_models.profile.logistic import sigmoid

if TYPE_CHECKING:
    from forge_models.family import TrainingRun

TOKENS = 24  # weeks of a window; of older ones the odds still know
INPUTS = 7
STEPS = {"quick": 120, "full": 1200}
ROWS = 128
MOST = {"quick": 20_000, "full": 100_000}  # windows
LEAST = 50  # windows; below, nothing is trained
HELD = 0.15  # of the windows, the latest: for stopping
AT_ONCE = 4096


@dataclass(frozen=True)
class Shape:
    facets: int
    dims: int = 32
    layers: int = 1
    heads: int = 4
    inner: int = 64

    def engine(self) -> EngineConfig:
        return EngineConfig(
            embed_dim=self.dims, num_heads=self.heads, num_layers=self.layers, ffn_dim=self.inner, dropout=0.1,
            decay=(0.5, 1 - 1 / 32), max_seq_len=TOKENS,
        ).validate()  # fmt: skip

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


class ThingNet(nn.Module):
    """``tokens`` (B, T, INPUTS), ``facets`` (B,) to (B, T): what is added to the odds."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.reading = nn.Linear(INPUTS, shape.dims)
        self.facet = nn.Embedding(shape.facets, shape.dims)
        self.backbone = Backbone(shape.engine())
        self.saying = nn.Linear(shape.dims, 1)
        nn.init.normal_(self.facet.weight, std=0.3)
        nn.init.zeros_(self.saying.weight)
        nn.init.zeros_(self.saying.bias)

    def forward(self, tokens: Tensor, facets: Tensor) -> Tensor:
        hidden, _, _ = self.backbone(self.reading(tokens) + self.facet(facets)[:, None, :])
        return self.saying(hidden)[..., 0]


class Training(nn.Module):
    def __init__(self, net: ThingNet) -> None:
        super().__init__()
        self.net = net

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        said = self.net(batch["tokens"], batch["facets"]) + batch["tokens"][..., 0]
        wanted = batch["wanted"]
        loss = functional.binary_cross_entropy_with_logits(said, batch["came"], reduction="none")
        weight = wanted.sum()
        return (loss * wanted).sum() / weight.clamp(min=1.0), {"weight": weight}


@dataclass(frozen=True)
class Windows:
    """``tokens`` (n, TOKENS, INPUTS), ``came`` and ``wanted`` (n, TOKENS), all float32; ``facets`` (n,)."""

    tokens: np.ndarray
    came: np.ndarray
    wanted: np.ndarray
    facets: np.ndarray

    def __len__(self) -> int:
        return len(self.facets)

    def batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        found = {name: getattr(self, name)[indices] for name in ("tokens", "came", "wanted", "facets")}
        return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in found.items()}

    def some(self, rows: np.ndarray) -> Windows:
        return Windows(self.tokens[rows], self.came[rows], self.wanted[rows], self.facets[rows])


@dataclass(frozen=True)
class Networked:
    """``net`` None: too little to train; the odds of the beta-binomial are then all it says."""

    net: ThingNet | None
    facets: tuple[str, ...]
    kind = "network"

    def chances(self, some: Asked, decay: Decay) -> np.ndarray:
        chance = decay.chances(some)
        odds = np.log(chance / (1 - chance))
        if self.net is None:
            return chance
        codes = _codes(some, self.facets)
        added = np.empty(len(some))
        for rows, tokens in _blocks(some, decay):
            for start in range(0, len(rows), AT_ONCE):
                own = rows[start : start + AT_ONCE]
                window = torch.from_numpy(tokens[start : start + AT_ONCE])
                with torch.no_grad():
                    added[own] = self.net(window, torch.from_numpy(codes[own]))[:, -1].numpy()
        return sigmoid(odds + added)


def fit(
    lines: Sequence[Line], decay: Decay, config: Mapping[str, Any], run: TrainingRun
) -> tuple[Networked, dict[str, Any], Sequence[Mapping[str, float]]]:
    """``lines`` hold training weeks and nothing else; the latest windows are for stopping."""
    from forge_models.trainer import TrainerConfig, train

    facets = (OTHERS, *sorted({line.facet for line in lines}))
    windows = _windows(lines, decay, facets, MOST[run.preset])
    if len(windows) < LEAST:
        return Networked(None, facets), {"windows": len(windows)}, ()
    cut = int((1 - HELD) * len(windows))
    early, late = windows.some(np.arange(cut)), windows.some(np.arange(cut, len(windows)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        training = Training(ThingNet(Shape(len(facets), int(config["dims"]), int(config["layers"]))))
    steps = int(config.get("steps", 0)) or STEPS[run.preset]
    settings = TrainerConfig(
        max_steps=steps, batch_size=max(1, min(ROWS, len(early) // 2)), learning_rate=float(config["learning_rate"]),
        warmup_steps=steps // 10, evaluate_every=max(10, steps // 12), patience=4, higher_is_better=False,
    )  # fmt: skip
    run.progress(f"network: {len(early)} windows")
    outcome = train(training, early, settings, run, score=_score(late))
    told = {"steps": outcome.steps, "best_step": outcome.best_step, "stopped": outcome.stopped}
    return Networked(training.net.cpu().eval(), facets), told, outcome.history


def _score(late: Windows) -> Any:
    """The loss on the windows that are held out; lower is better."""

    def score(training: Training) -> float:
        device = training.net.saying.bias.device
        total, weight = 0.0, 0.0
        with torch.no_grad():
            for start in range(0, len(late), AT_ONCE):
                batch = late.batch(np.arange(start, min(start + AT_ONCE, len(late))))
                loss, told = training.loss({name: value.to(device) for name, value in batch.items()})
                total += float(loss) * float(told["weight"])
                weight += float(told["weight"])
        found = total / max(weight, 1.0)
        return found if math.isfinite(found) else 1e6

    return score


def _codes(some: Asked, facets: Sequence[str]) -> np.ndarray:
    place = {name: at for at, name in enumerate(facets)}
    by_line = np.array([place.get(line.facet, 0) for line in some.lines] or [0], np.int64)
    return by_line[some.line]


def _blocks(some: Asked, decay: Decay) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Numbers of questions, and the windows (rows, TOKENS, INPUTS) that end with their weeks; some thousand at once."""
    rows: list[np.ndarray] = []
    windows: list[np.ndarray] = []
    order = np.lexsort((some.thing, some.line))
    for group in np.split(order, np.flatnonzero(np.diff(some.line[order])) + 1):
        line = some.lines[some.line[group[0]]]
        for start in range(0, len(group), AT_ONCE):  # by thing: a block needs few of them
            own = group[start : start + AT_ONCE]
            things, column = np.unique(some.thing[own], return_inverse=True)
            rows.append(own)
            windows.append(_ending(tokens_of(line, things, decay), some.at[own], column))
        if sum(map(len, rows)) >= AT_ONCE:
            yield np.concatenate(rows), np.concatenate(windows)
            rows, windows = [], []
    if rows:
        yield np.concatenate(rows), np.concatenate(windows)


def tokens_of(line: Line, things: np.ndarray, decay: Decay) -> np.ndarray:
    """(W + TOKENS - 1, things, INPUTS) float32: the weeks of a line behind a window's worth of nothing, odds first."""
    from scipy.signal import lfilter

    life, strength, mean, whole = decay.params[
        decay.facets.index(line.facet) if line.facet in decay.facets else 0
    ]
    length, keep = len(line), float(0.5 ** (1 / HALF_LIVES[int(life)]))
    there, weight = np.zeros((length, len(things))), np.zeros((length, len(things)))
    inside = np.isin(line.thing, things)
    place = np.searchsorted(things, line.thing[inside])
    there[line.at[inside], place] = 1.0
    weight[line.at[inside], place] = line.weight[inside]
    weeks = np.arange(length)[:, None]
    age = weeks if whole else np.maximum(weeks - np.argmax(there > 0, 0), -1)
    of = (1 - keep ** (age + 1.0)) / (1 - keep)
    seen = lfilter([1.0], [1.0, -keep], there, axis=0)
    chance = np.clip((seen + strength * mean) / (of + strength), SMALLEST, 1 - SMALLEST)
    last = np.maximum.accumulate(np.where(there > 0, weeks, -1), 0)
    total = np.bincount(line.at, line.weight, length)[:, None]
    pause = np.log1p(np.diff(line.weeks, prepend=line.weeks[:1] - 1) - 1.0)[:, None]
    found = np.zeros((length + TOKENS - 1, len(things), INPUTS), np.float32)
    columns = (
        np.log(chance / (1 - chance)), there, np.log1p(weight) / 3, weight / np.maximum(total, 1e-9), last >= 0,
        np.where(last >= 0, np.log1p(weeks - last), 0.0) / 3, np.broadcast_to(pause / 3, there.shape),
    )  # fmt: skip
    found[TOKENS - 1 :] = np.stack(columns, 2)
    return found


def _ending(tokens: np.ndarray, at: np.ndarray, column: np.ndarray) -> np.ndarray:
    """(n, TOKENS, INPUTS): the windows of ``tokens`` whose last weeks are ``at`` (n,)."""
    return tokens[at[:, None] + np.arange(TOKENS), column[:, None]]


def _windows(lines: Sequence[Line], decay: Decay, facets: Sequence[str], most: int) -> Windows:
    """Every half window's length a window ends, the last before the end of a line; the earliest first."""
    some = asked(lines, 0)
    wanted = np.zeros(len(some), bool)
    length = np.array([len(line) for line in lines] or [0])[some.line]
    back = length - 2 - some.at
    wanted[(back % (TOKENS // 2) == 0)] = True
    some = some.chosen(wanted)
    if len(some) > most:
        keep = np.zeros(len(some), bool)
        keep[np.linspace(0, len(some) - 1, most).astype(int)] = True
        some = some.chosen(keep)
    shape = (len(some), TOKENS)
    tokens, came = np.zeros((*shape, INPUTS), np.float32), np.zeros(shape, np.float32)
    for rows, block in _blocks(some, decay):
        tokens[rows] = block
    for rows, after in _next(some, decay):
        came[rows] = after
    seen = tokens[:, :, 4] > 0
    fresh = tokens[:, :, 5] * 3 <= math.log1p(MEMORY)
    week = np.array(
        [some.lines[line].weeks[at] for line, at in zip(some.line, some.at, strict=True)], np.int64
    )
    order = np.argsort(week, kind="stable")
    windows = Windows(tokens, came, (seen & fresh).astype(np.float32), _codes(some, facets))
    return windows.some(order)


def _next(some: Asked, decay: Decay) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Whether the thing came in the week after each token: the same windows, a week later."""
    for rows, block in _blocks(replace(some, at=some.at + 1), decay):
        yield rows, block[:, :, 1]
