"""Training inside a step of Dagster: cancelled with a checkpoint, told to MLflow and the run's log, drawn."""

import os
import signal
import threading
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest

from forge_assets import pictures
from forge_assets.families.bundle import Bundle
from forge_assets.families.training import Cancellation, Training
from forge_models.family import TrainingRun
from forge_models.recommender import RECOMMENDER
from forge_resources.executors import COMPUTE_TAG, forge_executor
from tests.models.trainer.toys import Net, Points, minus_error

STEPS = 20


class Endless(Points):
    """Tells its process to a file when some steps are done; each takes a while."""

    def __init__(self, mark: Path) -> None:
        super().__init__()
        object.__setattr__(self, "mark", mark)
        object.__setattr__(self, "asked", [])

    def batch(self, indices):
        self.asked.append(indices)
        if len(self.asked) == 3:
            self.mark.write_text(str(os.getpid()))
        time.sleep(0.05)
        return super().batch(indices)


@dg.op(tags={COMPUTE_TAG: "cpu_heavy"}, config_schema=str)
def trains_for_ever(context: dg.OpExecutionContext) -> None:
    from forge_models.trainer import TrainerConfig, train

    folder = Path(context.op_config)
    with Cancellation() as cancelled:
        run = TrainingRun(folder / "checkpoints", cancelled=cancelled)
        train(Net(), Endless(folder / "pid"), TrainerConfig(max_steps=10**6), run)
        cancelled.raise_if_asked()


@dg.job(executor_def=forge_executor)
def training_for_ever() -> None:
    trains_for_ever()


def test_a_cancelled_run_ends_its_training_with_a_checkpoint_and_leaves_nobody(tmp_path):
    mark = tmp_path / "pid"

    def cancel() -> None:
        while not (mark.exists() and mark.read_text()):
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=cancel, daemon=True).start()
    config = {"ops": {"trains_for_ever": {"config": str(tmp_path)}}}
    with (
        dg.instance_for_test(temp_dir=str(tmp_path)) as instance,
        dg.execute_job(
            dg.reconstructable(training_for_ever), instance=instance, run_config=config, raise_on_error=False
        ) as result,
    ):
        assert not result.success

    assert not psutil.pid_exists(int(mark.read_text()))
    written = max(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert written > "step-000000000.ckpt", "the step at work was ended and kept"


def ends_itself(asks: bool) -> None:
    """Told to end, and goes on."""
    with Cancellation() as cancelled:
        assert not asks or not cancelled()
        os.kill(os.getpid(), signal.SIGTERM)
        assert cancelled()
        time.sleep(5)


def test_what_never_asks_is_interrupted_at_once():
    with pytest.raises(dg.DagsterExecutionInterruptedError):
        ends_itself(asks=False)


def test_what_asks_and_does_not_stop_is_interrupted_after_a_grace(monkeypatch):
    monkeypatch.setattr("forge_assets.families.training.GRACE_SECONDS", 0.2)

    with pytest.raises(dg.DagsterExecutionInterruptedError):
        ends_itself(asks=True)


class Toy:
    name, is_baseline, compute = "toy", False, "cpu_heavy"


@dg.op(required_resource_keys={"stores"})
def trains(context: dg.OpExecutionContext) -> list:
    from forge_models.trainer import TrainerConfig, train

    config = {"width": 3}
    bundle = Bundle(RECOMMENDER)
    with Training(bundle, context.resources.stores, context, "model", "v1") as training:
        run = training.run(bundle.lanes[0], Toy(), config, [Toy(), Toy()])  # type: ignore[arg-type, list-item]
        run.progress(f"has {run.time_budget_s:.0f} s in {run.folder.name}")
        trainer = TrainerConfig(max_steps=STEPS, evaluate_every=10)
        outcome = train(Net(), Points(), trainer, run, minus_error)
        assert list(run.folder.iterdir())
    training.done()
    assert not run.folder.exists()
    return list(outcome.history)


@dg.job(executor_def=dg.in_process_executor)
def training_once() -> None:
    trains()


def test_curves_are_in_mlflow_and_progress_in_the_log(stores):
    instance = dg.DagsterInstance.ephemeral()

    result = training_once.execute_in_process(instance=instance, resources={"stores": stores})

    run = stores.tracking.find("recommender", result.run_id)
    losses = stores.tracking.client.get_metric_history(run, "model/toy/loss")
    assert sorted(point.step for point in losses) == list(range(1, STEPS + 1))
    assert len(stores.tracking.client.get_metric_history(run, "model/toy/score")) == 2
    said = [event.user_message for event in instance.all_logs(result.run_id)]
    assert any(line.startswith("toy: has 1200 s in v1-") for line in said), "a third of the step's hour"


def test_the_picture_of_a_training_has_all_its_curves():
    rows = [{"step": n, "loss": 3 / n, "learning_rate": 1e-3, "examples_per_s": 9.0, "memory_mb": 5.0,
             "experts/0": n, "experts/1": 9 - n, **({"score": n / 9} if n % 3 == 0 else {})}
            for n in range(1, 9)]  # fmt: skip

    alternative, png = pictures.training({"width=3": rows, "width=4": rows[:5]})

    assert alternative == "training curves"
    assert png.startswith(b"\x89PNG")
    assert len(png) < 60_000
