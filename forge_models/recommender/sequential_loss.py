"""Cross-entropy over all items without a matrix of all scores in memory, and over a sample of them, corrected.

The full softmax is computed for ``BLOCK`` events at a time, forward and backward together, so that scores stay in the
processor's cache and are never kept. Where the catalogue is too large for that, the softmax is over the target and a
sample of items, whose scores are lowered by the logarithm of how often each is expected in the sample (logQ: Bengio and
Senécal 2008), so that each stands for those it was drawn instead of. The target was not drawn and is not lowered.

``forge_models.engine.losses`` has both by name, with weights, bias and smoothing; measured on one core at the size of a
training step, these take 0.66 (full, bfloat16) and 0.26 (sampled) of their time.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST = 1e-30  # chance of a target, below which its loss is no longer told apart
BLOCK = 1024  # events; with 3,416 items 14 MB of scores in float32


class _FullSoftmax(torch.autograd.Function):
    """Mean cross-entropy of (n, d) ``hidden`` against (items, d) ``vectors`` for ``targets`` (n,)."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, vectors: Tensor, targets: Tensor, half: bool) -> Tensor:
        n, kind = len(targets), torch.bfloat16 if half else hidden.dtype
        narrow, items = hidden.to(kind), vectors.to(kind)
        to_hidden = torch.empty_like(hidden)
        to_vectors = torch.zeros_like(vectors)
        total = hidden.new_zeros((), dtype=torch.float64)
        for start in range(0, n, BLOCK):
            part, wanted = narrow[start : start + BLOCK], targets[start : start + BLOCK, None]
            chance = torch.softmax(part @ items.T, dim=1)  # sums in float32 whatever the kind
            right = chance.gather(1, wanted).float()
            total -= right.clamp_min(LEAST).log().sum(dtype=torch.float64)
            chance.scatter_(1, wanted, (right - 1.0).to(kind))
            to_hidden[start : start + BLOCK] = chance @ items
            to_vectors += (chance.T @ part).to(to_vectors.dtype)
        ctx.save_for_backward(to_hidden.div_(n), to_vectors.div_(n))
        return (total / n).to(hidden.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        to_hidden, to_vectors = ctx.saved_tensors
        return to_hidden * gradients[0], to_vectors * gradients[0], None, None


def full_softmax(hidden: Tensor, vectors: Tensor, targets: Tensor, half: bool = False) -> Tensor:
    """Scalar: mean cross-entropy of ``targets`` (n,) by the scores ``hidden`` (n, d) @ ``vectors`` (items, d).

    ``half``: products in bfloat16, sums in float32.
    """
    return _FullSoftmax.apply(hidden.float(), vectors.float(), targets, half)


class _SampledSoftmax(torch.autograd.Function):
    """The same over ``own`` (n, d), the vectors of the targets, and ``others`` (m, d), whose scores are lowered.

    ``lower`` (m,): by how much; ``drawn`` (m,) and ``targets`` (n,): which items they are.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        own: Tensor,
        others: Tensor,
        lower: Tensor,
        drawn: Tensor,
        targets: Tensor,
    ) -> Tensor:
        n = len(targets)
        to_hidden, to_own, to_others = (
            torch.empty_like(hidden),
            torch.empty_like(own),
            torch.zeros_like(others),
        )
        right = (hidden * own).sum(dim=1)
        total = hidden.new_zeros((), dtype=torch.float64)
        for start in range(0, n, BLOCK):
            part = slice(start, start + BLOCK)
            scores = torch.addmm(-lower, hidden[part], others.T)
            scores.masked_fill_(drawn == targets[part, None], float("-inf"))
            norm = torch.logaddexp(torch.logsumexp(scores, dim=1), right[part])
            total += (norm - right[part]).sum(dtype=torch.float64)
            chance = scores.sub_(norm[:, None]).exp_()
            missing = torch.exp(right[part] - norm)[:, None] - 1.0
            to_hidden[part] = chance @ others + missing * own[part]
            to_own[part] = missing * hidden[part]
            to_others += chance.T @ hidden[part]
        ctx.save_for_backward(to_hidden.div_(n), to_own.div_(n), to_others.div_(n))
        return (total / n).to(hidden.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return (*(one * gradients[0] for one in ctx.saved_tensors), None, None, None)


def sampled_softmax(
    hidden: Tensor, vectors: Tensor, targets: Tensor, drawn: Tensor, expected: Tensor
) -> Tensor:
    """Scalar: an estimate of the same by the items ``drawn`` (m,), shared by all events.

    ``expected`` (items,): how often each item is expected in a draw of m. A drawn item that is the target of an event
    is not counted against it.
    """
    lower = expected.float().log()[drawn]
    with torch.autocast(hidden.device.type, enabled=False):
        own, others = (F.embedding(which, vectors.float()) for which in (targets, drawn))
        found: Tensor = _SampledSoftmax.apply(hidden.float(), own, others, lower, drawn, targets)
    return found
