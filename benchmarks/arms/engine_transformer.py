"""A transformer of the same size with a cache of keys and values: ``engine_transformer TOKENS CONTEXT KIND``.

KIND: ``fp32``, ``bf16``, or torch's 8-bit weights with either, ``int8`` and ``int8-bf16``. One fused projection, rotary
positions, SwiGLU, a cache allocated beforehand and written in place, torch's scaled_dot_product_attention on a view
of it. The cache is filled with random numbers up to CONTEXT.
"""

from __future__ import annotations

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.arms import engine_model
from forge_models.engine.inference import Int8Linear

HEADS, FFN = 12, 2048
KINDS = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "int8": torch.float32,
    "int8-bf16": torch.bfloat16,
}


class Layer(nn.Module):
    def __init__(self, room: int, kind: torch.dtype) -> None:
        super().__init__()
        width = engine_model.WIDTH
        self.first, self.second = nn.RMSNorm(width), nn.RMSNorm(width)
        self.project, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.expand, self.contract = nn.Linear(width, 2 * FFN, bias=False), nn.Linear(FFN, width, bias=False)
        self.cache = torch.randn(2, 1, HEADS, room, width // HEADS).to(kind)

    def step(self, x: Tensor, place: int, cosine: Tensor, sine: Tensor) -> Tensor:
        q, k, v = self.project(self.first(x)).view(1, 3, HEADS, -1).unbind(1)
        q, k = (one * cosine + torch.cat([-one[..., 32:], one[..., :32]], -1) * sine for one in (q, k))
        self.cache[0, :, :, place], self.cache[1, :, :, place] = k, v
        keys, values = self.cache[0, :, :, : place + 1], self.cache[1, :, :, : place + 1]
        seen = F.scaled_dot_product_attention(q.unsqueeze(2), keys, values)
        x = x + self.out(seen.reshape(1, -1))
        gate, value = self.expand(self.second(x)).chunk(2, dim=-1)
        return x + self.contract(F.silu(gate) * value)


def main() -> None:
    tokens, context, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.manual_seed(0)
    kind = KINDS[name]
    room = context + engine_model.WARM + engine_model.RUNS * tokens
    layers = nn.ModuleList(Layer(room, kind) for _ in range(engine_model.LAYERS)).to(kind)
    table = torch.randn(engine_model.VOCABULARY, engine_model.WIDTH).to(kind)
    parameters = sum(one.numel() for one in layers.parameters()) + table.numel()
    last = nn.RMSNorm(engine_model.WIDTH).to(kind)
    head = nn.Linear(*reversed(table.shape), bias=False)
    head.weight = nn.Parameter(table)
    if name.startswith("int8"):
        for layer in layers:
            for part in ("project", "out", "expand", "contract"):
                setattr(layer, part, Int8Linear(getattr(layer, part)))
        head = Int8Linear(head)  # type: ignore[assignment]
    angles = torch.arange(room)[:, None] * 10_000.0 ** -(torch.arange(32) / 32)
    cosines, sines = (torch.cat([each, each], -1).to(kind) for each in (angles.cos(), angles.sin()))
    place = context

    @torch.inference_mode()
    def step(token: int) -> int:
        nonlocal place
        x = table[token : token + 1]
        for layer in layers:
            x = layer.step(x, place, cosines[place], sines[place])
        place += 1
        return int(head(last(x)).argmax())

    cache = sum(layer.cache.numel() * layer.cache.element_size() for layer in layers)
    engine_model.decode(step, tokens, parameters=parameters, cache_mb=round(cache / 1e6, 1))


if __name__ == "__main__":
    main()
