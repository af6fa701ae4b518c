"""The autoencoder: what of a row's rarities a narrow network cannot tell again from what it learned of usual rows.

Rarities are squeezed to logarithms; the score is the root of the squared error summed over columns. A denoising
bottleneck (Vincent et al. 2008): a share of the inputs is left out while training, so that copying does not help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from forge_models.anomaly.streams import Streams

if TYPE_CHECKING:
    from forge_models.anomaly.models import View
    from forge_models.family import TrainingRun

LEFT_OUT = 0.1
STEPS = {"quick": 200, "full": 2000}
ROWS, WATCHED = 256, 4096
LEAST_ROWS = 50


class AutoNet(nn.Module):
    """(n, width) to (n, width), through ``code`` dimensions."""

    def __init__(self, width: int, hidden: int, code: int) -> None:
        super().__init__()
        self.sizes = (width, hidden, code)
        self.down = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, code), nn.GELU())
        self.up = nn.Sequential(nn.Linear(code, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x))

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        x = batch["x"]
        kept = (batch["draw"] >= LEFT_OUT).to(x.dtype)
        return ((self(x * kept) - x) ** 2).mean(), {}


class Rows:
    """The training rows (n, width) float32 by number."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        x = torch.from_numpy(self.values[indices])
        return {"x": x, "draw": torch.rand(x.shape)}


@dataclass(frozen=True)
class Auto:
    """``net`` None where there were too few rows to train on: nothing is strange then."""

    net: AutoNet | None
    kind: ClassVar[str] = "autoencoder"

    @torch.inference_mode()
    def scores(self, rare: np.ndarray, seen: Streams, view: View) -> np.ndarray:
        if self.net is None:
            return np.zeros(len(rare))
        found = np.empty(len(rare))
        for start in range(0, len(rare), 65_536):
            x = torch.from_numpy(squeezed(rare[start : start + 65_536]))
            found[start : start + len(x)] = ((self.net(x) - x) ** 2).sum(dim=1).sqrt().numpy()
        return found


def squeezed(rare: np.ndarray) -> np.ndarray:
    """(n, d) float32: the sign, and the logarithm of one more than the rarity."""
    return (np.sign(rare) * np.log1p(np.abs(rare))).astype(np.float32)


def fit(
    task: str,
    view: View,
    seen: Streams,
    rare: np.ndarray,
    known: np.ndarray,
    late: np.ndarray,
    config: Mapping[str, Any],
    run: TrainingRun,
) -> tuple[Auto, dict[str, Any], Sequence[Mapping[str, float]]]:
    """Train on the early rows; the late ones choose the step and are calibrated on."""
    from forge_models.trainer import TrainerConfig, train

    values = squeezed(rare)
    early = values[known & ~late]
    if len(early) < LEAST_ROWS:
        return Auto(None), {"steps": 0, "stopped": "too few rows"}, ()
    watched = values[known & late][:WATCHED]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        net = AutoNet(values.shape[1], int(config["hidden"]), int(config["code"]))

    def score(module: Any) -> float:
        x = torch.from_numpy(watched).to(next(module.parameters()).device)
        with torch.inference_mode():
            return -float(((module(x) - x) ** 2).mean())

    steps = STEPS[run.preset]
    size = min(ROWS, len(early))
    settings = TrainerConfig(
        max_steps=steps,
        batch_size=size,
        learning_rate=float(config["learning_rate"]),
        warmup_steps=steps // 20,
        evaluate_every=max(1, steps // 10),
        patience=4,
    )
    run.progress(f"autoencoder: {len(early)} rows")
    outcome = train(net, Rows(early), settings, run, score=score if len(watched) else None)
    row = {"steps": outcome.steps, "best_step": outcome.best_step, "stopped": outcome.stopped}
    return Auto(net.cpu().eval()), row, outcome.history
