"""What a step of Dagster gives to training: its share of the time, a way to be cancelled, and where to report.

``with Training(...) as training: run = training.run(...)``. Nothing here trains; ``forge_models/trainer`` does.
"""

import shutil
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from dagster import DagsterExecutionInterruptedError

from forge_assets.outcome import digest
from forge_models.family import Candidate, TrainingRun
from forge_resources.stores import Stores
from forge_resources.tracking import Series

if TYPE_CHECKING:
    from forge_assets.families.bundle import Bundle, Lane

GRACE_SECONDS = 5.0  # for the step at work and its checkpoint; the executor kills after 8
STALE_SECONDS = 7 * 86_400.0  # checkpoints that nobody resumed


class Cancellation:
    """The first SIGTERM or SIGINT asks training to stop; what does not stop by itself is interrupted.

    Dagster raises an error wherever the code happens to be. Training is asked instead, so that it can end its step
    and write a checkpoint; what never asks (a closed form) is interrupted as before.
    """

    def __init__(self) -> None:
        self.asked = self._heeded = False
        self._before: dict[signal.Signals, Any] = {}
        self._here = threading.current_thread() is threading.main_thread()

    def __call__(self) -> bool:
        self._heeded = True
        return self.asked

    def __enter__(self) -> "Cancellation":
        if self._here:
            for what in (signal.SIGTERM, signal.SIGINT):
                self._before[what] = signal.signal(what, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._here:
            if self.asked:
                signal.setitimer(signal.ITIMER_REAL, 0)
            for what, before in self._before.items():
                signal.signal(what, before)

    def raise_if_asked(self) -> None:
        """Training has stopped because it was asked to: so does the step."""
        if self.asked:
            raise DagsterExecutionInterruptedError

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked or not self._heeded:
            raise DagsterExecutionInterruptedError
        self.asked = True
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        raise DagsterExecutionInterruptedError


class Training:
    """The fits of one asset: they share its time, its log, its MLflow run and its end."""

    def __init__(self, bundle: "Bundle", stores: Stores, context: Any, stage: str, data_version: str) -> None:
        self._bundle, self._stores, self._context = bundle, stores, context
        self._stage, self._data_version = stage, data_version
        self._began = time.monotonic()
        self.cancellation = Cancellation()
        self._folder = stores.settings.home / "checkpoints" / bundle.family.name
        self._series: Series | None = None

    def __enter__(self) -> "Training":
        self.cancellation.__enter__()
        self._sweep()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancellation.__exit__(kind, error, trace)
        if self._series is not None:
            self._series.flush()

    def run(
        self, lane: "Lane", candidate: Candidate, config: Mapping[str, Any], later: Sequence[Candidate]
    ) -> TrainingRun:
        """Everything that one fit needs. ``later``: the fits that are still to come, whose time it leaves them."""
        self.cancellation.raise_if_asked()
        settings = self._stores.settings
        told = lane.labelled(candidate.name)
        name = f"{self._stage}/{told}"
        if self._stage == "tuning":
            name += f"/{digest(config)[:4]}"
        left = settings.training_timeout_s - (time.monotonic() - self._began)
        # closed forms take seconds; what trains shares the time
        shares = 1 + sum(other.compute != "cpu" for other in later)
        return self._bundle.training_run(
            self._stores,
            self._data_version,
            lane,
            candidate,
            config,
            time_budget_s=max(0.0, left) / shares,
            log_metric=lambda metric, value, step: self._log(f"{name}/{metric}", value, step),
            progress=lambda message: self._context.log.info(f"{told}: {message}"),
            cancelled=self.cancellation,
        )

    def done(self) -> None:
        """All fits are kept as models: their checkpoints, which hold the same weights, are removed."""
        for folder in self._folder.glob(f"{self._data_version}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _log(self, name: str, value: float, step: int) -> None:
        if self._series is None:
            tracking = self._stores.tracking
            run = tracking.run(self._bundle.family.name, self._context.run.run_id)
            self._series = Series(tracking, run, self._context.log.warning)
        self._series.add(name, value, step)

    def _sweep(self) -> None:
        """Checkpoints of data versions that are gone hold weights that nobody asks for."""
        long_ago = time.time() - STALE_SECONDS
        for folder in self._folder.glob("*-*"):
            if folder.stat().st_mtime < long_ago:
                shutil.rmtree(folder, ignore_errors=True)
