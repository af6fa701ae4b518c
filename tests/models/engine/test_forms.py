"""F-D12: the three forms agree, forward and backward, however a batch is cut, padded, packed or continued."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from forge_core.errors import UsageError
from forge_models.engine import rotation
from forge_models.engine.backbone import Backbone
from forge_models.engine.config import EngineConfig
from forge_models.engine.dropout import Dropout
from forge_models.engine.state import State

ROWS, LENGTH = 3, 75  # no multiple of the chunk
CHUNK = 32
SIZE = 3.0  # inputs that are not tiny


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)


def made(**changes: object) -> Backbone:
    return Backbone(EngineConfig.sized("small", dropout=0.0, chunk=CHUNK, **changes))


def inputs(length: int = LENGTH) -> Tensor:
    return torch.randn(ROWS, length, 64) * SIZE


def results(
    backbone: Backbone, form: str, x: Tensor, lengths: Tensor | None = None, **how: object
) -> list[Tensor]:
    """Valid outputs, states, and the gradients of inputs and weights."""
    inside = (
        torch.ones(x.shape[:2]) if lengths is None else (torch.arange(x.shape[1]) < lengths[:, None]).float()
    )
    given = x.clone().requires_grad_()
    backbone.zero_grad()
    y, state, aside = backbone(given, lengths=lengths, form=form, **how)
    y = y * inside.unsqueeze(-1)
    pulls = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    loss = (y * pulls).sum() + aside["loss"] + sum(layer.square().sum() for layer in state.layers) * 1e-4
    loss.backward()
    weights = [parameter.grad for parameter in backbone.parameters() if parameter.grad is not None]
    return [
        tensor.detach().clone() for tensor in (y, *state.layers, given.grad, *weights) if tensor is not None
    ]


def apart(ours: list[Tensor], exact: list[Tensor]) -> float:
    """The largest difference, each tensor's relative to its own largest value."""
    pairs = zip(ours, exact, strict=True)
    with torch.no_grad():
        return max(float((a - b).abs().max() / b.abs().max().clamp(min=1e-9)) for a, b in pairs)


@pytest.mark.parametrize("changes", [{}, {"num_experts": 4}, {"learn_decay": True}, {"decay": (0.3, 0.9999)}])
@pytest.mark.parametrize("batch", ["full", "ragged", "packed", "continued"])
def test_three_forms_are_one_function(batch: str, changes: dict[str, object]) -> None:
    backbone, how = made(**changes), {}
    if batch in ("ragged", "packed"):
        how["lengths"] = torch.tensor([LENGTH, 41, 32])
    if batch == "packed":
        how["segments"] = torch.zeros(ROWS, LENGTH, dtype=torch.long)
        how["segments"][0, 40:], how["segments"][0, 41:], how["segments"][1, 32:] = 1, 2, 5
    if batch in ("packed", "continued"):
        how["state"] = backbone(inputs(33))[1].detach()
    x = inputs()

    exact = results(backbone, "recurrent", x, **how)

    assert apart(results(backbone, "parallel", x, **how), exact) < 1e-5
    assert apart(results(backbone, "chunkwise", x, **how), exact) < 1e-5


def test_forms_agree_beyond_the_planned_length() -> None:
    backbone = made(max_seq_len=64, num_layers=1)
    x = torch.randn(1, 2100, 64) * SIZE

    with torch.no_grad():
        exact = backbone(x, form="recurrent")[0]
        ours = [backbone(x, form=form)[0] for form in ("auto", "parallel", "chunkwise")]

    assert apart(ours, [exact] * 3) < 1e-5


def test_forms_agree_where_queries_and_keys_are_at_right_angles() -> None:
    """A first token's output is one product of query and key; where that is all but 0, errors must not be blown up."""
    backbone = made()
    x = torch.randn(400, 4, 64) * SIZE

    exact = results(backbone, "recurrent", x)

    assert apart(results(backbone, "chunkwise", x), exact) < 1e-5


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_forms_agree_within_half_precision(precision: torch.dtype) -> None:
    backbone, x = made(), inputs()
    exact = backbone(x)[0]

    with torch.autocast("cpu", dtype=precision), torch.no_grad():
        found = {form: backbone(x, form=form) for form in ("parallel", "chunkwise", "recurrent")}

    for y, state, _ in found.values():
        assert torch.nn.functional.cosine_similarity(y.float(), exact, dim=-1).min() > 0.99
        assert all(layer.dtype == torch.float32 for layer in state.layers)


def test_steps_are_the_forward_pass() -> None:
    backbone, x = made(), inputs(20)
    y, last, _ = backbone(x)

    state, stepped = backbone.initial_state(ROWS), []
    for t in range(20):
        out, state = backbone.step(x[:, t], state)
        stepped.append(out)

    assert apart([torch.stack(stepped, 1), *state.layers], [y, *last.layers]) < 1e-5
    assert state.positions.tolist() == last.positions.tolist() == [20] * ROWS


def test_what_lies_behind_a_rows_end_is_without_effect() -> None:
    backbone, x = made(num_experts=4), inputs()
    lengths = torch.tensor([LENGTH, 50, 3])
    other = x.clone()
    other[1, 50:], other[2, 3:] = 1e4, -1e4

    y, state, aside = backbone(x, lengths=lengths)
    y2, state2, aside2 = backbone(other, lengths=lengths)

    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(y[row, :length], y2[row, :length], rtol=0, atol=1e-6)
        alone = backbone(x[row : row + 1, :length])
        assert apart([y[row : row + 1, :length]], [alone[0]]) < 1e-5
        assert apart([state.layers[1][row]], [alone[1].layers[1][0]]) < 1e-5
    assert apart(list(state2.layers), list(state.layers)) < 1e-6
    assert torch.equal(aside["expert_use"], aside2["expert_use"])


def test_packed_sequences_are_as_if_alone() -> None:
    backbone = made()
    parts = [torch.randn(1, length, 64) * SIZE for length in (70, 1, 58)]
    packed = torch.cat(parts, dim=1)
    segments = torch.tensor([[0] * 70 + [1] + [2] * 58])

    y, state, _ = backbone(packed, segments=segments)

    alone = [backbone(part) for part in parts]
    assert apart([y], [torch.cat([one[0] for one in alone], dim=1)]) < 1e-5
    assert apart(list(state.layers), list(alone[-1][1].layers)) < 1e-5
    assert state.positions.tolist() == [58]


def test_an_empty_row_keeps_its_state() -> None:
    backbone, before = made(), made().initial_state(ROWS)
    before = State(tuple(torch.randn_like(layer) for layer in before.layers), torch.tensor([5, 6, 7]))

    _, after, _ = backbone(inputs(10), lengths=torch.tensor([0, 10, 1]), state=before)

    assert torch.equal(after.layers[0][0], before.layers[0][0])
    assert after.positions.tolist() == [5, 16, 8]


def test_the_millionth_token_is_as_exact_as_the_first() -> None:
    radians = rotation.frequencies(32, 10_000.0)
    x = torch.randn(1, 2, 1, 32)
    near = rotation.rotate(x, rotation.table(torch.tensor([0, 3]), radians))
    far = rotation.rotate(x, rotation.table(torch.tensor([0, 3]) + 10**6, radians))

    torch.testing.assert_close(
        (far[0, 0] * far[0, 1]).sum(), (near[0, 0] * near[0, 1]).sum(), rtol=1e-4, atol=1e-5
    )


def test_checkpointing_changes_no_gradient() -> None:
    plain, x = made(num_experts=2), inputs()
    sparing = made(num_experts=2, gradient_checkpointing=True)
    sparing.load_state_dict(plain.state_dict())

    assert apart(results(sparing, "auto", x), results(plain, "auto", x)) < 1e-6


def test_a_cast_network_keeps_exact_angles() -> None:
    halved = copy.deepcopy(made()).bfloat16()

    assert halved.radians.dtype == torch.float64
    assert halved.initial_state(1).layers[0].dtype == torch.float32
    assert halved(inputs(5).bfloat16())[0].isfinite().all()


def test_dropout_keeps_the_expectation_and_repeats_by_its_seed() -> None:
    dropout, x = Dropout(0.3), torch.ones(500, 401)

    torch.manual_seed(1)
    once = dropout(x)
    torch.manual_seed(1)

    assert torch.equal(dropout(x), once)
    assert not torch.equal(dropout(x), once)
    assert abs((once == 0).float().mean() - 0.3) < 0.005
    assert abs(once.mean() - 1) < 0.01
    assert torch.equal(dropout.eval()(x), x)


@pytest.mark.parametrize("given", [{"form": "fast"}, {"state": "other"}])
def test_wrong_calls_are_refused(given: dict[str, object]) -> None:
    backbone = made()
    if "state" in given:
        given = {"state": backbone.initial_state(ROWS + 1)}

    with pytest.raises(UsageError, match=r"FORGE-ENGINE-(FORM|INPUT)"):
        backbone(inputs(5), **given)
