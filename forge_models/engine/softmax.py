"""Cross-entropy over a whole catalogue without holding its scores.

N x V scores and their gradients are what fills the memory of a sequential recommender. Here they are made for some rows
at a time, small enough for the processor's cache, and the gradients of hidden states and table are
formed at once, while the scores are there (as in Liger's fused linear cross-entropy, Hsu et al. 2024). Three
products are needed instead of two and three kept copies.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CELLS = 1 << 21  # scores at a time: 8 MB in float32


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
    share = counted / counted.sum().clamp(min=torch.finfo(torch.float32).tiny)
    return _FullSoftmax.apply(hidden, table, bias, targets, share, scale, smoothing, kind)


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
