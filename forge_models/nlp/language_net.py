"""The training of the network that tells languages: one vector per run of letters, averaged (Joulin et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forge_models.family import TrainingRun
from forge_models.nlp.language import BUCKETS
from forge_models.trainer import Outcome, TrainerConfig, train

BATCH = 64
SHORT = 24  # runs of a cut: half of the texts are cut, since messages are shorter than the rows


class RunNet(nn.Module):
    """Logits of languages from runs of letters."""

    def __init__(self, languages: int) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(BUCKETS, languages, mode="mean")
        nn.init.zeros_(self.table.weight)
        self.bias = nn.Parameter(torch.zeros(languages))

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        return F.cross_entropy(self.table(batch["places"], batch["starts"]) + self.bias, batch["labels"]), {}


@dataclass(frozen=True)
class Rows:
    """Places of runs and labels as the trainer's examples."""

    places: Sequence[np.ndarray]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        cut = torch.rand(len(indices)).numpy()
        own = [
            self.places[i][: SHORT if share < 0.5 else None] for i, share in zip(indices, cut, strict=True)
        ]
        starts = np.concatenate([[0], np.cumsum([len(one) for one in own])[:-1]])
        return {
            "places": torch.from_numpy(np.concatenate(own)),
            "starts": torch.from_numpy(starts.astype(np.int64)),
            "labels": torch.from_numpy(self.labels[indices]),
        }


def learn(
    places: Sequence[np.ndarray],
    labels: np.ndarray,
    languages: int,
    config: Mapping[str, Any],
    run: TrainingRun,
) -> tuple[np.ndarray, np.ndarray, Outcome]:
    """Weights (BUCKETS, languages) and bias (languages,), float32, and how it went."""
    module = RunNet(languages)
    size = min(BATCH, len(places))
    settings = TrainerConfig(
        max_steps=max(20, round(float(config["epochs"]) * len(places) / size)),
        batch_size=size,
        learning_rate=float(config["learning_rate"]),
        weight_decay=0.0,
        checkpoint_seconds=120.0,
    )
    outcome = train(module, Rows(places, labels), settings, run)
    return module.table.weight.detach().numpy().copy(), module.bias.detach().numpy().copy(), outcome
