"""What training is given and what it gives back: the protocols of a model and of its examples, and the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["Batches", "Outcome", "Row", "Stopped", "Trainable"]

Stopped = Literal["done", "patience", "budget", "nan", "cancelled"]
# step, loss, learning_rate, examples_per_s, memory_mb, score where there was an evaluation, and the model's own figures
Row = Mapping[str, float]


class Batches(Protocol):
    """The examples of a training set, addressed by number. Picklable where several processes train."""

    def __len__(self) -> int:
        """How many examples there are."""

    def batch(self, indices: np.ndarray) -> Any:
        """The examples of these numbers, int64 (n,), as tensors on the CPU in any nest of dict, list and tuple.

        What it draws at random it draws from torch's generator, which is set for every step: then a resumed
        run draws the same.
        """


class Trainable(Protocol):
    """A plain ``torch.nn.Module`` with a loss."""

    def loss(self, batch: Any) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        """The mean loss of a batch, and figures to be logged by name.

        A figure ``weight`` says over how much the loss is a mean (say, targets); without it, it is the number of
        examples. With it a step is the same however it is cut into batches and processes. Figures named
        ``group/name`` are drawn together.
        """


@dataclass(frozen=True)
class Outcome:
    """How training ended; the module holds the best weights, on the CPU and in evaluation mode."""

    stopped: Stopped
    steps: int
    best_step: int  # whose weights the module holds
    best_score: float | None  # None where nothing was scored
    history: Sequence[Row]
    batch_size: int  # examples of one forward pass, as finally used
    precision: str
    device: str
    seconds: float  # of training, earlier attempts included
    notes: Sequence[str] = ()  # what did not go as configured, in words
