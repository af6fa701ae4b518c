"""Our engine: ``engine_ours decode TOKENS CONTEXT WAY``, ``forms LENGTH``, ``train BATCH LENGTH WIDTH FORM DEVICE``.

``decode`` goes on from a state of CONTEXT tokens (random numbers); WAY is ``auto`` or one of inference.ways.
"""

from __future__ import annotations

import sys

import torch

from benchmarks.arms import engine_model
from forge_models.engine import inference
from forge_models.engine.backbone import Backbone
from forge_models.engine.config import EngineConfig
from forge_models.engine.state import State


def decode(tokens: int, context: int, way: str) -> None:
    torch.manual_seed(0)
    config = EngineConfig(
        embed_dim=engine_model.WIDTH,
        num_heads=3,
        num_layers=engine_model.LAYERS,
        ffn_dim=engine_model.INNER,
        dropout=0.0,
    )
    backbone = Backbone(config).eval().requires_grad_(False)
    table = torch.randn(engine_model.VOCABULARY, engine_model.WIDTH) * engine_model.WIDTH**-0.5
    decoder = inference.prepare(backbone, way=None if way == "auto" else way)
    empty = backbone.initial_state(1)
    del backbone  # the decoder has its own, packed
    filled = tuple(torch.randn_like(layer) for layer in empty.layers)
    decoder.load(State(filled, torch.full((1,), context)))
    head = inference.PackedTable(table) if "int8" in decoder.name else None

    def step(token: int) -> int:
        hidden = decoder.step(table[token : token + 1])
        scores = head.scores(hidden) if head else hidden @ table.T
        return int(scores.argmax())

    weights = getattr(decoder.way, "bytes_read", 4 * config.parameters())
    read = weights + (head.bytes_read if head else 4 * table.numel())
    engine_model.decode(
        step,
        tokens,
        way=decoder.name,
        parameters=config.parameters() + table.numel(),
        bytes_per_token=read + 2 * config.state_bytes(),
        state_mb=round(config.state_bytes() / 1e6, 1),
        measured={name: round(seconds * 1e3, 3) for name, seconds in decoder.measured.items()},
        agreement=decoder.agreement,
    )


def forms(length: int) -> None:
    torch.manual_seed(0)
    backbone = Backbone(EngineConfig(embed_dim=256, num_heads=2, ffn_dim=256, dropout=0.0)).eval()
    x = 3 * torch.randn(2, length, 256)
    with torch.inference_mode():
        engine_model.differences(
            {form: backbone(x, form=form)[0] for form in ("parallel", "chunkwise", "recurrent")}
        )


def train(batch: int, length: int, width: int, form: str, device: str) -> None:
    torch.manual_seed(0)
    config = EngineConfig(embed_dim=width, num_heads=width // 32, ffn_dim=4 * width // 3, dropout=0.0)
    backbone = Backbone(config).to(device)
    x = torch.randn(batch, length, width, device=device)
    engine_model.train(lambda: backbone(x, form=form)[0].square().mean().backward(), batch * length, device)


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "decode":
        decode(int(rest[0]), int(rest[1]), rest[2])
    elif what == "forms":
        forms(int(rest[0]))
    else:
        train(int(rest[0]), int(rest[1]), int(rest[2]), rest[3], rest[4])


if __name__ == "__main__":
    main()
