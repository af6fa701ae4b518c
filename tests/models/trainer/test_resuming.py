"""A killed training goes on where its last checkpoint ends, in another process, and comes to the very same weights."""

from __future__ import annotations

import pickle

import pytest

from forge_models.trainer import TrainerConfig, train
from tests.models.trainer.toys import Net, Points, Said, a_run, killed, minus_error, weights

CONFIG = {"max_steps": 30, "batch_size": 8, "learning_rate": 1e-2, "checkpoint_every": 5, "evaluate_every": 6}


def test_F_D11_a_run_that_was_killed_reaches_the_weights_of_one_that_was_not(tmp_path):
    unbroken = Net(dropout=0.2)
    whole = train(unbroken, Points(), TrainerConfig(**CONFIG), a_run(tmp_path / "whole"), minus_error)

    code = killed(tmp_path / "killed", CONFIG, at=18)
    said, module = Said(), Net(dropout=0.2)
    resumed = train(
        module, Points(), TrainerConfig(**CONFIG), a_run(tmp_path / "killed", said.append), minus_error
    )

    assert code == -9
    assert "resumed at step 15 of 30" in said
    assert (weights(module) == weights(unbroken)).all()
    assert [r["loss"] for r in resumed.history] == [r["loss"] for r in whole.history]
    assert resumed.best_step == whole.best_step


def _stopped_at(folder, steps):
    polled = iter(range(1, 1000))
    train(Net(), Points(), TrainerConfig(**CONFIG), a_run(folder, cancelled=lambda: next(polled) >= steps))


@pytest.mark.parametrize("left", [0, 100, -10])
def test_a_checkpoint_that_is_cut_short_gives_way_to_the_one_before(tmp_path, left):
    _stopped_at(tmp_path, 13)
    newest = max(tmp_path.glob("*.ckpt"))
    newest.write_bytes(newest.read_bytes()[:left])
    said, module, reference = Said(), Net(), Net()

    train(module, Points(), TrainerConfig(**CONFIG), a_run(tmp_path, said.append))
    train(reference, Points(), TrainerConfig(**CONFIG), a_run(tmp_path / "other"))

    assert "step-000000013.ckpt is damaged" in said.text
    assert "resumed at step 10 of 30" in said
    assert (weights(module) == weights(reference)).all()


def test_F_M1_a_checkpoint_that_would_run_code_does_not(tmp_path):
    class Canary:
        def __reduce__(self):
            return (tmp_path.joinpath("canary").touch, ())

    said = Said()
    (tmp_path / "step-000000099.ckpt").write_bytes(pickle.dumps(Canary()))

    outcome = train(Net(), Points(), TrainerConfig(max_steps=2), a_run(tmp_path, said.append))

    assert outcome.steps == 2
    assert "damaged" in said.text
    assert not (tmp_path / "canary").exists()


def test_the_checkpoint_of_another_configuration_is_passed_over(tmp_path):
    _stopped_at(tmp_path, 13)
    said = Said()

    outcome = train(
        Net(), Points(), TrainerConfig(**{**CONFIG, "learning_rate": 1e-3}), a_run(tmp_path, said.append)
    )

    assert "another configuration" in said.text
    assert len(outcome.history) == 30


def test_two_checkpoints_are_kept_and_what_a_killed_write_left_is_removed(tmp_path):
    (tmp_path / "step-000000003.77.new").write_bytes(b"half")

    train(Net(), Points(), TrainerConfig(**CONFIG), a_run(tmp_path))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000025.ckpt", "step-000000030.ckpt"]
