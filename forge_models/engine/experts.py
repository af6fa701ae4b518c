"""A mixture of experts in place of the feed-forward block: each token goes to the few experts its router picks.

Nothing is dropped: tokens are sorted by expert and each expert takes all of its own, so a crowd costs time and no
answer (MegaBlocks, Gale et al. 2022). The router's weights are a softmax over the chosen (Mixtral); the balance loss is
that of the Switch Transformer, 1 at even use and the number of experts at worst; the z loss (ST-MoE) keeps its
logits small.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forge_models.engine.config import EngineConfig
from forge_models.engine.dispatch import Gather, Spread, feed_forward


@dataclass(frozen=True)
class Routing:
    """What the router did with a batch: ``balance`` and ``z`` losses (unweighted), ``use`` (E,), shares of tokens."""

    balance: Tensor
    z: Tensor
    use: Tensor


class Experts(nn.Module):
    """(..., D) to (..., D) through the ``top_k`` of ``num_experts`` gated feed-forward blocks."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__()
        self.top_k = config.top_k
        experts, d, f = config.num_experts, config.embed_dim, config.ffn_dim
        self.router = nn.Linear(d, experts, bias=False)
        self.expand = nn.Parameter(torch.empty(experts, d, 2 * f))
        self.contract = nn.Parameter(torch.empty(experts, f, d))
        nn.init.trunc_normal_(self.expand, std=d**-0.5)
        nn.init.trunc_normal_(self.contract, std=(2 * config.num_layers * f) ** -0.5)

    def forward(self, x: Tensor, inside: Tensor | None = None) -> tuple[Tensor, Routing]:
        """``inside``: which tokens count (the rest is padding: routed nowhere, and 0 comes out)."""
        tokens = x.reshape(-1, x.shape[-1])
        chosen = None if inside is None else inside.reshape(-1).nonzero()[:, 0]
        if chosen is not None:
            tokens = tokens.index_select(0, chosen)
        with torch.autocast(x.device.type, enabled=False):  # a router in half precision misroutes
            logits = F.linear(tokens.float(), self.router.weight.float())
        weights, picks = logits.topk(self.top_k, dim=-1)
        out = self._dispatch(tokens, weights.softmax(dim=-1), picks)
        if chosen is not None:
            out = out.new_zeros(x[..., 0].numel(), x.shape[-1]).index_copy(0, chosen, out)
        return out.view(x.shape), _routing(logits, picks)

    def _dispatch(self, tokens: Tensor, weights: Tensor, picks: Tensor) -> Tensor:
        """Sort by expert, multiply group by group, sum each token's answers."""
        order = picks.flatten().argsort(stable=True)
        places = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        places = places.view(picks.shape)
        counts = torch.bincount(picks.flatten(), minlength=len(self.expand))
        kind = tokens.dtype
        if torch.is_autocast_enabled(tokens.device.type):
            kind = torch.get_autocast_dtype(tokens.device.type)
        with torch.autocast(tokens.device.type, enabled=False):
            rows = Spread.apply(tokens.to(kind), order, places)
            rows = feed_forward(rows, self.expand.to(kind), self.contract.to(kind), counts)
            return Gather.apply(rows, weights.to(kind), order, places)


def _routing(logits: Tensor, picks: Tensor) -> Routing:
    experts = logits.shape[-1]
    if not len(logits):
        nothing = logits.sum()
        return Routing(nothing, nothing, logits.new_zeros(experts))
    use = torch.bincount(picks.flatten(), minlength=experts).to(logits.dtype) / picks.numel()
    balance = experts * (use * logits.softmax(dim=-1).mean(dim=0)).sum()
    return Routing(balance, torch.logsumexp(logits, dim=-1).square().mean(), use)
