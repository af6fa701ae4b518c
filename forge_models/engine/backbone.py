"""The network: layers of gated multi-scale retention and feed-forward, and the state that carries a sequence on.

One fused projection makes queries, keys, values and gates; root-mean-square norms stand before each block (pre-norm),
within each head after retention (the group norm of the paper), and at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from forge_core.errors import UsageError
from forge_models.engine import retention, rotation
from forge_models.engine.config import EngineConfig
from forge_models.engine.dropout import Dropout
from forge_models.engine.experts import Experts, Routing
from forge_models.engine.state import State

FORMS = ("auto", "parallel", "chunkwise", "recurrent")
# Up to here one chunk is faster than several on CPUs, forward and backward (measured with 64 and 128 dimensions).
PARALLEL_UP_TO = 128


@dataclass(frozen=True)
class Batch:
    """What all layers of one call share. ``turns``: rotations; ``inside``: (B, T), None where every row is full."""

    form: str
    turns: Tensor
    lengths: Tensor
    segments: Tensor | None
    inside: Tensor | None
    plan: retention.Layout | None


class Retention(nn.Module):
    """Gated multi-scale retention: (B, T, D) to (B, T, D), and its state (B, H, dk, dv)."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__()
        self.config = config
        keys, values = config.embed_dim, config.inner_dim
        self.project = nn.Linear(config.embed_dim, 2 * keys + 2 * values, bias=False)
        self.out = nn.Linear(values, config.embed_dim, bias=False)
        low, high = config.decay
        forgetting = torch.linspace(
            math.log(1 - low), math.log(1 - high), config.num_heads, dtype=torch.float64
        )
        self.register_buffer("fixed", torch.log1p(-torch.exp(forgetting)).float(), persistent=False)
        self.place = nn.Parameter(torch.linspace(-2, 2, config.num_heads)) if config.learn_decay else None

    def log_decay(self) -> Tensor:
        """(H,) below 0."""
        if self.place is None:
            return self.fixed  # type: ignore[return-value]
        low, high = (math.log(1 - gamma) for gamma in self.config.decay)
        return torch.log1p(-torch.exp(low + (high - low) * torch.sigmoid(self.place.float())))

    def _split(self, x: Tensor, turns: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries and keys (B, T, H, dk), rotated; values (B, T, H, dv); gates (B, T, H dv)."""
        config = self.config
        mixed, values, gates = self.project(x).split(
            [2 * config.embed_dim, config.inner_dim, config.inner_dim], -1
        )
        turned = rotation.rotate(mixed.unflatten(-1, (2 * config.num_heads, config.key_dim)), turns)
        q, k = turned.chunk(2, dim=-2)
        return q, k, values.unflatten(-1, (config.num_heads, config.value_dim)), gates

    def _finish(self, out: Tensor, gates: Tensor) -> Tensor:
        normed = F.rms_norm(out, (self.config.value_dim,), eps=self.config.head_eps).flatten(-2)
        return self.out(F.silu(gates) * normed.to(gates.dtype))

    def forward(self, x: Tensor, batch: Batch, state: Tensor | None) -> tuple[Tensor, Tensor]:
        q, k, v, gates = self._split(x, batch.turns)
        with torch.autocast(x.device.type, enabled=False):  # types are chosen inside: the state stays float32
            if batch.form == "kernels":
                out, last = retention.with_kernels(
                    q, k, v, self.log_decay(), state, batch.lengths, batch.segments
                )
            elif batch.plan is not None:
                out, last = retention.chunkwise(q, k, v, self.log_decay(), state, batch.plan)
            else:
                out, last = retention.recurrent(
                    q, k, v, self.log_decay(), state, batch.lengths, batch.segments
                )
        return self._finish(out, gates), last

    def step(self, x: Tensor, turns: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One token per sequence: ``x`` (B, D), ``turns`` (B, 1, dk / 2)."""
        q, k, v, gates = (part.squeeze(1) for part in self._split(x.unsqueeze(1), turns))
        with torch.autocast(x.device.type, enabled=False):
            kept = torch.exp(self.log_decay().to(state.dtype)).view(-1, 1, 1)
            out, last = retention.advance(q, k, v, kept, state)
        return self._finish(out, gates), last


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020): contract(silu(a) * b), where a and b come from one product."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.embed_dim, 2 * config.ffn_dim, bias=False)
        self.contract = nn.Linear(config.ffn_dim, config.embed_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.expand(x).chunk(2, dim=-1)
        return self.contract(F.silu(gate) * value)


class Layer(nn.Module):
    """Retention and feed-forward, each behind a norm and added to what came in."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__()
        self.retention_norm = nn.RMSNorm(config.embed_dim, eps=config.norm_eps)
        self.retention = Retention(config)
        self.ffn_norm = nn.RMSNorm(config.embed_dim, eps=config.norm_eps)
        self.ffn: FeedForward | Experts = Experts(config) if config.num_experts else FeedForward(config)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, batch: Batch, state: Tensor | None) -> tuple[Tensor, Tensor, Routing | None]:
        mixed, last = self.retention(self.retention_norm(x), batch, state)
        x = x + self.dropout(mixed)
        more, routing = self._feed(self.ffn_norm(x), batch.inside)
        return x + self.dropout(more), last, routing

    def step(self, x: Tensor, turns: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        mixed, last = self.retention.step(self.retention_norm(x), turns, state)
        x = x + self.dropout(mixed)
        return x + self.dropout(self._feed(self.ffn_norm(x), None)[0]), last

    def _feed(self, x: Tensor, inside: Tensor | None) -> tuple[Tensor, Routing | None]:
        if isinstance(self.ffn, Experts):
            return self.ffn(x, inside)
        return self.ffn(x), None


class Backbone(nn.Module):
    """A retentive network over vectors: embeddings come in, and what is made of its output is its owner's."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__()
        self.config = config.validate()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))
        self.norm = nn.RMSNorm(config.embed_dim, eps=config.norm_eps)
        radians = rotation.frequencies(config.key_dim, config.rotary_base)
        self.register_buffer("radians", radians, persistent=False)
        self.apply(self._start)

    def _start(self, module: nn.Module) -> None:
        """Normal weights of variance 1 / width; what is added to the residual starts smaller by its depth."""
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
        if isinstance(module, Layer):
            for last in (module.retention.out, getattr(module.ffn, "contract", None)):
                if isinstance(last, nn.Linear):
                    last.weight.data.mul_((2 * self.config.num_layers) ** -0.5)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Angles stay in float64 whatever the weights become (``.half()``, ``.bfloat16()``)."""
        exact = rotation.frequencies(self.config.key_dim, self.config.rotary_base)
        super()._apply(fn, recurse)
        self.radians = exact.to(self.norm.weight.device)
        return self

    def initial_state(self, batch: int) -> State:
        """The state of ``batch`` sequences of which nothing was seen."""
        config, device = self.config, self.norm.weight.device
        wide = torch.promote_types(self.norm.weight.dtype, torch.float32)
        shape = (batch, config.num_heads, config.key_dim, config.value_dim)
        layers = tuple(torch.zeros(shape, dtype=wide, device=device) for _ in self.layers)
        return State(layers, torch.zeros(batch, dtype=torch.long, device=device))

    def forward(
        self,
        x: Tensor,
        *,
        lengths: Tensor | None = None,
        segments: Tensor | None = None,
        state: State | None = None,
        form: str = "auto",
    ) -> tuple[Tensor, State, dict[str, Any]]:
        """Outputs (B, T, D), the state after each row's last token, and what was measured on the way.

        ``x`` (B, T, D). ``lengths`` (B,): rows are padded on the right, and what lies behind is without effect (its
        outputs mean nothing). ``segments`` (B, T): several sequences packed into a row, each a run of one number;
        ``state`` continues the first of them, and the last one's state is returned. ``form``: auto, parallel
        (memory grows with T squared), chunkwise, recurrent; they differ by rounding alone.

        The third: ``loss``, to be added to the task's, 0 without experts; with them ``balance``, ``z`` and
        ``expert_use`` (layers, experts), the share of tokens each was given.
        """
        batch, positions = self._batch(x, lengths, segments, state, form)
        routed: list[Routing] = []
        last: list[Tensor] = []
        for number, layer in enumerate(self.layers):
            before = None if state is None else state.layers[number]
            if self.config.gradient_checkpointing and self.training and torch.is_grad_enabled():
                x, after, routing = checkpoint(layer, x, batch, before, use_reentrant=False)
            else:
                x, after, routing = layer(x, batch, before)
            last.append(after)
            if routing is not None:
                routed.append(routing)
        return self.norm(x), State(tuple(last), positions), self._aside(routed, x)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The next token of each sequence: ``x`` (B, D) to (B, D), and the states after it; time and memory O(1)."""
        turns = rotation.table(state.positions, self.radians).unsqueeze(1)
        last = []
        for layer, before in zip(self.layers, state.layers, strict=True):
            x, after = layer.step(x, turns, before)  # type: ignore[operator]
            last.append(after)
        return self.norm(x), State(tuple(last), state.positions + 1)

    def _batch(
        self, x: Tensor, lengths: Tensor | None, segments: Tensor | None, state: State | None, form: str
    ) -> tuple[Batch, Tensor]:
        """What the layers share, and the positions after this call."""
        rows, length = x.shape[:2]
        if form not in FORMS:
            raise UsageError(
                "FORGE-ENGINE-FORM", "The engine has no such form.", fix=f"One of: {', '.join(FORMS)}."
            )
        if (
            x.ndim != 3
            or x.shape[2] != self.config.embed_dim
            or length == 0
            or (state and state.batch != rows)
        ):
            raise UsageError(
                "FORGE-ENGINE-INPUT",
                "The engine takes vectors of shape (batch, tokens, embed_dim), at least one token, "
                "and a state of as many sequences.",
            )
        full = lengths is None
        lengths = (
            torch.full((1,), length, device=x.device) if lengths is None else lengths.to(x.device).long()
        )
        steps = torch.arange(length, device=x.device)
        positions, after = steps, lengths.expand(rows)
        if segments is not None:
            starts = (
                torch.where(F.pad(segments[:, 1:] != segments[:, :-1], (1, 0)), steps, 0).cummax(1).values
            )
            positions = steps - starts
            end = (lengths.expand(rows) - 1).clamp(min=0)
            after = torch.where(after > 0, positions.gather(1, end[:, None])[:, 0] + 1, 0)
        if state is not None:
            first = torch.ones_like(steps)[None] if segments is None else (starts == 0)
            positions = positions + first * state.positions[:, None]
            continued = 1 if segments is None else starts.gather(1, end[:, None])[:, 0] == 0
            after = after + continued * state.positions
        if form == "auto":
            form = self._fastest(x, length)
        size = {"parallel": length, "chunkwise": self.config.chunk}.get(form)
        batch = Batch(
            form,
            rotation.table(positions, self.radians),
            lengths,
            segments,
            None if full else steps < lengths[:, None],
            retention.layout(length, size, lengths, segments) if size else None,
        )
        return batch, after

    def _fastest(self, x: Tensor, length: int) -> str:
        if length == 1:
            return "recurrent"
        # In float32 the kernels would multiply in TF32, which is not the same function to 1e-5.
        half = torch.is_autocast_enabled("cuda") or x.dtype in (torch.bfloat16, torch.float16)
        if x.is_cuda and half and retention.kernels():
            return "kernels"
        return "parallel" if length <= PARALLEL_UP_TO else "chunkwise"

    def _aside(self, routed: list[Routing], x: Tensor) -> dict[str, Any]:
        if not routed:
            return {"loss": x.new_zeros(())}
        balance = torch.stack([one.balance for one in routed]).mean()
        z = torch.stack([one.z for one in routed]).mean()
        return {
            "loss": self.config.balance_weight * balance + self.config.z_weight * z,
            "balance": balance.detach(),
            "z": z.detach(),
            "expert_use": torch.stack([one.use for one in routed]).detach(),
        }
