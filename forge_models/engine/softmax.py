"""Cross-entropy over a whole catalogue, or a sample of it, without holding its scores.

N x V scores and their gradients are what fills the memory of a sequential recommender. Here they are made for some rows
at a time, small enough for the processor's cache, and the gradients of hidden states and table are
formed at once, while the scores are there (as in Liger's fused linear cross-entropy, Hsu et al. 2024). Three
products are needed instead of two and three kept copies.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CELLS = 1 << 22  # scores at a time: 8 MB in bfloat16
LEAST = 1e-30  # chance of a target, below which its loss is no longer told apart


def full_softmax(
    hidden: Tensor,
    targets: Tensor,
    table: Tensor,
    weights: Tensor | None,
    scale: float,
    bias: Tensor | None,
    smoothing: float,
) -> Tensor:
    """Weighted mean of the cross-entropy, a scalar; see ``losses``. Products are in autocast's type where it is on."""
    kind = torch.promote_types(hidden.dtype, table.dtype)
    if torch.is_autocast_enabled(hidden.device.type):
        kind = torch.get_autocast_dtype(hidden.device.type)
    counted = hidden.new_ones(len(targets), dtype=torch.float32) if weights is None else weights
    share = _shares(counted)
    if bias is None and not smoothing and scale == 1.0:
        found: Tensor = _PlainSoftmax.apply(hidden, table, targets, share, kind)
        return found
    return _FullSoftmax.apply(hidden, table, bias, targets, share, scale, smoothing, kind)


def sampled_softmax(
    hidden: Tensor,
    own: Tensor,
    others: Tensor,
    lower: Tensor,
    shift: Tensor,
    same: tuple[Tensor, Tensor],
    weights: Tensor | None,
) -> Tensor:
    """Weighted mean of the cross-entropy over each row's target and the negatives that all rows share.

    ``own`` (N, D): vectors of the targets; ``others`` (K, D): of the negatives; ``lower`` (K,): by how much each of
    their scores is lowered; ``shift`` (N,): by how much all of a row's are raised; ``same``: codes (N,) and (K,), by
    which a negative that is the target of a row does not count there. Float32.
    """
    counted = hidden.new_ones(len(hidden)) if weights is None else weights
    with torch.autocast(hidden.device.type, enabled=False):
        given = (one.float() for one in (hidden, own, others))
        found: Tensor = _SampledSoftmax.apply(*given, lower, shift, same, _shares(counted))
    return found


def _shares(counted: Tensor) -> Tensor:
    return counted / counted.sum().clamp(min=torch.finfo(torch.float32).tiny)


class _PlainSoftmax(torch.autograd.Function):
    """Without bias, scale and smoothing: one pass over the scores less, in the narrow type from end to end."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, table: Tensor, targets: Tensor, share: Tensor, kind: torch.dtype
    ) -> Tensor:
        wide = torch.promote_types(kind, torch.float32)
        states, rows = hidden.to(kind), table.to(kind)
        for_hidden = torch.empty(hidden.shape, dtype=wide, device=hidden.device)
        for_table = torch.zeros(table.shape, dtype=wide, device=table.device)
        loss, many = torch.zeros((), dtype=torch.float64, device=hidden.device), max(1, len(states))
        step = max(1, CELLS // len(rows))
        for start in range(0, len(states), step):
            part = slice(start, start + step)
            here, weight = (
                targets[part, None],
                many * share[part, None].to(wide),
            )  # about 1: exact in any type
            chance = torch.softmax(states[part] @ rows.T, dim=1)  # sums in float32 whatever the kind
            right = chance.gather(1, here).to(wide)
            loss -= (right.clamp_min(LEAST).log() * weight).sum(dtype=torch.float64)
            chance.scatter_(1, here, (right - 1.0).to(kind))
            for_hidden[part] = (chance @ rows).to(wide) * weight
            for_table += (chance.T @ (states[part] * weight.to(kind))).to(wide)
        ctx.save_for_backward(for_hidden.div_(many), for_table.div_(many))
        ctx.kinds = hidden.dtype, table.dtype
        return (loss / many).to(wide)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        gradients = [
            (one * outer[0]).to(kind) for one, kind in zip(ctx.saved_tensors, ctx.kinds, strict=True)
        ]
        return (*gradients, None, None, None)


class _SampledSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        own: Tensor,
        others: Tensor,
        lower: Tensor,
        shift: Tensor,
        same: tuple[Tensor, Tensor],
        share: Tensor,
    ) -> Tensor:
        targets, negatives = same
        for_hidden, for_own = torch.empty_like(hidden), torch.empty_like(own)
        for_others = torch.zeros_like(others)
        right = (hidden * own).sum(dim=1) - shift
        loss = hidden.new_zeros((), dtype=torch.float64)
        step = max(1, CELLS // max(1, len(others)))
        for start in range(0, len(hidden), step):
            part = slice(start, start + step)
            weight = share[part].to(hidden.dtype)
            scores = torch.addmm(-lower, hidden[part], others.T)
            scores.masked_fill_(negatives == targets[part, None], float("-inf"))
            norm = torch.logaddexp(torch.logsumexp(scores, dim=1), right[part])
            loss += ((norm - right[part]) * weight).sum(dtype=torch.float64)
            chance = scores.sub_(norm[:, None]).exp_().mul_(weight[:, None])
            missing = ((torch.exp(right[part] - norm) - 1.0) * weight)[:, None]
            for_hidden[part] = chance @ others + missing * own[part]
            for_own[part] = missing * hidden[part]
            for_others += chance.T @ hidden[part]
        ctx.save_for_backward(for_hidden, for_own, for_others)
        return loss.to(hidden.dtype)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        return (*(one * outer[0] for one in ctx.saved_tensors), None, None, None, None)


class _FullSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        table: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        share: Tensor,
        scale: float,
        smoothing: float,
        kind: torch.dtype,
    ) -> Tensor:
        wide = torch.promote_types(kind, torch.float32)
        rows, states = table.to(kind), hidden.to(kind)
        items = len(rows)
        for_hidden, for_table, for_bias = ctx.needs_input_grad[:3]
        hidden_grad = torch.empty_like(states) if for_hidden else None
        table_grad = torch.zeros(rows.shape, dtype=wide, device=rows.device) if for_table else None
        bias_grad = torch.zeros(items, dtype=wide, device=rows.device) if for_bias else None
        loss = torch.zeros((), dtype=wide, device=rows.device)
        step = max(1, CELLS // items)
        for start in range(0, len(states), step):
            part = slice(start, start + step)
            scores = (states[part] @ rows.T).to(wide)
            scores = scores.mul_(scale) if scale != 1.0 else scores
            if bias is not None:
                scores += bias
            here, weight = targets[part].unsqueeze(-1), share[part].to(wide)
            norm = scores.logsumexp(dim=-1)
            wanted = scores.gather(-1, here).squeeze(-1)
            if smoothing:
                wanted = (1 - smoothing) * wanted + smoothing * scores.mean(dim=-1)
            loss += ((norm - wanted) * weight).sum()
            if not (for_hidden or for_table or for_bias):
                continue
            gradient = scores.sub_(norm.unsqueeze(-1)).exp_()
            if smoothing:
                gradient -= smoothing / items
            gradient.scatter_add_(-1, here, torch.full_like(wanted, smoothing - 1).unsqueeze(-1))
            gradient *= weight.unsqueeze(-1)
            if bias_grad is not None:
                bias_grad += gradient.sum(dim=0)
            gradient = (gradient.mul_(scale) if scale != 1.0 else gradient).to(kind)
            if hidden_grad is not None:
                torch.mm(gradient, rows, out=hidden_grad[part])
            if table_grad is not None:
                table_grad += gradient.T @ states[part]
        ctx.save_for_backward(hidden_grad, table_grad, bias_grad)
        ctx.kinds = hidden.dtype, table.dtype
        return loss

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        kinds = (*ctx.kinds, None)
        gradients = [
            None if one is None else (one * outer[0]).to(kind or one.dtype)
            for one, kind in zip(ctx.saved_tensors, kinds, strict=True)
        ]
        return (*gradients, None, None, None, None, None)
