"""The next token, fast: weights packed for reading once per token, in 8 bits or float32, chosen by measuring.

``prepare`` builds every way this machine offers, holds each to torch in float32, times those that agree, and answers
with the fastest and what was measured. ``exact`` allows only ways without 8-bit weights.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forge_core.errors import UsageError
from forge_models.engine.backbone import Backbone
from forge_models.engine.experts import Experts
from forge_models.engine.state import State

AGREEMENT = 0.999  # least cosine between a token's output and that of torch in float32
EXACT_TOKENS, TIMED_TOKENS, TURNS = 16, 8, 3
_one_at_a_time = threading.Lock()  # numba's simplest threading layer must not be entered twice


class Way(Protocol):
    """One way to make a step; it keeps the states of its sequences and changes them in place."""

    def load(self, state: State) -> None: ...

    def step(self, x: Tensor) -> Tensor: ...

    def state(self) -> State: ...


class TorchWay:
    """``Backbone.step``, on the backbone as it is or with linear layers of 8 bits."""

    def __init__(self, backbone: Backbone, eight_bits: bool = False) -> None:
        self._backbone = _eight_bit_linears(backbone) if eight_bits else backbone
        self._state = backbone.initial_state(1)

    def load(self, state: State) -> None:
        self._state = state

    def step(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            y, self._state = self._backbone.step(x, self._state)
        return y

    def state(self) -> State:
        return self._state


class CompiledWay:
    """``kernels.step``: all layers in one compiled call, weights in 8 bits by row (``eight_bits``) or float32."""

    def __init__(self, backbone: Backbone, eight_bits: bool = True) -> None:
        from forge_models.engine import kernels

        self._step = kernels.step
        config, layers = backbone.config, list(backbone.layers)
        self._weights: list[np.ndarray] = []
        for pick in (_project, _out, _expand, _contract):
            stacked = torch.stack([pick(layer) for layer in layers])
            matrix, scales = quantise(stacked) if eight_bits else (stacked, torch.ones(stacked.shape[:2]))
            self._weights += [np.ascontiguousarray(matrix.numpy()), scales.numpy()]
        self._kept = torch.stack([layer.retention.log_decay().detach().exp() for layer in layers]).numpy()  # type: ignore[union-attr, operator]
        self._rest = (
            np.ascontiguousarray(backbone.radians.numpy()),
            backbone.norm.weight.detach().float().numpy(),
            np.float32(config.norm_eps),
            np.float32(config.head_eps),
        )
        self.bytes_read = sum(part.nbytes for part in self._weights)
        self.load(backbone.initial_state(1))

    def load(self, state: State) -> None:
        self._states = torch.stack(state.layers).float().contiguous().numpy()
        self._positions = state.positions.numpy().copy()

    def step(self, x: Tensor) -> Tensor:
        y = x.detach().float().numpy().copy()
        with _one_at_a_time:
            self._step(y, self._states, self._positions, tuple(self._weights), self._kept, *self._rest)
        return torch.from_numpy(y)

    def state(self) -> State:
        layers = torch.from_numpy(self._states.copy()).unbind(0)
        return State(tuple(layers), torch.from_numpy(self._positions.copy()))


@dataclass
class Decoder:
    """Steps of a network in the ``way`` that was chosen.

    ``measured``: seconds per token of each way that agrees; ``agreement``: each way's least cosine with torch in
    float32; ``failed``: ways this machine lacks, with the reason.
    """

    name: str
    way: Way
    measured: dict[str, float] = field(default_factory=dict)
    agreement: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def step(self, x: Tensor, state: State | None = None) -> Tensor:
        """The next token of each sequence, (B, D) to (B, D), from ``state`` or from where the last step left."""
        if state is not None:
            self.load(state)
        return self.way.step(x)

    def load(self, state: State) -> None:
        """Go on from ``state``; it is copied where the way works in place."""
        self.way.load(state)

    def state(self) -> State:
        """What is remembered now."""
        return self.way.state()


def ways(backbone: Backbone, exact: bool = False) -> dict[str, Callable[[], Way]]:
    """All there are, by name; the first is what the others are held to."""
    found: dict[str, Callable[[], Way]] = {"torch fp32": lambda: TorchWay(backbone)}
    on_cpu = backbone.norm.weight.device.type == "cpu"
    if on_cpu and not backbone.config.num_experts:
        found["compiled fp32"] = lambda: CompiledWay(backbone, eight_bits=False)
        if not exact:
            found["compiled int8"] = lambda: CompiledWay(backbone, eight_bits=True)
    if on_cpu and not exact:
        found["torch int8"] = lambda: TorchWay(backbone, eight_bits=True)
    return found


def prepare(backbone: Backbone, batch: int = 1, exact: bool = False, way: str | None = None) -> Decoder:
    """A decoder for ``batch`` sequences at a time, the fastest of those that agree, or ``way`` without measuring.

    The backbone is not changed, and later changes to its weights are not seen.
    """
    from forge_models.engine.lora import adapted

    if adapted(backbone):
        raise UsageError(
            "FORGE-ENGINE-LORA", "A network with adapters cannot be packed.", fix="Merge them first."
        )
    fresh = copy.deepcopy(backbone).eval().requires_grad_(False)
    makers = ways(fresh, exact)
    if way is not None:
        if way not in makers:
            raise UsageError(
                "FORGE-ENGINE-WAY",
                "This network has no such way to decode.",
                fix=f"One of: {', '.join(makers)}.",
            )
        chosen = makers[way]()
        chosen.load(fresh.initial_state(batch))
        return Decoder(way, chosen)
    return _fastest(fresh, makers, batch)


def _fastest(backbone: Backbone, makers: dict[str, Callable[[], Way]], batch: int) -> Decoder:
    generator = torch.Generator().manual_seed(0)
    width, device = backbone.config.embed_dim, backbone.norm.weight.device
    probe = torch.randn(EXACT_TOKENS, batch, width, generator=generator).to(device)
    wanted: Tensor | None = None
    made: dict[str, Way] = {}
    decoder = Decoder("", TorchWay(backbone))
    for name, make in makers.items():
        try:
            one = make()
            one.load(backbone.initial_state(batch))
            said = torch.stack([one.step(x) for x in probe])
        except (
            ImportError,
            RuntimeError,
            NotImplementedError,
        ) as error:  # an operator or a compiler is missing
            if wanted is None:
                raise
            decoder.failed[name] = type(error).__name__
            continue
        wanted = said if wanted is None else wanted
        cosine = float(F.cosine_similarity(said.float(), wanted.float(), dim=-1).min())
        decoder.agreement[name] = round(cosine, 6)
        if cosine >= AGREEMENT:
            made[name] = one
    for _ in range(TURNS):  # in turn, so that a busy moment is unfair to none
        for name, one in made.items():
            started = time.perf_counter()
            for x in probe[:TIMED_TOKENS]:
                one.step(x)
            spent = (time.perf_counter() - started) / TIMED_TOKENS
            decoder.measured[name] = min(spent, decoder.measured.get(name, spent))
    decoder.name = min(decoder.measured, key=decoder.measured.__getitem__)
    decoder.way = made[decoder.name]
    decoder.load(backbone.initial_state(batch))
    return decoder


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(..., N, K) as int8 and one float32 scale per row (..., N): symmetric, largest value 127."""
    scales = weight.float().abs().amax(dim=-1).clamp(min=1e-12) / 127
    return (weight.float() / scales.unsqueeze(-1)).round().to(torch.int8), scales


class Int8Linear(nn.Module):
    """A linear layer without bias whose weights are 8 bits by row; inputs go through bfloat16."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scales = quantise(linear.weight.detach())
        self.register_buffer("weight", weight)
        self.register_buffer("scales", scales.bfloat16())

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1]).bfloat16()
        out = torch.ops.aten._weight_int8pack_mm(rows, self.weight, self.scales)
        return out.to(x.dtype).view(*x.shape[:-1], -1)


def _eight_bit_linears(backbone: Backbone) -> Backbone:
    changed = copy.deepcopy(backbone)
    for layer in changed.layers:
        blocks = [layer.retention] if isinstance(layer.ffn, Experts) else [layer.retention, layer.ffn]
        for block in blocks:
            for name, child in list(block.named_children()):  # type: ignore[union-attr]
                if isinstance(child, nn.Linear):
                    setattr(block, name, Int8Linear(child))
    return changed


class PackedTable:
    """Scores against the rows of a table (V, D), an output head or a catalogue, read in 8 bits."""

    def __init__(self, table: Tensor) -> None:
        from forge_models.engine import kernels

        self._product = kernels.product
        matrix, scales = quantise(table.detach().cpu())
        self._matrix, self._scales = matrix.numpy(), scales.numpy()
        self.bytes_read = self._matrix.nbytes + self._scales.nbytes

    def scores(self, x: Tensor) -> Tensor:
        """(B, D) to (B, V) float32."""
        vectors = np.ascontiguousarray(x.detach().float().cpu().numpy())
        out = np.empty((len(vectors), len(self._scales)), np.float32)
        with _one_at_a_time:
            self._product(self._matrix, self._scales, vectors, out, len(self._scales))
        return torch.from_numpy(out)


def _project(layer: Any) -> Tensor:
    return (layer.retention.project.weight * layer.retention_norm.weight).detach().float()


def _out(layer: Any) -> Tensor:
    return layer.retention.out.weight.detach().float()


def _expand(layer: Any) -> Tensor:
    return (layer.ffn.expand.weight * layer.ffn_norm.weight).detach().float()


def _contract(layer: Any) -> Tensor:
    return layer.ffn.contract.weight.detach().float()
