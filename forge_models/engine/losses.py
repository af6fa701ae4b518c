"""Losses over a catalogue, by name: how well hidden states point at the rows of a table.

Every loss has one signature::

    loss(hidden, targets, table, *, negatives=None, log_q=None, weights=None, **settings) -> Tensor  # scalar

``hidden`` (N, D); ``targets`` (N,) int64, rows of ``table`` (V, D); a score is their product, times ``scale``.
``negatives`` (K,) shared by all, or (N, K) int64: losses in ``SAMPLED`` need them; one that equals a row's target does
not count. ``log_q`` (V,): log probability with which each row of the table is drawn as a negative. ``weights``
(N,): what each row counts, 1 by default; the loss is their weighted mean. All are computed in float32 or wider.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from forge_core.errors import UsageError
from forge_models.engine import softmax
from forge_models.engine.softmax import full_softmax

Loss = Callable[..., Tensor]
SAMPLED = ("sampled_softmax", "gbce", "bce")
_losses: dict[str, Loss] = {}


def register(name: str) -> Callable[[Loss], Loss]:
    """Decorator: make a loss known by ``name``; a name is given once."""

    def add(loss: Loss) -> Loss:
        if name in _losses:
            raise UsageError(
                "FORGE-ENGINE-LOSS", f"A loss called {name} is there already.", fix="Choose another name."
            )
        _losses[name] = loss
        return loss

    return add


def get(name: str) -> Loss:
    """The loss called ``name``; UsageError (FORGE-ENGINE-LOSS) names those there are."""
    if name not in _losses:
        raise UsageError(
            "FORGE-ENGINE-LOSS", "There is no loss of that name.", fix=f"Choose one of: {', '.join(names())}."
        )
    return _losses[name]


def names() -> list[str]:
    """All that are registered."""
    return sorted(_losses)


@register("cross_entropy")
def cross_entropy(
    hidden: Tensor,
    targets: Tensor,
    table: Tensor,
    *,
    negatives: Tensor | None = None,
    log_q: Tensor | None = None,
    weights: Tensor | None = None,
    scale: float = 1.0,
    bias: Tensor | None = None,
) -> Tensor:
    """Softmax over the whole table; its scores are never held at once (``softmax.py``). ``bias`` (V,)."""
    return full_softmax(hidden, targets, table, weights, scale, bias, 0.0)


@register("label_smoothed")
def label_smoothed(
    hidden: Tensor,
    targets: Tensor,
    table: Tensor,
    *,
    negatives: Tensor | None = None,
    log_q: Tensor | None = None,
    weights: Tensor | None = None,
    scale: float = 1.0,
    bias: Tensor | None = None,
    smoothing: float = 0.1,
) -> Tensor:
    """As ``cross_entropy``, with ``smoothing`` of the target's probability spread evenly (Szegedy et al. 2016)."""
    if not 0 <= smoothing < 1:
        raise UsageError("FORGE-ENGINE-LOSS", "The smoothing of labels must be at least 0 and below 1.")
    return full_softmax(hidden, targets, table, weights, scale, bias, smoothing)


@register("sampled_softmax")
def sampled_softmax(
    hidden: Tensor,
    targets: Tensor,
    table: Tensor,
    *,
    negatives: Tensor | None = None,
    log_q: Tensor | None = None,
    weights: Tensor | None = None,
    scale: float = 1.0,
) -> Tensor:
    """Softmax over target and negatives; each negative stands for 1 / (K q) others (Bengio & Senecal 2008).

    Without ``log_q`` they are taken to be drawn evenly from the whole table. With each item once among them the loss is
    that of the whole table.
    """
    if negatives is None or negatives.shape[-1] == 0:
        raise _no_negatives()
    even = math.log(max(len(table) - 1, 1))  # each of those that are not the target
    log_q = None if log_q is None else log_q.float()
    if negatives.ndim == 1:
        count = len(negatives)
        if log_q is None:
            lower, raised = hidden.new_full((count,), -even), hidden.new_zeros(len(hidden))
        else:
            lower, raised = log_q[negatives], torch.log1p(-log_q[targets].exp())
        order = negatives.sort().values
        hits = torch.searchsorted(order, targets, right=True) - torch.searchsorted(order, targets)
        shift = raised - (count - hits).clamp(min=1).float().log()
        # as embeddings: their gradients are added up in one order at once, those of an indexing are sorted first
        own, others = (F.embedding(which, table) for which in (targets, negatives))
        scaled = hidden if scale == 1.0 else hidden * scale
        return softmax.sampled_softmax(scaled, own, others, lower, shift, (targets, negatives), weights)
    positive, negative, hit = _scores(hidden, targets, table, negatives, scale)
    if log_q is None:
        drawn = positive.new_full((), -even)
    else:
        drawn = log_q[negatives] - torch.log1p(-log_q[targets].exp()).unsqueeze(-1)
    counted = (~hit).sum(dim=-1, keepdim=True).clamp(min=1).to(negative).log()
    negative = (negative - drawn - counted).masked_fill(hit, -torch.inf)
    both = torch.cat([positive.unsqueeze(-1), negative], dim=-1)
    return _mean(both.logsumexp(dim=-1) - positive, weights)


@register("gbce")
def gbce(
    hidden: Tensor,
    targets: Tensor,
    table: Tensor,
    *,
    negatives: Tensor | None = None,
    log_q: Tensor | None = None,
    weights: Tensor | None = None,
    scale: float = 1.0,
    t: float = 0.75,
) -> Tensor:
    """Generalised binary cross-entropy (gSASRec, Petrov & Macdonald, RecSys 2023): no overconfidence from few.

    ``t``: 0 is plain binary cross-entropy, 1 gives calibrated probabilities. Negatives are taken to be drawn evenly.
    """
    if not 0 <= t <= 1:
        raise UsageError("FORGE-ENGINE-LOSS", "The calibration t of gbce must be between 0 and 1.")
    positive, negative, hit = _scores(hidden, targets, table, negatives, scale)
    rate = negative.shape[-1] / max(len(table) - 1, 1)
    beta = rate * (t * (1 - 1 / rate) + 1 / rate)
    against = F.softplus(negative).masked_fill(hit, 0.0).sum(dim=-1)
    return _mean((beta * F.softplus(-positive) + against) / (negative.shape[-1] + 1), weights)


@register("bce")
def bce(
    hidden: Tensor,
    targets: Tensor,
    table: Tensor,
    *,
    negatives: Tensor | None = None,
    log_q: Tensor | None = None,
    weights: Tensor | None = None,
    scale: float = 1.0,
) -> Tensor:
    """Binary cross-entropy of target and negatives (SASRec, Kang & McAuley 2018); over all K + 1 of them."""
    return gbce(hidden, targets, table, negatives=negatives, weights=weights, scale=scale, t=0.0)


def _scores(
    hidden: Tensor, targets: Tensor, table: Tensor, negatives: Tensor | None, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Of the targets (N,), of the negatives (N, K), and which of these are the target (N, K)."""
    if negatives is None or negatives.shape[-1] == 0:
        raise _no_negatives()
    positive = (hidden.float() * table[targets].float()).sum(dim=-1) * scale
    if negatives.ndim == 1:
        negative = F.linear(hidden, table[negatives]).float() * scale
    else:
        negative = torch.einsum("nd,nkd->nk", hidden, table[negatives]).float() * scale
    return positive, negative, negatives == targets.unsqueeze(-1)


def _no_negatives() -> UsageError:
    return UsageError("FORGE-ENGINE-LOSS", "This loss compares with negatives, and none were given.")


def _mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return losses.mean()
    weights = weights.to(losses)
    return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(losses.dtype).tiny)
