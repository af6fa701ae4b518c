"""The network over the stream of security events: what comes next, when, and how; and what was said of each event.

An event is its service and action, how long after the one before, its hour, and its marks (failed, new device,
network or country). The retentive backbone (Sun et al. 2023) reads them in order; four heads say the chances of each
of these for the next event. An event's surprise is minus the sum of their logarithms (as DeepLog, Du et al. 2017,
does for log keys).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forge_models.anomaly.streams import SECOND, Streams, floats
from forge_models.engine.backbone import Backbone
from forge_models.engine.config import EngineConfig

GAPS, HOURS, MARKS = 24, 24, 2 * 3 * 3 * 3
WINDOW, OVERLAP = 128, 64
PARTS = ("item", "gap", "hour", "marks")


@dataclass(frozen=True)
class Shape:
    """``items``: services and actions that have a name, and one for the others."""

    items: int
    dims: int = 64
    heads: int = 2
    layers: int = 2

    def engine(self) -> EngineConfig:
        return EngineConfig(
            embed_dim=self.dims,
            num_heads=self.heads,
            num_layers=self.layers,
            ffn_dim=2 * self.dims,
            dropout=0.1,
            decay=(0.5, 1 - 1 / 64),  # a session is some events long, a habit some dozens
            max_seq_len=WINDOW,
        ).validate()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        return (self.items, GAPS, HOURS, MARKS)


class EventNet(nn.Module):
    """Events (B, T, 4) int64 codes to logits of the next one, of each part (B, T, size)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.tables = nn.ModuleList(nn.Embedding(size, shape.dims) for size in shape.sizes)
        self.backbone = Backbone(shape.engine())
        self.heads = nn.ModuleList(nn.Linear(shape.dims, size) for size in shape.sizes)
        for table in self.tables:
            nn.init.normal_(table.weight, std=0.5)  # type: ignore[arg-type]

    def forward(self, events: Tensor, lengths: Tensor) -> list[Tensor]:
        x = sum(table(events[..., part]) for part, table in enumerate(self.tables))
        out, _, _ = self.backbone(x, lengths=lengths)
        return [head(out) for head in self.heads]

    def surprise(self, events: Tensor, lengths: Tensor) -> Tensor:
        """(B, T) float32 in nats; of the first event 0."""
        logits = self(events, lengths)
        total = events.new_zeros(events.shape[:2], dtype=torch.float32)
        for part, found in enumerate(logits):
            told = F.cross_entropy(
                found[:, :-1].float().flatten(0, 1), events[:, 1:, part].flatten(), reduction="none"
            )
            total[:, 1:] += told.view(len(events), -1)
        return total

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        events, lengths = batch["events"], batch["lengths"]
        inside = torch.arange(events.shape[1], device=events.device) < lengths[:, None]
        inside = inside & (torch.arange(events.shape[1], device=events.device) > 0)
        weight = inside.sum()
        total = (self.surprise(events, lengths) * inside).sum()
        return total / weight.clamp(min=1), {"weight": weight.float()}


def encode(seen: Streams, items: Mapping[str, int]) -> np.ndarray:
    """(n, 4) int64: the codes of each event; ``items``: number by name, others get the number after the last."""
    n = len(seen)
    column = seen.table["item"].to_pylist()
    gap = np.zeros(n, np.int64)
    if n > 1:
        same = seen.stream[1:] == seen.stream[:-1]
        seconds = np.maximum(np.diff(seen.time), 0) / SECOND
        gap[1:] = np.where(same, np.minimum(1 + np.log2(seconds + 1.0).astype(np.int64), GAPS - 1), 0)
    marks = np.nan_to_num(floats(seen.table["failed"].cast("int64"))).astype(np.int64)
    for name in ("new_device", "new_network", "new_country"):
        value = floats(seen.table[name])
        marks = marks * 3 + np.where(np.isnan(value), 2, np.nan_to_num(value).clip(0, 1)).astype(np.int64)
    hour = (seen.time // (3600 * SECOND)) % 24
    names = np.array([items.get(name, len(items)) for name in column], np.int64)
    return np.column_stack([names, gap, hour, marks])


def windows(starts: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """First events and lengths (w,) int64 of windows over streams that begin at ``starts`` (streams + 1,)."""
    first, length = [], []
    for low, high in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        at = low
        while True:
            first.append(at)
            length.append(min(WINDOW, high - at))
            if at + WINDOW >= high:
                break
            at += step
    return np.array(first, np.int64), np.array(length, np.int64)


def gathered(codes: np.ndarray, first: np.ndarray, length: np.ndarray) -> dict[str, Tensor]:
    """``events`` (w, T, 4) int64, zeros behind the end, and ``lengths`` (w,)."""
    width = int(length.max(initial=1))
    inside = np.arange(width) < length[:, None]
    index = np.where(inside, first[:, None] + np.arange(width), 0)
    events = np.where(inside[..., None], codes[index], 0)
    return {"events": torch.from_numpy(events), "lengths": torch.from_numpy(length)}
