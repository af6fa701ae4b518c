"""The best weights so far, by the score that a family gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass
class Best:
    """Which step was the best, and its weights on the CPU; without scores, the last step is."""

    higher_is_better: bool
    step: int = 0
    score: float | None = None
    stale: int = 0  # evaluations since, none of them better
    weights: dict[str, torch.Tensor] | None = None

    def takes(self, score: float) -> bool:
        """Whether ``score`` is better than all before it; one that is no number never is."""
        sign = 1 if self.higher_is_better else -1
        better = math.isfinite(score) and (self.score is None or sign * score > sign * self.score)
        self.stale = 0 if better else self.stale + 1
        return better

    def keep(self, step: int, score: float | None, state: Mapping[str, Any]) -> None:
        self.step, self.score = step, score
        self.weights = cpu_copy(state)

    def as_state(self, step: int) -> dict[str, Any]:
        """For a checkpoint at ``step``, whose own weights need not stand in it twice."""
        if self.score is None:
            self.step = step
        weights = None if self.step == step else self.weights
        return {"step": self.step, "score": self.score, "stale": self.stale, "weights": weights}

    @classmethod
    def from_state(cls, higher_is_better: bool, state: Mapping[str, Any], model: Mapping[str, Any]) -> Best:
        weights = state["weights"]
        if weights is None and state["score"] is not None:
            weights = cpu_copy(model)
        return cls(higher_is_better, state["step"], state["score"], state["stale"], weights)


def cpu_copy(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """A state dict as tensors of its own on the CPU."""
    return {
        name: value.detach().to("cpu", copy=True)
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
