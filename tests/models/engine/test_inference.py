"""Fast steps and adapters: the same function, in fewer microseconds or fewer weights to train."""

from __future__ import annotations

import pytest
import torch

from forge_core.errors import UsageError
from forge_models.engine import inference, lora
from forge_models.engine.backbone import Backbone
from forge_models.engine.config import EngineConfig

TOKENS = 12


def made(**changes: object) -> Backbone:
    torch.manual_seed(4)
    return Backbone(EngineConfig.sized("small", **changes)).eval()


def stepped(decoder: inference.Decoder, x: torch.Tensor) -> torch.Tensor:
    return torch.stack([decoder.step(x[:, t]) for t in range(x.shape[1])], dim=1)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("way", ["torch fp32", "compiled fp32", "compiled int8", "torch int8"])
def test_every_way_is_the_same_function(way: str, batch: int) -> None:
    backbone = made()
    x = torch.randn(batch, TOKENS, 64) * 3
    with torch.no_grad():
        before = backbone(torch.randn(batch, 9, 64))[1]
        exact, after, _ = backbone(x, state=before)
    decoder = inference.prepare(backbone, batch, way=way)
    decoder.load(before)

    y = stepped(decoder, x)

    tolerance = 1e-4 if "fp32" in way else 0.1
    torch.testing.assert_close(y, exact, rtol=tolerance, atol=tolerance)
    assert torch.nn.functional.cosine_similarity(y, exact, dim=-1).min() >= inference.AGREEMENT
    last = decoder.state()
    assert last.positions.tolist() == after.positions.tolist() == [21] * batch
    torch.testing.assert_close(last.layers[1], after.layers[1], rtol=tolerance, atol=5 * tolerance)


def test_the_fastest_that_agrees_is_chosen_and_said() -> None:
    decoder = inference.prepare(made())

    assert decoder.measured[decoder.name] == min(decoder.measured.values())
    assert decoder.agreement["torch fp32"] == 1.0
    assert all(decoder.agreement[name] >= inference.AGREEMENT for name in decoder.measured)


def test_exact_means_no_eight_bits() -> None:
    assert set(inference.ways(made(), exact=True)) == {"torch fp32", "compiled fp32"}


def test_experts_are_decoded_by_torch() -> None:
    backbone = made(num_experts=4)

    decoder = inference.prepare(backbone, exact=True)

    x = torch.randn(1, 64)
    with torch.no_grad():
        torch.testing.assert_close(decoder.step(x), backbone.step(x, backbone.initial_state(1))[0])


def test_preparing_leaves_the_network_as_it_was() -> None:
    backbone = made().train()
    names = set(backbone.state_dict())

    inference.prepare(backbone, way="torch int8")

    assert backbone.training
    assert set(backbone.state_dict()) == names


def test_a_packed_table_scores_as_the_table() -> None:
    torch.manual_seed(1)
    table, x = torch.randn(500, 64), torch.randn(2, 64)

    scores = inference.PackedTable(table).scores(x)

    torch.testing.assert_close(scores, x @ table.T, rtol=0.05, atol=0.3)


def test_unknown_ways_and_open_adapters_are_refused() -> None:
    with pytest.raises(UsageError, match="compiled int8"):
        inference.prepare(made(), way="torch int2")
    with pytest.raises(UsageError, match="adapters"):
        inference.prepare(lora.adapt(made()))


def test_adapters_learn_alone_and_merge_into_the_weights() -> None:
    backbone, x = made(dropout=0.0), torch.randn(2, 20, 64)
    before = backbone(x)[0].detach()
    lora.adapt(backbone)
    learning = {name for name, one in backbone.named_parameters() if one.requires_grad}
    assert learning
    assert all("lora_" in name for name in learning)
    torch.testing.assert_close(backbone(x)[0], before)

    optimiser = torch.optim.Adam([one for one in backbone.parameters() if one.requires_grad], 0.05)
    for _ in range(2):
        optimiser.zero_grad()
        backbone(x)[0][..., 0].sum().backward()
        optimiser.step()
    adapted = backbone(x)[0].detach()
    lora.merge(backbone)

    assert (adapted - before).abs().max() > 0.05
    torch.testing.assert_close(backbone(x)[0], adapted, rtol=1e-3, atol=1e-4)
    assert set(backbone.state_dict()) == set(made().state_dict())
    assert all(one.requires_grad for one in backbone.parameters())


def test_adapters_have_the_rank_and_alpha_of_the_seed() -> None:
    backbone = lora.adapt(made())

    layer = backbone.layers[0].retention.project
    assert layer.r["default"] == 16
    assert layer.scaling["default"] == 2.0
    with pytest.raises(UsageError, match="Merge them first"):
        lora.adapt(backbone)
    with pytest.raises(UsageError, match="rank"):
        lora.adapt(made(), rank=0)
