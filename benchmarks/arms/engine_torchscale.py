"""torchscale's RetNet: ``engine_torchscale decode TOKENS``, ``forms LENGTH``, ``train BATCH LENGTH WIDTH FORM DEVICE``.

``decode`` is its recurrent form in float32, which it is written for; ``forms`` prints how far its forms lie apart.
"""

from __future__ import annotations

import contextlib
import sys
from importlib.metadata import version
from typing import Any

import torch

# torchscale imports timm, which imports torchvision; the build of it that lies beside a CPU torch lacks its
# operators and stops at these. Nothing here uses any of it.
for name in ("nms", "qnms"):
    with contextlib.suppress(RuntimeError):
        torch.library.define(
            f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor"
        )

from torchscale.architecture.config import RetNetConfig  # noqa: E402
from torchscale.architecture.retnet import RetNetDecoder  # noqa: E402

from benchmarks.arms import engine_model  # noqa: E402

CHUNK = 64


def network(
    width: int, layers: int, heads: int, inner: int, vocabulary: int, **settings: Any
) -> RetNetDecoder:
    torch.manual_seed(0)
    config = RetNetConfig(
        vocab_size=vocabulary,
        decoder_embed_dim=width,
        decoder_value_embed_dim=2 * width,
        decoder_retention_heads=heads,
        decoder_ffn_embed_dim=inner,
        decoder_layers=layers,
        share_decoder_input_output_embed=True,
        recurrent_chunk_size=CHUNK,
        **settings,
    )
    return RetNetDecoder(config, embed_tokens=torch.nn.Embedding(vocabulary, width))


def decode(tokens: int) -> None:
    sizes = (engine_model.WIDTH, engine_model.LAYERS, 3, engine_model.INNER, engine_model.VOCABULARY)
    model = network(*sizes).eval()
    state: dict[object, object] = {}
    seen = torch.ones(
        1, 2, dtype=torch.long
    )  # of these it reads the last, and takes the position from the length

    @torch.inference_mode()
    def step(token: int) -> int:
        seen[0, -1] = token
        out, _ = model(seen, incremental_state=state)
        return int(out[0, -1].argmax())

    parameters = sum(one.numel() for one in model.parameters())
    engine_model.decode(step, tokens, parameters=parameters, version=version("torchscale"))


def forms(length: int) -> None:
    model = network(256, 2, 2, 256, 100).eval()
    x = 3 * torch.randn(2, length, 256)
    tokens = torch.ones(2, length, dtype=torch.long)
    found = {}
    with torch.inference_mode():
        for name in ("parallel", "chunkwise"):
            model.chunkwise_recurrent = name == "chunkwise"
            found[name] = model(tokens, token_embeddings=x, features_only=True)[0]
        model.chunkwise_recurrent = False
        state: dict[object, object] = {}
        each = []
        for t in range(length):
            so_far, now = tokens[:, : t + 1], x[:, t : t + 1]
            each.append(model(so_far, incremental_state=state, token_embeddings=now, features_only=True)[0])
        found["recurrent"] = torch.cat(each, dim=1)
    engine_model.differences(found)


def train(batch: int, length: int, width: int, form: str, device: str) -> None:
    model = network(width, 2, width // 32, 4 * width // 3, 100, chunkwise_recurrent=form == "chunkwise").to(
        device
    )
    x = torch.randn(batch, length, width, device=device)
    tokens = torch.ones(batch, length, dtype=torch.long, device=device)

    def once() -> None:
        model(tokens, token_embeddings=x, features_only=True)[0].square().mean().backward()

    engine_model.train(once, batch * length, device)


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "decode":
        decode(int(rest[0]))
    elif what == "forms":
        forms(int(rest[0]))
    else:
        train(int(rest[0]), int(rest[1]), int(rest[2]), rest[3], rest[4])


if __name__ == "__main__":
    main()
