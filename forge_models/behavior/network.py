"""The network of next place and next activity: the retentive engine over events, with a pointer to one's own past.

An event is its label, how long after the one before it came, and at which hour and weekday it was left. What comes next
is either generated (a softmax over all labels) or copied: what followed earlier moments that looked alike, weighted by
attention over the subject's own past (pointer-generator: See et al. 2017; continuous cache: Grave et al. 2017). A gate
says how much of each; so labels that training never met can be returned to. The hour used is that of leaving; the
arrival that is to be foretold is never given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forge_models.engine.backbone import Backbone
from forge_models.engine.config import EngineConfig
from forge_models.recommender.sequential_net import GAPS

ROW = 256  # events of a row
LEAST = 1e-9  # chance of a target, below which its loss is no longer told apart


@dataclass(frozen=True)
class Shape:
    """``labels``: the vocabulary; one more row stands for whatever is not in it."""

    labels: int
    dims: int = 64
    heads: int = 4
    layers: int = 2
    inner: int = 128
    dropout: float = 0.2

    def engine(self) -> EngineConfig:
        return EngineConfig(
            embed_dim=self.dims,
            num_heads=self.heads,
            num_layers=self.layers,
            ffn_dim=self.inner,
            dropout=self.dropout,
            decay=(0.5, 1 - 1 / 128),  # heads remember the last few events, and the last few hundred
            max_seq_len=ROW,
        ).validate()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class EventNet(nn.Module):
    """See the module. Tensors of events are (B, T) int64; ``segments`` are -1 behind the last event of a row."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.label = nn.Embedding(shape.labels + 1, shape.dims)
        self.gap = nn.Embedding(GAPS, shape.dims)
        self.hour = nn.Embedding(24, shape.dims)
        self.day = nn.Embedding(7, shape.dims)
        self.dropout = nn.Dropout(shape.dropout)
        self.backbone = Backbone(shape.engine())
        self.bias = nn.Parameter(torch.zeros(shape.labels))
        self.query = nn.Linear(shape.dims, shape.dims, bias=False)
        self.key = nn.Linear(shape.dims, shape.dims, bias=False)
        self.fading = nn.Parameter(
            torch.tensor(-1.0)
        )  # softplus of it, times the log of the distance, is lost
        self.gate = nn.Linear(shape.dims + 1, 1)
        for table in (self.label, self.gap, self.hour, self.day):
            nn.init.normal_(table.weight, std=0.02)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, -1.0)  # most of what people do is a return

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden (B, T, dims); attention (B, T, T), of each moment to what followed earlier ones; gate (B, T)."""
        known = batch["labels"].clamp(0, self.shape.labels)
        vectors = (
            self.label(known) + self.gap(batch["gaps"]) + self.hour(batch["hours"]) + self.day(batch["days"])
        )
        x = self.dropout(vectors * self.shape.dims**0.5)
        hidden, _, _ = self.backbone(x, segments=batch["segments"])
        segments = batch["segments"]
        length = segments.shape[1]
        place = torch.arange(length, device=segments.device)
        distance = place[:, None] - place[None, :]
        able = (segments[:, :, None] == segments[:, None, :]) & (distance > 0) & (segments >= 0)[:, :, None]
        scores = self.query(hidden) @ self.key(hidden).transpose(1, 2) * self.shape.dims**-0.5
        scores = scores - F.softplus(self.fading) * torch.log(distance.clamp(min=1).float())
        attention = torch.softmax(scores.float().masked_fill(~able, -1e9), -1) * able
        count = torch.log1p(able.sum(-1, keepdim=True).float())
        gate = torch.sigmoid(self.gate(torch.cat([hidden, count.to(hidden.dtype)], -1))).squeeze(-1).float()
        return hidden, attention, torch.where(able.any(-1), gate, torch.ones_like(gate))

    def generate(self, hidden: Tensor) -> Tensor:
        """(..., labels): logarithms of chances over the vocabulary."""
        return torch.log_softmax((F.linear(hidden, self.label.weight[:-1]) + self.bias).float(), -1)


class Training(nn.Module):
    """What the trainer sees: the network with the negative logarithm of the chance of what came next."""

    def __init__(self, net: EventNet) -> None:
        super().__init__()
        self.net = net

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        hidden, attention, gate = self.net(batch)
        targets = batch["targets"]
        there = targets.flatten() >= 0
        wanted = targets.flatten()[there]
        made = self.net.generate(hidden.flatten(0, 1)[there])
        made = made.gather(1, wanted[:, None]).squeeze(1).exp()
        followed = batch["targets"]  # what followed moment j is the target of j
        same = followed[:, None, :] == targets[:, :, None]
        copied = (attention * same).sum(-1).flatten()[there]
        share = gate.flatten()[there]
        chance = share * made + (1 - share) * copied
        weight = hidden.new_tensor(float(len(wanted)))
        return -torch.log(chance + LEAST).mean(), {"weight": weight}
