"""The network of load: the retentive engine over the days of a series, which foretells the values that follow.

A token is a block of values (a day of hours, or one day) at the scale of its window, with the weekday of what follows;
after each token the next ``horizon`` values are foretold, so that one window teaches as often as it is long. The loss
is the absolute error: a forecast of the median. It adds to the mean of the same weekday over the window: what it learns
is where life departs from that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from forge_models.behavior.conformal import Bands, Forecast, calibrated
from forge_models.behavior.designs import before
from forge_models.behavior.instants import day_of_week
from forge_models.behavior.series import Load
from forge_models.engine.backbone import Backbone
from forge_models.engine.config import EngineConfig

if TYPE_CHECKING:
    from forge_models.family import TrainingRun

TOKENS = 28  # days of a window
LATER = 7  # tokens from which on an answer is learned from: before, a week has not been seen
PER_SERIES = 400
STEPS = {"quick": 30, "full": 800}
ROWS = 64


@dataclass(frozen=True)
class LoadShape:
    """``block`` values of a token; ``horizon`` values after it."""

    block: int
    horizon: int
    dims: int = 32
    heads: int = 4
    layers: int = 1
    inner: int = 64
    dropout: float = 0.1

    def engine(self) -> EngineConfig:
        return EngineConfig(
            embed_dim=self.dims, num_heads=self.heads, num_layers=self.layers, ffn_dim=self.inner,
            dropout=self.dropout, decay=(0.5, 1 - 1 / 32), max_seq_len=TOKENS,
        ).validate()  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class LoadNet(nn.Module):
    """``blocks`` (B, T, block) scaled values, ``days`` (B, T) weekday of the first value that follows each."""

    def __init__(self, shape: LoadShape) -> None:
        super().__init__()
        self.shape = shape
        self.reading = nn.Linear(shape.block, shape.dims)
        self.day = nn.Embedding(7, shape.dims)
        self.backbone = Backbone(shape.engine())
        self.saying = nn.Linear(shape.dims, shape.horizon)
        nn.init.normal_(self.day.weight, std=0.3)
        nn.init.zeros_(self.saying.weight)
        nn.init.zeros_(self.saying.bias)

    def forward(self, blocks: Tensor, days: Tensor) -> Tensor:
        """(B, T, horizon): what is added to the mean of the same weekday."""
        hidden, _, _ = self.backbone(self.reading(blocks) + self.day(days))
        return self.saying(hidden)


class Training(nn.Module):
    def __init__(self, net: LoadNet) -> None:
        super().__init__()
        self.net = net

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        said = self.net(batch["blocks"], batch["days"]) + batch["usual"]
        return (said - batch["ahead"])[:, LATER - 1 :].abs().mean(), {}


@dataclass(frozen=True)
class Windows:
    """``values`` (n, TOKENS * block + horizon) float32, scaled; ``days`` (n,) weekday of the first value."""

    values: np.ndarray
    days: np.ndarray
    block: int
    horizon: int

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        values = self.values[indices]
        blocks = values[:, : TOKENS * self.block].reshape(len(indices), TOKENS, self.block)
        sliding = np.lib.stride_tricks.sliding_window_view(values, self.horizon, axis=1)
        ahead = sliding[:, self.block :: self.block][:, :TOKENS]
        days = (self.days[indices][:, None] + 1 + np.arange(TOKENS)) % 7
        found = {"blocks": blocks, "ahead": ahead.copy(), "days": days, "usual": usual(blocks, self.horizon)}
        return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in found.items()}


def usual(blocks: np.ndarray, horizon: int) -> np.ndarray:
    """(n, T, horizon) float32: the mean of the blocks of the same weekday up to each, for what follows it."""
    n, length, block = blocks.shape
    ahead = -(-horizon // block)
    found = np.zeros((n, length, ahead * block), np.float32)
    for step in range(ahead):
        for token in range(length):
            same = blocks[:, (token + 1 + step) % 7 : token + 1 : 7]
            same = same if same.shape[1] else blocks[:, : token + 1]
            found[:, token, step * block : (step + 1) * block] = same.mean(1)
    return found[:, :, :horizon]


@dataclass(frozen=True)
class LoadNetworkModel:
    """``net`` None: too little to train; the mean of the same weekday is then all it says."""

    kind = "load_network"
    shape: LoadShape
    net: LoadNet | None
    bands: Bands
    config: Mapping[str, Any]
    report: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()

    @property
    def horizon(self) -> int:
        return self.shape.horizon

    def forecast(self, load: Load, origins: np.ndarray) -> Forecast:
        return self.bands.around(self.point(load, origins), load, origins)

    def point(self, load: Load, origins: np.ndarray) -> np.ndarray:
        """(n, horizon) float64."""
        block = self.shape.block
        values = before(load.values, origins, TOKENS * block)
        scale = _scale(values)
        blocks = (values / scale).reshape(len(origins), TOKENS, block).astype(np.float32)
        said = usual(blocks, self.horizon)[:, -1]
        if self.net is not None:
            first = np.asarray(day_of_week(np.asarray(load.at(origins))), np.int64)
            days = (first[:, None] - TOKENS + 1 + np.arange(TOKENS)) % 7
            with torch.no_grad():
                said = said + self.net(torch.from_numpy(blocks), torch.from_numpy(days))[:, -1].numpy()
        return np.maximum(said.astype(np.float64) * scale, 0.0)


def fit(loads: Sequence[Load], horizon: int, config: Mapping[str, Any], run: TrainingRun) -> LoadNetworkModel:
    """``loads`` hold training values and nothing else; the last fifth of each is for stopping and for the band."""
    from forge_models.trainer import TrainerConfig, train

    if not loads:
        shape = LoadShape(24, horizon)
        return LoadNetworkModel(shape, None, Bands.unknown(horizon), dict(config))
    block = loads[0].block
    shape = LoadShape(block, horizon, int(config["dims"]), layers=int(config["layers"]))
    model = LoadNetworkModel(shape, None, Bands.unknown(horizon), dict(config))
    early, held = _windows(loads, block, horizon)
    if len(early) >= 4:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.seed)
            training = Training(LoadNet(shape))
        steps = int(config.get("steps", 0)) or STEPS[run.preset]
        size = max(1, min(ROWS, len(early) // 2))
        settings = TrainerConfig(
            max_steps=steps, batch_size=size, learning_rate=float(config["learning_rate"]),
            warmup_steps=steps // 10, evaluate_every=max(15, steps // 15), patience=5, higher_is_better=False,
        )  # fmt: skip
        score = _score(model, held) if any(len(origins) for _, origins in held) else None
        outcome = train(training, early, settings, run, score=score)
        told = {"steps": outcome.steps, "best_step": outcome.best_step, "stopped": outcome.stopped}
        net = training.net.cpu().eval()
        model = replace(model, net=net, report={"training": [told]}, history=outcome.history)
    return replace(model, bands=calibrated(model.point, held, horizon))


def _windows(
    loads: Sequence[Load], block: int, horizon: int
) -> tuple[Windows, list[tuple[Load, np.ndarray]]]:
    """Windows of the first four fifths; and the origins of the rest, for what was learned from is no test."""
    size = TOKENS * block + horizon
    values, days = [np.zeros((0, size), np.float32)], [np.zeros(0, np.int64)]
    held = []
    for load in loads:
        cut = int(0.8 * len(load)) // block * block
        gaps = np.concatenate([[0], np.cumsum(~load.known)])
        starts = np.arange(0, max(0, cut - size + 1), block)
        starts = starts[gaps[starts + size] == gaps[starts]][-PER_SERIES:]
        if len(starts):
            windows = np.lib.stride_tricks.sliding_window_view(load.values, size)[starts]
            values.append((windows / _scale(windows[:, : TOKENS * block])).astype(np.float32))
            days.append(np.asarray(day_of_week(np.asarray(load.at(starts))), np.int64))
        origins = np.arange(cut, len(load) - horizon + 1, block)
        origins = origins[origins > 0]
        held.append((load, origins[gaps[origins + horizon] == gaps[origins]][-PER_SERIES:]))
    joined = np.clip(np.concatenate(values), -1e3, 1e3)
    return Windows(joined, np.concatenate(days), block, horizon), held


def _score(model: LoadNetworkModel, held: Sequence[tuple[Load, np.ndarray]]) -> Any:
    """The mean absolute error at held origins, over the scale of what came; lower is better."""

    def score(training: Training) -> float:
        net = training.net
        if net.saying.bias.device.type != "cpu":
            from copy import deepcopy

            net = deepcopy(net).cpu()
        fitted, found = replace(model, net=net), []
        for load, origins in held:
            if len(origins):
                came = np.lib.stride_tricks.sliding_window_view(load.values, model.horizon)[origins]
                off = np.abs(came - fitted.point(load, origins)).mean()
                found.append(off / (np.abs(load.values).mean() + 1e-6))
        value = float(np.mean(found))
        return value if math.isfinite(value) else 1e6

    return score


def _scale(windows: np.ndarray) -> np.ndarray:
    """(n, 1): the mean of a window, above 0."""
    return np.abs(windows).mean(1, keepdims=True) + 1e-3
