"""The executor: light steps in the run's process, heavy ones in a child that can die without taking the run along."""

import os
import signal
import threading
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest

from forge_resources.executors import COMPUTE_TAG, forge_executor

HEAVY = {COMPUTE_TAG: "cpu_heavy"}


@dg.op
def light() -> int:
    return os.getpid()


@dg.op(tags=HEAVY)
def heavy(upstream: int) -> tuple[int, int, int]:
    return upstream, os.getpid(), os.getpgid(0)


@dg.op(tags=HEAVY)
def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dg.op
def fails() -> None:
    raise ValueError("broken")


@dg.op(tags=HEAVY, config_schema=str)
def sleeps(context: dg.OpExecutionContext) -> None:
    Path(context.op_config).write_text(str(os.getpid()))
    time.sleep(120)


@dg.job(executor_def=forge_executor)
def mixed() -> None:
    heavy(light())


@dg.job(executor_def=forge_executor)
def dying() -> None:
    dies()


@dg.job(executor_def=forge_executor)
def failing() -> None:
    fails()


@dg.job(executor_def=forge_executor)
def sleeping() -> None:
    sleeps()


@pytest.fixture
def instance(tmp_path: Path):
    with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
        yield made


def test_a_light_step_shares_the_process_and_a_heavy_one_leads_its_own_group(instance):
    with dg.execute_job(dg.reconstructable(mixed), instance=instance) as result:
        assert result.success
        parent, child, group = result.output_for_node("heavy")
    assert parent == os.getpid()
    assert child == group != parent


def test_a_failed_light_step_fails_the_run_with_its_own_error(instance):
    with dg.execute_job(dg.reconstructable(failing), instance=instance) as result:
        assert not result.success
        (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert "broken" in failure.step_failure_data.error.to_string()


def test_a_child_that_dies_without_a_word_is_a_failed_step_soon(instance):
    began = time.monotonic()
    with dg.execute_job(dg.reconstructable(dying), instance=instance) as result:
        assert not result.success
        (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert "-9" in failure.step_failure_data.error.message
    assert time.monotonic() - began < 60, "noticed by the health check, not by a limit of hours"


def test_a_cancelled_run_leaves_no_child_behind(instance, tmp_path):
    mark = tmp_path / "pid"

    def cancel() -> None:
        for _ in range(600):
            if mark.exists() and mark.read_text():
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.1)

    threading.Thread(target=cancel, daemon=True).start()
    config = {"ops": {"sleeps": {"config": str(mark)}}}
    job = dg.reconstructable(sleeping)
    with dg.execute_job(job, instance=instance, run_config=config, raise_on_error=False) as result:
        assert not result.success

    assert not psutil.pid_exists(int(mark.read_text()))
