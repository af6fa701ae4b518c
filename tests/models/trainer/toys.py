"""Small models and examples to train on, and trainings in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forge_models.family import TrainingRun
from forge_models.trainer import TrainerConfig, train


@dataclass(frozen=True)
class Points:
    """Numbers near a line, ``examples`` of them, of ragged length: ``present`` says which of a row's count."""

    examples: int = 64
    width: int = 6

    def __len__(self) -> int:
        return self.examples

    def batch(self, indices: np.ndarray) -> Mapping[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(7)
        x = torch.randn(self.examples, self.width, generator=generator)
        present = torch.rand(self.examples, self.width, generator=generator) < 0.7
        rows = torch.from_numpy(indices)
        return {"x": x[rows], "y": 3 * x[rows] + 1, "present": present[rows], "rows": rows}


class Net(torch.nn.Module):
    """Two layers and an embedding; the loss is a mean over what is present."""

    def __init__(self, dropout: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = torch.nn.Embedding(64, 4)
        self.layers = torch.nn.ModuleList([torch.nn.Linear(10, 10) for _ in range(2)])
        self.dropout = torch.nn.Dropout(dropout)
        self.head = torch.nn.Linear(10, 6)

    def loss(self, batch: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        hidden = torch.cat([batch["x"], self.embedding.weight[batch["rows"]]], 1)
        for layer in self.layers:
            hidden = self.dropout(torch.relu(layer(hidden)))
        error = (self.head(hidden) - batch["y"]).square()
        weight = batch["present"].sum()
        return (error * batch["present"]).sum() / weight, {"weight": weight, "error/largest": error.max()}


def minus_error(module: torch.nn.Module) -> float:
    """A score: higher is better."""
    with torch.no_grad():
        return -float(module.loss(Points().batch(np.arange(64)))[0])  # type: ignore[operator]


def weights(module: torch.nn.Module) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in module.parameters()]).numpy()


class Said(list[str]):
    """What a training said, as one text too."""

    @property
    def text(self) -> str:
        return "\n".join(self)


def a_run(folder: Path, said: Callable[[str], None] = lambda _: None, **how: Any) -> TrainingRun:
    return TrainingRun(folder, progress=said, **how)


def killed(folder: Path, config: Mapping[str, Any], at: int) -> int:
    """Train in a process of its own, which dies as by kill -9 when one more than ``at`` batches are asked for."""
    told = json.dumps({"folder": str(folder), "config": dict(config), "at": at})
    root = Path(__file__).resolve().parents[3]
    return subprocess.run([sys.executable, "-m", __name__, told], cwd=root, check=False).returncode


class Deadly(Points):
    """Kills its process after so many batches."""

    left = 0

    def batch(self, indices: np.ndarray) -> Mapping[str, torch.Tensor]:
        Deadly.left -= 1
        if Deadly.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(indices)


def main() -> None:
    told = json.loads(sys.argv[1])
    Deadly.left = told["at"]
    train(
        Net(dropout=0.2), Deadly(), TrainerConfig(**told["config"]), a_run(Path(told["folder"])), minus_error
    )


if __name__ == "__main__":
    main()
