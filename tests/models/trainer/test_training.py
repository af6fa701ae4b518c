"""Training comes to an end, by itself or not, and what it leaves is the best there was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from forge_core.errors import UsageError
from forge_models.trainer import TrainerConfig, train
from tests.models.trainer.toys import Net, Points, Said, a_run, minus_error, weights

FAST = TrainerConfig(max_steps=40, batch_size=16, learning_rate=1e-2, evaluate_every=10)


class Breaking(Net):
    """Its loss breaks at one step: by ``how``."""

    def __init__(self, at: int, how: str) -> None:
        super().__init__()
        self.at, self.how, self.calls = at, how, 0

    def loss(self, batch):
        loss, figures = super().loss(batch)
        self.calls += self.training
        if self.calls == self.at and self.training:
            if self.how == "nan":
                loss = loss * float("nan")
            elif self.how == "infinite gradient":
                loss = loss + torch.sqrt(self.head.bias[0] - self.head.bias[0].detach())
            elif self.how == "explosion":
                loss = loss * 1e9
        return loss, figures


def test_the_loss_falls_and_the_history_tells_how(tmp_path):
    logged: list[str] = []
    run = a_run(tmp_path, log_metric=lambda name, value, step: logged.append(name))
    module = Net()
    before = minus_error(module)

    outcome = train(module, Points(), FAST, run, minus_error)

    assert outcome.stopped == "done"
    assert outcome.steps == 40
    assert minus_error(module) == pytest.approx(outcome.best_score)
    assert outcome.best_score > before
    assert [row["step"] for row in outcome.history] == list(range(1, 41))
    first = {"step", "loss", "learning_rate", "examples_per_s", "memory_mb", "error/largest"}
    assert set(outcome.history[0]) == first
    assert outcome.history[9]["score"] < outcome.history[39]["score"]
    assert set(logged) == (first | {"score"}) - {"step"}
    assert not module.training


def test_the_best_weights_are_left_and_patience_ends_it(tmp_path):
    module, scores = Net(), iter([1.0, 3.0, 2.0, float("nan"), 9.0])
    seen = {}

    def score(scored):
        value = next(scores)
        seen[value] = weights(scored)
        return value

    outcome = train(
        module, Points(), TrainerConfig(max_steps=50, evaluate_every=5, patience=2), a_run(tmp_path), score
    )

    assert (outcome.stopped, outcome.steps, outcome.best_step, outcome.best_score) == (
        "patience",
        20,
        10,
        3.0,
    )
    assert (weights(module) == seen[3.0]).all()


@pytest.mark.parametrize("how", ["nan", "infinite gradient", "explosion"])
def test_F_D10_what_would_spoil_the_weights_is_not_applied_and_stops_training(tmp_path, how):
    said = Said()
    module, reference = Breaking(8, how), Net()

    outcome = train(module, Points(), FAST, a_run(tmp_path, said.append))
    train(reference, Points(), FAST, a_run(tmp_path / "other", cancelled=_after(7)))

    assert (outcome.stopped, outcome.steps) == ("nan", 7)
    assert "out of all bounds" in said.text
    assert (weights(module) == weights(reference)).all(), "the last good weights"


def _after(steps: int):
    polled = iter(range(1, 1000))
    return lambda: next(polled) >= steps


def test_F_O9_a_time_budget_stops_it_with_what_is_best(tmp_path):
    module = Net()

    outcome = train(module, Points(), FAST, a_run(tmp_path, time_budget_s=0.0), minus_error)

    assert outcome.stopped == "budget"
    assert outcome.best_score == pytest.approx(minus_error(module))


def test_more_time_goes_on_where_the_budget_ended(tmp_path):
    first = train(Net(), Points(), FAST, a_run(tmp_path, time_budget_s=0.0))
    module, reference = Net(), Net()

    second = train(module, Points(), FAST, a_run(tmp_path))
    train(reference, Points(), FAST, a_run(tmp_path / "other"))

    assert first.steps < second.steps == 40
    assert (weights(module) == weights(reference)).all()


def test_a_cancelled_training_stops_after_its_step_and_goes_on_later(tmp_path):
    said = Said()
    cancelled = train(Net(0.3), Points(), FAST, a_run(tmp_path, cancelled=_after(13)))
    module, reference = Net(0.3), Net(0.3)

    outcome = train(module, Points(), FAST, a_run(tmp_path, said.append))
    train(reference, Points(), FAST, a_run(tmp_path / "other"))

    assert (cancelled.stopped, cancelled.steps) == ("cancelled", 13)
    assert "resumed at step 13 of 40" in said
    assert len(outcome.history) == 40
    assert (weights(module) == weights(reference)).all()


def test_what_came_to_its_end_answers_at_once(tmp_path):
    first = train(Net(), Points(), FAST, a_run(tmp_path), minus_error)
    module = Breaking(1, "nan")

    again = train(module, Points(), FAST, a_run(tmp_path), minus_error)

    assert module.calls == 0
    assert again.best_score == first.best_score == pytest.approx(minus_error(module))


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory: 9 bytes")]
)
def test_F_D10_too_little_memory_halves_the_batch_and_keeps_the_step(tmp_path, error):
    class Large(Points):
        def batch(self, indices):
            if len(indices) > 5:
                raise error
            return super().batch(indices)

    said, module, reference = Said(), Net(), Net()

    outcome = train(module, Large(), FAST, a_run(tmp_path, said.append))
    train(reference, Points(), FAST, a_run(tmp_path / "other"))

    assert outcome.batch_size == 4
    assert outcome.notes == (
        "out of memory: 8 examples at a time instead of 16",
        "out of memory: 4 examples at a time instead of 8",
    )
    assert set(outcome.notes) <= set(said)
    np.testing.assert_allclose(weights(module), weights(reference), rtol=1e-4, atol=1e-5)


def test_accumulated_passes_are_one_step_though_rows_are_ragged(tmp_path):
    whole, parts = Net(), Net()

    once = train(whole, Points(), TrainerConfig(max_steps=10, batch_size=16), a_run(tmp_path / "a"))
    often = train(
        parts, Points(), TrainerConfig(max_steps=10, batch_size=5, accumulate=3), a_run(tmp_path / "b")
    )
    same = train(
        parts := Net(),
        Points(),
        TrainerConfig(max_steps=10, batch_size=4, accumulate=4),
        a_run(tmp_path / "c"),
    )

    assert often.history[0]["loss"] != once.history[0]["loss"], "15 examples are another step"
    assert [r["loss"] for r in same.history] == pytest.approx([r["loss"] for r in once.history], rel=1e-5)
    np.testing.assert_allclose(weights(parts), weights(whole), rtol=1e-4, atol=1e-5)


def test_an_error_of_the_model_passes_through(tmp_path):
    class Wrong(Points):
        def batch(self, indices):
            raise KeyError("column")

    with pytest.raises(KeyError, match="column"):
        train(Net(), Wrong(), FAST, a_run(tmp_path))


def test_nothing_to_train_on_is_said(tmp_path):
    with pytest.raises(UsageError, match="FORGE-TRAINER-EMPTY"):
        train(Net(), Points(examples=0), FAST, a_run(tmp_path))


def test_the_generator_of_the_caller_is_left_alone_and_nothing_is_printed(tmp_path, capfd):
    torch.manual_seed(5)
    module, expected = Net(), torch.rand(3)
    torch.manual_seed(5)
    Net()

    train(module, Points(), FAST, a_run(tmp_path, precision="bf16"))

    assert (torch.rand(3) == expected).all()
    assert capfd.readouterr() == ("", "")
