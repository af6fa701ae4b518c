"""Losses by name: equal to their definitions, and sampled ones to the full one where they see everything."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from forge_core.errors import UsageError
from forge_models.engine import losses, softmax

ROWS, ITEMS, WIDTH = 40, 300, 16


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(5)
    hidden = torch.randn(ROWS, WIDTH, requires_grad=True)
    return hidden, torch.randint(0, ITEMS, (ROWS,)), torch.randn(ITEMS, WIDTH, requires_grad=True)


@pytest.mark.parametrize(("name", "smoothing"), [("cross_entropy", 0.0), ("label_smoothed", 0.2)])
def test_full_softmax_in_pieces_is_the_whole(case, name, smoothing, monkeypatch) -> None:
    monkeypatch.setattr(softmax, "CELLS", 7 * ITEMS)  # the last piece is a short one
    hidden, targets, table = case
    bias, weights = torch.randn(ITEMS, requires_grad=True), torch.rand(ROWS)
    settings = {"smoothing": smoothing} if smoothing else {}

    ours = losses.get(name)(hidden, targets, table, weights=weights, scale=0.5, bias=bias, **settings)

    each = F.cross_entropy(
        0.5 * hidden @ table.T + bias, targets, reduction="none", label_smoothing=smoothing
    )
    exact = (each * weights).sum() / weights.sum()
    torch.testing.assert_close(ours, exact)
    given = [hidden, table, bias]
    gradients = zip(torch.autograd.grad(3 * ours, given), torch.autograd.grad(3 * exact, given), strict=True)
    for a, b in gradients:
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_full_softmax_under_autocast(case) -> None:
    hidden, targets, table = case
    exact = losses.get("cross_entropy")(hidden, targets, table)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = losses.get("cross_entropy")(hidden, targets, table)
    ours.backward()

    assert ours.dtype == hidden.grad.dtype == torch.float32
    torch.testing.assert_close(ours, exact, rtol=0.02, atol=0.02)


def test_sampling_everything_is_the_full_softmax(case) -> None:
    hidden, targets, table = case

    ours = losses.get("sampled_softmax")(hidden, targets, table, negatives=torch.arange(ITEMS))

    torch.testing.assert_close(ours, losses.get("cross_entropy")(hidden, targets, table))


def test_log_q_corrects_for_how_negatives_were_drawn(case) -> None:
    hidden, targets, table = case
    q = torch.softmax(torch.linspace(0, 3, ITEMS), 0)
    torch.manual_seed(0)
    negatives = torch.multinomial(q, ROWS * 20_000, replacement=True).view(ROWS, -1)
    hidden, table = hidden.detach() * 0.1, table.detach() * 0.1
    hidden[:, 0], table[:, 0] = 1.0, torch.linspace(0, 2, ITEMS)  # what is drawn often also scores high
    exact = losses.get("cross_entropy")(hidden, targets, table)

    corrected = losses.get("sampled_softmax")(hidden, targets, table, negatives=negatives, log_q=q.log())
    naive = losses.get("sampled_softmax")(hidden, targets, table, negatives=negatives)

    assert abs(corrected - exact) < 0.01 < abs(naive - exact)


def test_many_rows_are_as_good_as_few() -> None:
    torch.manual_seed(0)
    hidden, table = (torch.randn(n, 8, requires_grad=True) for n in (2500, 5000))
    targets = torch.randint(0, 5000, (2500,))
    exact = F.cross_entropy(hidden @ table.T, targets)

    ours = losses.get("cross_entropy")(hidden, targets, table)

    torch.testing.assert_close(ours, exact)
    given = (hidden, table)
    for a, b in zip(torch.autograd.grad(ours, given), torch.autograd.grad(exact, given), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def test_a_shared_sample_estimates_the_full_softmax_and_its_gradient() -> None:
    torch.manual_seed(0)
    hidden, table = (torch.randn(n, 8, requires_grad=True) for n in (60, 500))
    targets, chance = torch.randint(0, 500, (60,)), torch.rand(500).softmax(0)
    drawn = torch.multinomial(chance, 400_000, replacement=True)  # so many that the sums are nearly the whole
    exact = losses.get("cross_entropy")(hidden, targets, table)

    ours = losses.get("sampled_softmax")(hidden, targets, table, negatives=drawn, log_q=chance.log())

    torch.testing.assert_close(ours, exact, rtol=0.01, atol=0.0)
    given = (hidden, table)
    for a, b in zip(torch.autograd.grad(ours, given), torch.autograd.grad(exact, given), strict=True):
        assert F.cosine_similarity(a.flatten(), b.flatten(), dim=0) > 0.999


def test_a_shared_sample_is_the_same_as_one_for_each_row(case) -> None:
    hidden, targets, table = case
    negatives, weights = torch.randint(0, ITEMS, (30,)), torch.rand(ROWS)
    settings = {"log_q": torch.randn(ITEMS).log_softmax(0), "weights": weights, "scale": 0.7}

    shared = losses.get("sampled_softmax")(hidden, targets, table, negatives=negatives, **settings)
    each = losses.get("sampled_softmax")(
        hidden, targets, table, negatives=negatives.expand(ROWS, -1), **settings
    )

    torch.testing.assert_close(shared, each)
    given = (hidden, table)
    for a, b in zip(torch.autograd.grad(shared, given), torch.autograd.grad(each, given), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_gbce_is_its_definition(case) -> None:
    hidden, targets, table = case
    count, t = 20, 0.75
    negatives = (targets.unsqueeze(-1) + 1 + torch.arange(count)) % ITEMS

    ours = losses.get("gbce")(hidden, targets, table, negatives=negatives, t=t)

    alpha = count / (ITEMS - 1)
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)
    both = table[torch.cat([targets.unsqueeze(-1), negatives], 1)]
    scores = torch.einsum("nd,nkd->nk", hidden.double(), both.double()).sigmoid()  # 1 - sigmoid cancels
    exact = -((scores[:, 0] ** beta).log() + (1 - scores[:, 1:]).log().sum(1)).mean() / (count + 1)
    torch.testing.assert_close(ours, exact, rtol=1e-4, atol=1e-5, check_dtype=False)
    plain = losses.get("bce")(hidden, targets, table, negatives=negatives)
    torch.testing.assert_close(plain, losses.get("gbce")(hidden, targets, table, negatives=negatives, t=0.0))


@pytest.mark.parametrize("name", losses.SAMPLED)
def test_a_negative_that_is_the_target_does_not_count(case, name) -> None:
    hidden, targets, table = case
    near = hidden.detach() * 50  # large scores, so that a hit would show

    pushed = torch.autograd.grad(
        losses.get(name)(near, targets, table, negatives=targets.unsqueeze(-1).repeat(1, 3)), table
    )[0]

    for row, target in enumerate(targets.tolist()):
        if (targets == target).sum() == 1:
            assert (pushed[target] @ near[row]) <= 0  # down the gradient, the target's score only rises


@pytest.mark.parametrize("name", losses.names())
def test_rows_without_weight_have_no_say(case, name) -> None:
    hidden, targets, table = case
    weights = (torch.arange(ROWS) < 30).float()
    negatives = torch.arange(50)

    ours = losses.get(name)(hidden, targets, table, negatives=negatives, weights=weights)

    torch.testing.assert_close(ours, losses.get(name)(hidden[:30], targets[:30], table, negatives=negatives))
    assert losses.get(name)(hidden, targets, table, negatives=negatives, weights=weights * 0) == 0


def test_unknown_names_and_missing_negatives_are_refused(case) -> None:
    with pytest.raises(UsageError, match="bce, cross_entropy, gbce"):
        losses.get("hinge")
    with pytest.raises(UsageError, match="negatives"):
        losses.get("gbce")(*case)
    with pytest.raises(UsageError, match="t of gbce"):
        losses.get("gbce")(*case, negatives=torch.arange(3), t=2.0)


def test_a_loss_of_ones_own_is_found_by_its_name(monkeypatch) -> None:
    monkeypatch.setattr(losses, "_losses", dict(losses._losses))

    losses.register("always_one")(lambda hidden, targets, table, **_: hidden.new_ones(()))

    assert "always_one" in losses.names()
    with pytest.raises(UsageError, match="there already"):
        losses.register("bce")(losses.cross_entropy)
