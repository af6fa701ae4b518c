"""The optimizer and one update of the weights: AdamW with the gradient's norm measured, checked and clipped at once."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from forge_models.trainer.config import TrainerConfig


def make_optimizer(module: torch.nn.Module, config: TrainerConfig) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019) over what is trained; matrices decay, biases and norms do not."""
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    # one kernel for all of a parameter's update; sharded parameters are not sure to have it
    fused = all(type(p) is torch.nn.Parameter and p.is_floating_point() for p in trained)
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.learning_rate, fused=fused)


def gradients(module: torch.nn.Module) -> list[torch.Tensor]:
    return [p.grad for p in module.parameters() if p.grad is not None]


def norm(grads: Iterable[torch.Tensor]) -> float:
    """The Euclidean norm of all gradients together, over all processes; not a number where one is not finite."""
    total = torch.nn.utils.get_total_norm(list(grads))
    whole = getattr(total, "full_tensor", None)  # a sharded one
    return float(whole() if whole else total)


def scale(grads: list[torch.Tensor], factor: float) -> None:
    """Multiply all gradients in place."""
    if factor != 1.0 and grads:
        torch._foreach_mul_(grads, factor)


def clip_factor(measured: float, share: float, clip: float) -> float:
    """By what to multiply gradients of norm ``measured`` to have ``share`` of them, and a norm of ``clip`` at most."""
    size = measured * share
    return share if not math.isfinite(size) or size <= clip else share * clip / size
