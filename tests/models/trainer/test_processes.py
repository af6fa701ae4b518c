"""Several processes take the very steps of one, and none outlives the training."""

from __future__ import annotations

import psutil
import pytest

from forge_core.errors import ForgeError
from forge_models.trainer import TrainerConfig, train
from tests.models.trainer.toys import Net, Points, Said, a_run, minus_error, weights

CONFIG = {"max_steps": 6, "batch_size": 16, "learning_rate": 1e-2, "evaluate_every": 3, "accumulate": 2}


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_have_the_loss_of_one(tmp_path, strategy):
    one, two = Net(), Net()
    children = set(psutil.Process().children(recursive=True))

    alone = train(one, Points(), TrainerConfig(**CONFIG), a_run(tmp_path / "one"), minus_error)
    run = a_run(tmp_path / "two", strategy=strategy, processes=2)
    together = train(two, Points(), TrainerConfig(**CONFIG), run, minus_error)

    losses = [[row["loss"] for row in outcome.history] for outcome in (alone, together)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert together.best_score == pytest.approx(alone.best_score, rel=1e-4)
    assert weights(two) == pytest.approx(weights(one), rel=1e-3, abs=1e-5)
    assert not [c for c in psutil.Process().children(recursive=True) if c not in children and _works(c)]


def _works(process: psutil.Process) -> bool:
    """Neither gone nor the tracker of shared memory, which multiprocessing keeps for itself."""
    try:
        return process.is_running() and "resource_tracker" not in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


class Failing(Points):
    """Fails in the process that is not the leader, which alone has half of a step."""

    def batch(self, indices):
        import torch.distributed

        if torch.distributed.get_rank() == 1:
            raise ValueError("a word that is nobody's business")
        return super().batch(indices)


def test_a_process_that_fails_ends_all_with_its_reason(tmp_path):
    said = Said()
    config = TrainerConfig(max_steps=3, batch_size=8, strategy="ddp", processes=2)

    with pytest.raises(ForgeError, match="FORGE-TRAINER-PROCESS") as failed:
        train(Net(), Failing(), config, a_run(tmp_path, said.append))

    assert "ValueError" in str(failed.value)
    assert "nobody" not in str(failed.value)
