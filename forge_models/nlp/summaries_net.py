"""The network that ranks sentences: their vectors, the text's and what is known of their place, by two layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forge_models.encoder import DEFAULT
from forge_models.family import TrainingRun
from forge_models.nlp.summaries import FEATURES, RankedSummariser, learned_from, units
from forge_models.nlp.texts import has_words

BATCH = 128


class RankNet(nn.Module):
    """A sentence's score from its vector, what it shares with its text's mean, and its features."""

    def __init__(self, dims: int, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(2 * dims + FEATURES, width)
        self.out = nn.Linear(width, 1)
        self.plain = nn.Linear(FEATURES, 1, bias=False)  # what the ridge regression would say
        self.drop = nn.Dropout(dropout)

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        x = batch["x"]
        said = self.out(self.drop(F.gelu(self.inner(self.drop(x))))) + self.plain(x[:, -FEATURES:])
        return F.mse_loss(said.squeeze(1), batch["y"]), {}


@dataclass(frozen=True)
class Rows:
    """Inputs and targets as the trainer's examples."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        return {"x": torch.from_numpy(self.x[indices]), "y": torch.from_numpy(self.y[indices])}


@dataclass(frozen=True, kw_only=True)
class NetSummariser(RankedSummariser):
    """``arrays``: the network's tensors."""

    arrays: Mapping[str, np.ndarray]
    kind: ClassVar[str] = "network"

    def scores(self, features: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        from scipy.special import erf

        known = ((features - self.mean) / self.deviation).astype(np.float32)
        x = joined(vectors, known)
        inner = x @ self.arrays["inner.weight"].T + self.arrays["inner.bias"]
        inner = inner * 0.5 * (1.0 + erf(inner / np.sqrt(2.0)))
        found: np.ndarray = inner @ self.arrays["out.weight"][0] + known @ self.arrays["plain.weight"][0]
        return found


def joined(vectors: np.ndarray, features: np.ndarray) -> np.ndarray:
    """(sentences, 2 d + FEATURES) of one text."""
    centre = vectors.mean(axis=0)
    return np.concatenate([vectors, vectors * centre, features], axis=1).astype(np.float32)


def fit_network(
    texts: Sequence[str],
    references: Sequence[str],
    config: Mapping[str, Any],
    run: TrainingRun,
    encoder: str = DEFAULT,
) -> NetSummariser:
    """``config``: as of the ranked one, and ``width``, ``dropout``, ``epochs``, ``learning_rate``."""
    from forge_models.trainer import TrainerConfig, train

    identity, X, y, vectors = learned_from(texts, references, run, encoder)
    mean, deviation = X.mean(axis=0), np.maximum(X.std(axis=0), 1e-6)
    known = ((X - mean) / deviation).astype(np.float32)
    rows, start = [], 0
    for text, said in zip(texts, references, strict=True):
        n = len(units(text))
        if n > 1 and has_words(said):
            rows.append(joined(vectors[start : start + n], known[start : start + n]))
            start += n
    target = ((y - y.mean()) / max(1e-6, y.std())).astype(np.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        module = RankNet(vectors.shape[1], int(config["width"]), float(config["dropout"]))
    steps = max(20, round(float(config["epochs"]) * len(X) / min(BATCH, len(X))))
    settings = TrainerConfig(
        max_steps=steps, batch_size=min(BATCH, len(X)), learning_rate=float(config["learning_rate"]),
        weight_decay=0.1, warmup_steps=steps // 10, checkpoint_seconds=120.0,
    )  # fmt: skip
    outcome = train(module, Rows(np.concatenate(rows), target), settings, run)
    arrays: dict[str, Any] = {name: value.numpy().copy() for name, value in module.state_dict().items()}
    report = {"training": [{"sentences": len(X), "steps": outcome.steps, "stopped": outcome.stopped}]}
    return NetSummariser(
        config, report, outcome.history, encoder=encoder, identity=identity, mean=mean, deviation=deviation,
        weights=np.zeros(FEATURES), arrays=arrays,
    )  # fmt: skip
