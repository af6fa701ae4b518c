"""The mixture of experts: nothing is dropped, the losses say how even the use is, padding has no say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from forge_models.engine.backbone import Backbone
from forge_models.engine.config import EngineConfig
from forge_models.engine.experts import Experts

TOKENS = 50


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)


def made(experts: int = 4, top_k: int = 2) -> Experts:
    return Experts(EngineConfig.sized("small", num_experts=experts, top_k=top_k))


def one_by_one(layer: Experts, x: Tensor) -> Tensor:
    """The definition: each token through its experts, alone."""
    rows = []
    for token in x:
        weights, picks = (layer.router.weight @ token).topk(layer.top_k)
        parts = []
        for expert in picks.tolist():
            gate, value = (token @ layer.expand[expert]).chunk(2)
            parts.append((torch.nn.functional.silu(gate) * value) @ layer.contract[expert])
        rows.append((torch.stack(parts) * weights.softmax(0).unsqueeze(-1)).sum(0))
    return torch.stack(rows)


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_each_token_goes_through_its_experts(top_k: int) -> None:
    layer, x = made(top_k=top_k), torch.randn(TOKENS, 64)

    torch.testing.assert_close(layer(x)[0], one_by_one(layer, x), rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_the_definition() -> None:
    layer, x = made(), torch.randn(TOKENS, 64)

    ours = torch.autograd.grad(layer(x)[0].square().sum(), list(layer.parameters()))

    exact = torch.autograd.grad(one_by_one(layer, x).square().sum(), list(layer.parameters()))
    for a, b in zip(ours, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def crowd(layer: Experts) -> Tensor:
    """Tokens that all pick expert 0."""
    with torch.no_grad():
        layer.router.weight.zero_()
        layer.router.weight[0] = 0.2
    return torch.rand(TOKENS, 64) + 0.1


def test_nothing_is_dropped_when_all_go_to_one_expert() -> None:
    """F-D12: the answers are those of the definition, the balance loss rises, and the use says why."""
    layer = made(top_k=1)
    _, even = layer(torch.randn(TOKENS * 20, 64))
    x = crowd(layer)

    y, routing = layer(x)

    torch.testing.assert_close(y, one_by_one(layer, x), rtol=1e-4, atol=1e-5)
    assert routing.use.tolist() == [1, 0, 0, 0]
    assert routing.balance > 3.9 > 1.2 > even.balance
    assert routing.z > even.z


def test_the_balance_loss_pulls_the_crowd_apart() -> None:
    layer = made(top_k=1)
    x = crowd(layer)

    _, routing = layer(x)
    routing.balance.backward()

    assert (layer.router.weight.grad[0] > 0).all()  # a step down lowers the crowded expert's logits


def test_bfloat16_takes_the_grouped_product_and_agrees() -> None:
    layer, x = made(), torch.randn(TOKENS, 64)
    exact, routing = layer(x)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, half = layer(x)
        y.float().sum().backward()

    assert y.dtype == torch.bfloat16
    assert torch.nn.functional.cosine_similarity(y.float(), exact, dim=-1).min() > 0.999
    assert torch.equal(half.use, routing.use)
    assert layer.expand.grad.isfinite().all()


def test_padding_is_routed_nowhere() -> None:
    layer, x = made(), torch.randn(2, 10, 64)
    inside = torch.arange(10) < torch.tensor([[10], [4]])

    y, routing = layer(x, inside)

    assert (y[1, 4:] == 0).all()
    torch.testing.assert_close(y[inside], layer(x[inside])[0])
    assert torch.equal(routing.use, layer(x[inside])[1].use)
    assert layer(x, torch.zeros(2, 10, dtype=torch.bool))[0].abs().sum() == 0


def test_the_network_reports_loss_and_use_of_every_layer() -> None:
    backbone = Backbone(EngineConfig.sized("small", num_experts=4, dropout=0.0))

    _, _, aside = backbone(torch.randn(2, 30, 64))

    assert aside["expert_use"].shape == (2, 4)
    torch.testing.assert_close(aside["expert_use"].sum(dim=1), torch.ones(2))
    torch.testing.assert_close(aside["loss"].detach(), 0.01 * aside["balance"] + 1e-3 * aside["z"])
    assert aside["loss"].requires_grad
