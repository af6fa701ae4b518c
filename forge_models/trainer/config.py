"""How a model is trained: every number of it in one validated, frozen value. No torch here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from forge_core.errors import UsageError

__all__ = ["Precision", "Schedule", "Strategy", "TrainerConfig", "learning_rate"]

Precision = Literal["auto", "32", "bf16", "fp16"]
Strategy = Literal["auto", "none", "ddp", "fsdp"]
Schedule = Literal["cosine", "linear", "constant"]

FLOOR = 0.1  # cosine and linear end at this share of the learning rate: at zero the last steps would be idle


@dataclass(frozen=True)
class TrainerConfig:
    """What a family sets of its training; the machine's side (``auto``) comes from the run and the settings.

    One step sees ``batch_size * accumulate`` examples, over all processes; ``batch_size`` of them at a time.

    Raises ``UsageError`` (FORGE-TRAINER-CONFIG) that names every wrong field.
    """

    max_steps: int = 1000
    batch_size: int = 32  # examples of one forward pass; halved when the memory does not hold them
    learning_rate: float = 6e-4
    weight_decay: float = 0.01  # AdamW; of matrices only, not of biases and norms
    warmup_steps: int = 0  # the learning rate rises linearly
    schedule: Schedule = "cosine"  # and then falls to a tenth at max_steps
    accumulate: int = 1  # forward passes of one step
    clip: float = 1.0  # the largest norm of the gradient that is applied as it is
    precision: Precision = "auto"
    device: str = "auto"  # auto, cpu, cuda or cuda:1
    strategy: Strategy = "auto"  # none, ddp or fsdp
    processes: int = 0  # 0: what the run says
    evaluate_every: int = 0  # steps; 0: once per pass over the examples
    patience: int = 0  # evaluations in a row that are not better before it stops; 0: never
    higher_is_better: bool = True
    checkpoint_every: int = 0  # steps; 0: by time alone
    checkpoint_seconds: float = 30.0
    largest_gradient: float = 1e6  # a norm above it is an explosion; losses are means, so norms are near 1

    def __post_init__(self) -> None:
        if wrong := list(self._wrong()):
            raise UsageError(
                "FORGE-TRAINER-CONFIG",
                "The training configuration is wrong.",
                "; ".join(wrong) + ".",
                "Correct the configuration of the candidate.",
            )

    def _wrong(self) -> Iterator[str]:
        for name in ("max_steps", "batch_size", "accumulate"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1"
        for name in ("warmup_steps", "processes", "evaluate_every", "patience", "checkpoint_every"):
            if getattr(self, name) < 0:
                yield f"{name} must not be negative"
        for name in ("learning_rate", "clip", "largest_gradient", "checkpoint_seconds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                yield f"{name} must be a positive number"
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            yield "weight_decay must be a number of at least 0"
        if self.warmup_steps >= self.max_steps > 0:
            yield "warmup_steps must be fewer than max_steps, or the learning rate never gets where it should"
        for name, known in (("precision", Precision), ("strategy", Strategy), ("schedule", Schedule)):
            if getattr(self, name) not in get_args(known):
                yield f"{name} must be one of {', '.join(get_args(known))}"
        kind, _, number = self.device.partition(":")
        if kind not in ("auto", "cpu", "cuda") or (number and not (kind == "cuda" and number.isdigit())):
            yield "device must be auto, cpu, cuda or cuda:<number>"
        if self.strategy == "none" and self.processes > 1:
            yield "several processes need the strategy ddp or fsdp"


def learning_rate(config: TrainerConfig, step: int) -> float:
    """The learning rate of ``step``, counted from 0: a function of the step alone, so that a resumed run agrees."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    done = (step - config.warmup_steps) / max(1, config.max_steps - config.warmup_steps)
    fall = (1 + math.cos(math.pi * done)) / 2 if config.schedule == "cosine" else 1 - done
    return config.learning_rate * (FLOOR + (1 - FLOOR) * fall)
