"""What an engine may be made of: refused with reasons before it is built, its memory before it is tried."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from forge_core.errors import Refused, UsageError
from forge_models.engine import EngineConfig
from forge_models.engine.backbone import Backbone


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"decay": (0.9, 1.0)}, "never forgets"),  # F-D12: gamma = 1
        ({"decay": (0.99, 0.9)}, "smaller number first"),
        ({"decay": (0.9, float("nan"))}, "two numbers"),
        ({"decay": (0.9, 0.9), "learn_decay": True}, "needs a range"),
        ({"num_experts": 4, "top_k": 5}, "more than the 4 experts"),  # F-D12
        ({"num_experts": 1}, "no mixture"),
        ({"embed_dim": 65}, "not divisible"),
        ({"embed_dim": 6, "num_heads": 2}, "must be even"),
        ({"num_layers": 0}, "num_layers"),
        ({"num_heads": True}, "num_heads"),
        ({"dropout": 1.0}, "dropout"),
        ({"norm_eps": 0.0}, "norm_eps"),
        ({"gamma": 1.0}, "no setting called gamma"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        EngineConfig.sized("small", **changes)

    assert refused.value.code == "FORGE-ENGINE-CONFIG"


def test_all_reasons_are_said_at_once() -> None:
    with pytest.raises(UsageError, match=r"num_layers .*dropout .*decay"):
        EngineConfig(num_layers=-1, dropout=2.0, decay=(0.5, 1.5)).validate()


def test_the_smallest_size_is_the_default() -> None:
    assert EngineConfig() == EngineConfig.sized() == EngineConfig.sized("small")
    with pytest.raises(UsageError, match="small, base, large"):
        EngineConfig.sized("huge")


def test_a_configuration_survives_json() -> None:
    config = EngineConfig.sized("base", num_experts=4)

    assert EngineConfig.of({**config.as_dict(), "decay": list(config.decay)}) == config


@pytest.mark.parametrize("changes", [{}, {"num_experts": 4}, {"learn_decay": True}, {"value_factor": 1}])
def test_parameters_are_counted(changes: dict[str, object]) -> None:
    config = EngineConfig.sized("small", **changes)

    assert config.parameters() == sum(one.numel() for one in Backbone(config).parameters())


def test_the_large_one_has_757_million_with_its_vocabulary() -> None:
    assert round((EngineConfig.sized("large").parameters() + 50_257 * 1536) / 1e6) == 757
    assert 2e7 < EngineConfig.sized("base").parameters() < 4e7


@pytest.mark.parametrize(
    "changes", [{}, {"num_experts": 4}, {"embed_dim": 128, "num_heads": 4, "num_layers": 3}]
)
def test_the_estimate_holds_what_training_keeps(changes: dict[str, object]) -> None:
    config = EngineConfig.sized("small", **changes)
    batch, length = 8, 192
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    backbone = Backbone(config)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = backbone(torch.randn(batch, length, config.embed_dim), form="chunkwise")

    activations = sum(kept.values()) - 4 * config.parameters()
    estimated = config.memory(batch, length) - 16 * config.parameters()
    assert 0.8 < estimated / activations < 1.8
    assert out[0].shape == (batch, length, config.embed_dim)


def test_what_does_not_fit_is_refused_before_it_is_tried() -> None:
    large = EngineConfig.sized("large")

    with pytest.raises(Refused, match="GiB") as refused:
        large.require_memory(8, 2048, available=16 << 30)

    assert refused.value.code == "FORGE-ENGINE-MEMORY"
    assert EngineConfig().require_memory(8, 200, available=1 << 30) < 1 << 30
    assert EngineConfig().require_memory(1, 1) > 0  # against what is free here


def test_memory_is_saved_by_what_saves_it() -> None:
    base = EngineConfig.sized("base")

    needed = base.memory(8, 1024)

    assert EngineConfig.sized("base", gradient_checkpointing=True).memory(8, 1024) < needed
    assert base.memory(8, 1024, training=False) < needed
    with pytest.raises(UsageError, match="fp32, bf16, fp16"):
        base.memory(1, 1, precision="int4")


def test_a_configuration_is_light_to_import() -> None:
    code = "import sys, forge_models.engine; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
