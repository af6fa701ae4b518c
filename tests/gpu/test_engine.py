"""The engine on CUDA: the forms of the CPU, half precision, flash-linear-attention's kernels where installed."""

from __future__ import annotations

import copy

import pytest
import torch

from forge_models.engine import retention
from forge_models.engine.backbone import Backbone
from forge_models.engine.config import EngineConfig

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def networks(**changes: object) -> tuple[Backbone, Backbone]:
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = False
    on_cpu = Backbone(EngineConfig.sized("small", dropout=0.0, **changes))
    return on_cpu, copy.deepcopy(on_cpu).cuda()


@pytest.mark.parametrize("form", ["parallel", "chunkwise", "recurrent"])
@pytest.mark.parametrize("experts", [0, 4])
def test_cuda_agrees_with_the_cpu(form: str, experts: int) -> None:
    on_cpu, on_cuda = networks(num_experts=experts)
    x, lengths = torch.randn(3, 150, 64), torch.tensor([150, 77, 64])
    inside = (torch.arange(150) < lengths[:, None]).unsqueeze(-1)
    exact, state, _ = on_cpu(x, lengths=lengths)

    y, after, _ = on_cuda(x.cuda(), lengths=lengths.cuda(), form=form)

    torch.testing.assert_close(y.cpu() * inside, exact * inside, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(after.layers[0].cpu(), state.layers[0], rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not retention.kernels(), reason="flash-linear-attention is not installed")
@pytest.mark.parametrize("packed", [False, True])
def test_kernels_agree_with_the_chunkwise_form_forward_and_backward(packed: bool) -> None:
    _, network = networks(embed_dim=128)
    x = torch.randn(2, 200, 128, device="cuda")
    lengths = torch.tensor([200, 130], device="cuda")
    segments = (torch.arange(200, device="cuda") >= 90).long().expand(2, -1) if packed else None
    inside = (torch.arange(200, device="cuda") < lengths[:, None]).unsqueeze(-1)
    found = {}
    for form in ("auto", "chunkwise"):
        given = x.clone().requires_grad_()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            y, state, _ = network(given, lengths=lengths, segments=segments, form=form)
        (y.float() * inside).square().sum().backward()
        found[form] = [(y.float() * inside).detach(), state.layers[-1].detach(), given.grad]

    for ours, exact in zip(found["auto"], found["chunkwise"], strict=True):
        assert torch.nn.functional.cosine_similarity(ours.flatten(), exact.flatten(), dim=0) > 0.995
    assert state.layers[0].dtype == torch.float32


def test_half_precision_trains_on_cuda() -> None:
    _, network = networks(num_experts=4)

    with torch.autocast("cuda", dtype=torch.bfloat16):
        y, state, aside = network(torch.randn(2, 100, 64, device="cuda"))
    (y.float().square().mean() + aside["loss"]).backward()

    assert state.layers[0].dtype == torch.float32
    assert all(one.grad is None or one.grad.isfinite().all() for one in network.parameters())
