"""Our mixture of experts against transformers' loop over experts (Mixtral, eager): ``engine_experts TURNS``.

4,096 tokens of width 512, 8 experts of 1,024, two each; bfloat16 and float32, forward, and with backward. Both hold the
same weights; the largest difference of their answers is printed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralExperts

from forge_models.engine.config import EngineConfig
from forge_models.engine.experts import Experts

TOKENS, WIDTH, INNER, EXPERTS, PICKED = 4096, 512, 1024, 8, 2


def pair(kind: torch.dtype) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    torch.manual_seed(0)
    config = EngineConfig(embed_dim=WIDTH, ffn_dim=INNER, num_experts=EXPERTS, top_k=PICKED)
    ours = Experts(config).to(kind)
    settings = MixtralConfig(
        hidden_size=WIDTH, intermediate_size=INNER, num_local_experts=EXPERTS, num_experts_per_tok=PICKED
    )
    settings._experts_implementation = "eager"
    loop = MixtralExperts(settings).to(kind)
    with torch.no_grad():
        loop.gate_up_proj.copy_(ours.expand.transpose(1, 2))
        loop.down_proj.copy_(ours.contract.transpose(1, 2))

    def theirs(x: Tensor) -> Tensor:
        logits = torch.nn.functional.linear(x.float(), ours.router.weight.float())
        weights, picks = logits.topk(PICKED, dim=-1)
        return loop(x, picks, weights.softmax(-1).to(kind))

    return lambda x: ours(x)[0], theirs


def seconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    turns = int(sys.argv[1])
    answer: dict[str, Any] = {"rows": TOKENS, "seconds": 0.0}
    for name, kind in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        ours, theirs = pair(kind)
        x = torch.randn(TOKENS, WIDTH, dtype=kind)
        with torch.inference_mode():
            apart = (ours(x) - theirs(x)).abs().max() / theirs(x).abs().max()
        answer[f"{name}_difference"] = round(float(apart), 5)

        def train(layer: Callable[[Tensor], Tensor], x: Tensor = x) -> None:
            layer(x.clone().requires_grad_()).float().square().mean().backward()

        for what in ("forward", "training"):
            ratios = []
            for _ in range(turns):
                times = []
                for layer in (theirs, ours):
                    if what == "training":
                        times.append(min(seconds(lambda layer=layer: train(layer)) for _ in range(2)))
                    else:
                        with torch.inference_mode():
                            times.append(min(seconds(lambda layer=layer, x=x: layer(x)) for _ in range(3)))
                ratios.append(times[0] / times[1])
                answer[f"{name}_{what}_ms"] = [round(1e3 * each, 1) for each in times]
            answer[f"{name}_{what}_times_faster"] = [round(each, 3) for each in ratios]
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
