"""Retention, o_n = q_n sum_m gamma^(n-m) k_m' v_m, in three forms that agree to rounding.

Sun et al. 2023, section 2. Nothing is rescaled by row before the norm that follows, which is why the forms agree
(torchscale divides by sums of scores first, differently in each form). The *parallel* form is the chunkwise form
with one chunk; the *recurrent* form is one multiply-add of the state per token.

A batch may be ragged (``lengths``), packed (``segments``) and continued from a state. What lies behind a row's length
changes neither its outputs nor its state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """Who may see whom in a batch of T tokens, cut into ``count`` chunks of ``size``; made once for all layers.

    ``filled`` (B or 1, N): tokens of each chunk that are inside their row. Of a packed batch: ``same`` (B, 1, N,
    C, C), which tokens of a chunk share a segment; ``carried`` (B, 1, N, C), which of them continue the
    state that enters the chunk; ``kept`` (B, 1, N, C), which of them are in the segment that leaves it;
    ``through`` (B, 1, N), whether the entering state leaves it too.
    """

    size: int
    count: int
    filled: Tensor
    same: Tensor | None = None
    carried: Tensor | None = None
    kept: Tensor | None = None
    through: Tensor | None = None


def layout(length: int, size: int, lengths: Tensor, segments: Tensor | None = None) -> Layout:
    """Chunks of at most ``size``. ``lengths`` (B,) or (1,) int64; ``segments`` (B, T) int, each a run of one number."""
    count = -(-length // size)
    size = -(-length // count)  # even chunks: 200 tokens are 4 of 50, not 4 of 64 with a fifth of it padding
    starts = torch.arange(count, device=lengths.device) * size
    filled = (lengths[:, None] - starts).clamp(0, size)
    if segments is None:
        return Layout(size, count, filled)
    parts = F.pad(segments, (0, count * size - length)).unflatten(1, (count, size))
    filled = filled.expand(parts.shape[0], -1)
    entering = torch.cat([parts[:, :1, 0], parts[:, :-1, -1]], dim=1)
    leaving = parts.gather(2, (filled - 1).clamp(min=0).unsqueeze(-1)).squeeze(-1)
    leaving = torch.where(filled > 0, leaving, entering)
    return Layout(
        size,
        count,
        filled,
        same=(parts.unsqueeze(-1) == parts.unsqueeze(-2)).unsqueeze(1),
        carried=(parts == entering.unsqueeze(-1)).unsqueeze(1),
        kept=(parts == leaving.unsqueeze(-1)).unsqueeze(1),
        through=(entering == leaving).unsqueeze(1),
    )


def chunkwise(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, state: Tensor | None, plan: Layout
) -> tuple[Tensor, Tensor]:
    """Outputs (B, T, H, dv) and the state (B, H, dk, dv) after them.

    ``q``, ``k`` (B, T, H, dk), rotated; ``v`` (B, T, H, dv); ``log_decay`` (H,) below 0. Scores are formed in the
    type of ``q``, the state in float32.
    """
    length, scale = q.shape[1], q.shape[-1] ** -0.5
    q, k, v = (_cut(x, plan) for x in (q, k, v))
    wide = torch.promote_types(q.dtype, torch.float32)
    log_decay = log_decay.to(wide)
    steps = torch.arange(plan.size, device=q.device, dtype=wide)

    apart = steps[:, None] - steps
    fading = torch.exp(log_decay[:, None, None] * apart.clamp(min=0)).tril() * scale
    scores = q @ k.transpose(-1, -2)
    scores = (
        scores * fading[:, None].to(scores.dtype) if log_decay.requires_grad else scores.mul_(fading[:, None])
    )
    if plan.same is not None:
        scores = scores * plan.same
    out = scores @ v

    filled = plan.filled[:, None].to(wide)
    age = filled.unsqueeze(-1) - 1 - steps  # of each key when its chunk ends; below 0: behind the row's end
    weight = torch.exp(log_decay[:, None, None] * age.clamp(min=0)) * (age >= 0)
    passing = torch.exp(log_decay[:, None] * filled)
    if plan.kept is not None and plan.through is not None:
        weight, passing = weight * plan.kept, passing * plan.through
    added = (k.to(wide) * weight.unsqueeze(-1)).transpose(-1, -2) @ v.to(wide)
    entering, last = _scan(added, passing, state)
    if entering is not None:
        reach = torch.exp(log_decay[:, None] * (steps + 1))[:, None] * scale
        if plan.carried is not None:
            reach = reach * plan.carried
        out = out + (q.to(wide) * reach.unsqueeze(-1)) @ entering
    return out.permute(0, 2, 3, 1, 4).flatten(1, 2)[:, :length], last


def _cut(x: Tensor, plan: Layout) -> Tensor:
    """(B, T, H, d) as (B, H, N, C, d), zeros behind the end."""
    missing = plan.size * plan.count - x.shape[1]
    if missing:
        x = F.pad(x, (0, 0, 0, 0, 0, missing))
    return x.unflatten(1, (plan.count, plan.size)).permute(0, 3, 1, 2, 4)


def _scan(added: Tensor, passing: Tensor, state: Tensor | None) -> tuple[Tensor | None, Tensor]:
    """The state that enters each chunk (B, H, N, dk, dv), None where all are zero, and the one after the last."""
    if state is None and added.shape[2] == 1:
        return None, added[:, :, 0]
    now = added.new_zeros(added[:, :, 0].shape) if state is None else state.to(added.dtype)
    entering = []
    for more, kept in zip(added.unbind(2), passing.unbind(2), strict=True):
        entering.append(now)
        now = torch.addcmul(more, now, kept[..., None, None])
    return torch.stack(entering, dim=2), now


def advance(q: Tensor, k: Tensor, v: Tensor, kept: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """One token: output (B, H, dv) and the next state. ``kept`` (H, 1, 1) or (B, H, 1, 1): what remains of the last."""
    wide = state.dtype
    now = torch.addcmul(state * kept, k.to(wide).unsqueeze(-1), v.to(wide).unsqueeze(-2))
    out = (q.to(wide) * q.shape[-1] ** -0.5).unsqueeze(-2) @ now
    return out.squeeze(-2), now


def recurrent(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    state: Tensor | None,
    lengths: Tensor,
    segments: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The same, token by token; arguments as of ``chunkwise`` and ``layout``."""
    wide = torch.promote_types(q.dtype, torch.float32)
    batch, length, heads, keys = q.shape
    now = q.new_zeros((batch, heads, keys, v.shape[-1]), dtype=wide) if state is None else state.to(wide)
    gamma = torch.exp(log_decay.to(wide)).view(-1, 1, 1)
    inside = (torch.arange(length, device=q.device) < lengths[:, None]).expand(batch, -1)
    outputs = []
    for t in range(length):
        kept = gamma
        if segments is not None and t:
            kept = gamma * (segments[:, t] == segments[:, t - 1]).view(-1, 1, 1, 1)
        out, after = advance(q[:, t], k[:, t], v[:, t], kept, now)
        now = torch.where(inside[:, t].view(-1, 1, 1, 1), after, now)
        outputs.append(out)
    return torch.stack(outputs, dim=1), now


def kernels() -> bool:
    """Whether flash-linear-attention's CUDA kernels are installed."""
    import importlib.util

    return torch.cuda.is_available() and importlib.util.find_spec("fla") is not None


def with_kernels(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    state: Tensor | None,
    lengths: Tensor,
    segments: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The chunkwise form by flash-linear-attention's kernel for gated linear attention with one gate per head.

    Ends of rows are gates of 1 with empty keys; a new segment is a gate of e^-60, which float32 cannot tell from 0.
    """
    from fla.ops.simple_gla import chunk_simple_gla

    batch, length = q.shape[:2]
    inside = (torch.arange(length, device=q.device) < lengths[:, None]).expand(batch, -1)
    gates = log_decay.float() * inside.unsqueeze(-1)
    if segments is not None:
        new = F.pad(segments[:, 1:] != segments[:, :-1], (1, 0)) & inside
        gates = gates - 60.0 * new.unsqueeze(-1)
    out, last = chunk_simple_gla(
        q,
        k * inside[..., None, None],
        v,
        g=gates,
        scale=q.shape[-1] ** -0.5,
        initial_state=None if state is None else state.float(),
        output_final_state=True,
    )
    return out, last
