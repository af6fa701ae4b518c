"""The network of the sequential recommender: items in, the retentive backbone over them, items out.

An item is its own vector plus a linear map of its words' vector; what comes in and what is ranked are the same vectors
(tied weights, as in SASRec: Kang and McAuley 2018). An event is its item plus a learned vector of how long after the
event before it came. While training, the own vectors of some items are left out at times (DropoutNet: Volkovs et al.
2017): then the words alone must say what the item is, which is all there is of a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from forge_models.engine.backbone import Backbone
from forge_models.engine.config import EngineConfig
from forge_models.engine.state import State
from forge_models.recommender.interactions import NO_TIME

GAPS = 40  # buckets of the gap: 0 unknown, then one for each doubling of a second; 2^38 s are longer than any life
FORGET_ITEM = 0.1  # share of items without their own vector in a training step, where items have words
START = 0.02  # standard deviation of the vectors at the start


@dataclass(frozen=True)
class Shape:
    """What the network is made of; ``words`` is the width of an item's words, 0 where there are none.

    ``decay``: what the shortest and the longest remembering head keep per event. Taste follows the last few events and
    the last few hundred, so heads lie between memories of 2 and of 128 events.
    """

    items: int
    words: int
    dims: int = 128
    heads: int = 4
    layers: int = 2
    inner: int = 256
    dropout: float = 0.2
    decay: tuple[float, float] = (0.5, 1 - 1 / 128)

    def engine(self) -> EngineConfig:
        return EngineConfig(
            embed_dim=self.dims,
            num_heads=self.heads,
            num_layers=self.layers,
            ffn_dim=self.inner,
            dropout=self.dropout,
            decay=self.decay,
            max_seq_len=256,
        ).validate()

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "decay": list(self.decay)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Shape:
        return cls(**{**values, "decay": tuple(values["decay"])})


def gap_buckets(times: np.ndarray, before: np.ndarray | int = NO_TIME) -> np.ndarray:
    """(n,) int64 below ``GAPS``: how long after the event before each came, in doublings of a second; 0 unknown.

    ``times`` (n,) int64 microseconds or ``NO_TIME``, in order; ``before``: of the event before each (n,), or of the
    one before the first. An event that claims to be earlier than the one before it came at once.
    """
    previous = before if isinstance(before, np.ndarray) else np.concatenate([[before], times[:-1]])
    known = (times != NO_TIME) & (previous != NO_TIME)
    seconds = np.where(known, np.maximum(times - np.where(known, previous, 0), 0), 0) // 1_000_000
    return np.where(known, np.minimum(1 + np.log2(seconds + 1.0).astype(np.int64), GAPS - 1), 0)


class SequenceNet(nn.Module):
    """``words`` (items, shape.words) float32: rows of length 1 or 0."""

    def __init__(self, shape: Shape, words: Tensor) -> None:
        super().__init__()
        self.shape = shape
        self.own = nn.Embedding(shape.items, shape.dims)
        self.gaps = nn.Embedding(GAPS, shape.dims)
        self.reading = nn.Linear(shape.words, shape.dims, bias=False) if shape.words else None
        self.backbone = Backbone(shape.engine())
        self.dropout = nn.Dropout(shape.dropout)
        self.register_buffer("words", words.float(), persistent=False)
        nn.init.normal_(self.own.weight, std=START)
        nn.init.zeros_(self.gaps.weight)
        if self.reading is not None:
            nn.init.normal_(self.reading.weight, std=START)

    def table(self) -> Tensor:
        """(items, dims): the vectors of all items."""
        own = self.own.weight
        if self.reading is None:
            return own
        if self.training:
            own = own * (torch.rand(len(own), 1, device=own.device) >= FORGET_ITEM)
        return own + self.reading(self.words)

    def read(self, words: Tensor) -> Tensor:
        """(n, dims): vectors of items of which nothing is known but their words (n, shape.words)."""
        if self.reading is None:
            return words.new_zeros(len(words), self.shape.dims)
        return self.reading(words)

    def events(self, vectors: Tensor, gaps: Tensor) -> Tensor:
        """(..., dims): what goes into the backbone for items' ``vectors`` (..., dims) and buckets ``gaps`` (...)."""
        return self.dropout((vectors + self.gaps(gaps)) * self.shape.dims**0.5)

    def forward(
        self,
        vectors: Tensor,
        gaps: Tensor,
        *,
        lengths: Tensor | None = None,
        segments: Tensor | None = None,
        state: State | None = None,
    ) -> tuple[Tensor, State, dict[str, Any]]:
        """Outputs (B, T, dims): the score of an item as the next one is their product with its vector."""
        return self.backbone(self.events(vectors, gaps), lengths=lengths, segments=segments, state=state)
