"""Positions as rotations of queries and keys (xPos, Sun et al. 2022; its decay is the heads' decay).

Only differences of positions matter, so a sequence may be continued from any state. Angles are formed in
float64 and reduced before they become float32: the millionth token is as exact as the first.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def frequencies(key_dim: int, base: float) -> Tensor:
    """(key_dim / 2,) float64, radians per position: from 1 down to 1 / base."""
    pairs = key_dim // 2
    return float(base) ** -torch.linspace(0, 1, pairs, dtype=torch.float64)


def table(positions: Tensor, radians: Tensor) -> Tensor:
    """Unit complex numbers (..., key_dim / 2) complex64 for int64 ``positions`` (...)."""
    angle = torch.remainder(positions.unsqueeze(-1) * radians, 2 * math.pi).to(torch.float32)
    return torch.polar(torch.ones_like(angle), angle)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Each pair of neighbouring dimensions of ``x`` (B, T, heads, dk), turned by ``turns`` (T or B, T; dk / 2)."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    turned = torch.view_as_real(pairs * turns.unsqueeze(-2)).flatten(-2)
    return turned.to(x.dtype)
