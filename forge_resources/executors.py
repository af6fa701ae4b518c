"""The executor: light steps in the run's own process, heavy ones in a child of their own.

Built from Dagster's stock StepDelegatingExecutor, which tails the event log; only the step handler is ours.
It routes a step by its tag ``forge/compute``. Measured against the default multiprocess executor in
``benchmarks/pipeline.py``.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from typing import Any

from dagster import Field, IntSource, executor
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.events import DagsterEvent
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._core.executor.init import InitExecutorContext
from dagster._core.executor.step_delegating import (
    CheckStepHealthResult,
    StepDelegatingExecutor,
    StepHandler,
    StepHandlerContext,
)
from dagster._core.instance import DagsterInstance
from dagster._grpc.types import ExecuteStepArgs

COMPUTE_TAG = "forge/compute"
LIGHT = "cpu"
# The executor sleeps this long between looks at the event log: a light step has just ended when it looks, a heavy
# one needs the processor more than we do.
POLL_SECONDS, POLL_SECONDS_HEAVY = 0.01, 0.2
HEALTH_SECONDS = 1  # how soon a child that died without a word is noticed
GRACE_SECONDS = 8  # a cancelled child may finish its checkpoint; the whole must end within 10 s

# What a child finds imported already. The first list of a process wins, so there is only this one.
PRELOAD = [
    "dagster._core.executor.multiprocess",
    "dagster._cli.api",
    "dagster_postgres",
    "sqlalchemy",
    "definitions",
]


def run_inline(context: StepHandlerContext, key: str) -> None:
    """Execute one step in this process; its events go to the event log, where the executor finds them.

    With the run's own job, which is loaded already: building it anew for every step costs more than the step.
    """
    from dagster._core.execution.api import create_execution_plan, execute_plan_iterator

    arguments, run = context.execute_step_args, context.dagster_run
    job = context._plan_context.reconstructable_job
    plan = create_execution_plan(
        job,
        run_config=run.run_config,
        step_keys_to_execute=[key],
        known_state=arguments.known_state,
        repository_load_data=context._plan_context.plan_data.execution_plan.repository_load_data,
    )
    for _ in execute_plan_iterator(
        plan, job, run, context.instance, retry_mode=arguments.retry_mode, run_config=run.run_config
    ):
        pass


def _child(arguments: ExecuteStepArgs) -> None:
    """Entry of a heavy step's process: leads its own process group, so that nothing it starts outlives it."""
    from dagster._cli.api import _execute_step_command_body
    from dagster._utils.interrupts import capture_interrupts

    os.setpgrp()
    with capture_interrupts(), DagsterInstance.from_ref(arguments.instance_ref) as instance:  # type: ignore[arg-type]
        run = instance.get_run_by_id(arguments.run_id)
        assert run is not None
        for _ in _execute_step_command_body(arguments, instance, run):
            pass


class RoutingStepHandler(StepHandler):
    """Runs a step inline or in a forkserver child, by its compute class."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOAD)
        forkserver.ensure_running()  # it imports while light steps are at work
        self._children: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return "forge"

    @property
    def busy(self) -> bool:
        """A child is at work."""
        return any(child.is_alive() for child in self._children.values())

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        arguments = step_handler_context.execute_step_args
        (key,) = arguments.step_keys_to_execute or ()
        compute = step_handler_context.step_tags[key].get(COMPUTE_TAG, LIGHT)
        if compute == LIGHT:
            # a failure is already an event of the step; a break-off by a signal must go on to the executor
            with contextlib.suppress(Exception):
                run_inline(step_handler_context, key)
        else:
            child = self._context.Process(target=_child, args=(arguments,), name=key)
            child.start()
            self._children[key] = child
        yield from ()

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        (key,) = step_handler_context.execute_step_args.step_keys_to_execute or ()
        child = self._children.get(key)
        if child is None or child.is_alive() or child.exitcode == 0:
            return CheckStepHealthResult.healthy()
        return CheckStepHealthResult.unhealthy(
            f"its process ended with code {child.exitcode}; -9 is most often the kernel, short of memory"
        )

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        (key,) = step_handler_context.execute_step_args.step_keys_to_execute or ()
        child = self._children.pop(key, None)
        if child is not None and child.is_alive():
            _signal_group(child.pid, signal.SIGTERM)
            child.join(GRACE_SECONDS)
            _signal_group(child.pid, signal.SIGKILL)
        yield from ()


def _signal_group(pid: int, what: signal.Signals) -> None:
    kill: Callable[[int, int], None] = os.killpg
    with contextlib.suppress(ProcessLookupError, PermissionError):
        kill(pid, what)


class ForgeExecutor(StepDelegatingExecutor):
    """The stock executor with a pause that follows what is at work."""

    @property
    def _sleep_seconds(self) -> float:
        return POLL_SECONDS_HEAVY if self._step_handler.busy else POLL_SECONDS  # type: ignore[attr-defined]

    @_sleep_seconds.setter
    def _sleep_seconds(self, value: float) -> None:
        """The base class sets it once; ours is worked out."""


@executor(
    name="forge",
    config_schema={
        "max_concurrent": Field(
            IntSource, default_value=os.cpu_count() or 1, description="steps at a time, heavy ones included"
        ),
        "retries": get_retries_config(),
    },
    requirements=multiple_process_executor_requirements(),
)
def forge_executor(context: InitExecutorContext) -> StepDelegatingExecutor:
    """Light steps in process, heavy ones in a child of their own."""
    return ForgeExecutor(
        RoutingStepHandler(),
        retries=RetryMode.from_config(context.executor_config["retries"]),  # type: ignore[arg-type]
        check_step_health_interval_seconds=HEALTH_SECONDS,
        max_concurrent=int(str(context.executor_config["max_concurrent"])),
    )
