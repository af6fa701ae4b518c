"""MLflow as the one tracker: a run per family and Dagster run, found again from any step or process.

dagster-mlflow 0.29.27 ends the MLflow run with every step under MLflow 3 (the exit hook it unregisters is
no longer the one MLflow registers). So nothing here uses MLflow's global active run: every call names its
run, and only :meth:`finish` ends it. The tag ``dagster_run_id`` is the one that dagster-mlflow uses.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

TAG = "dagster_run_id"
BATCH = 1000  # metrics of one request, at most
EVERY_SECONDS = 10.0
_UNUSUAL = re.compile(r"[^\w\-. :/]")


class Tracking:
    """Runs, parameters and metrics. ``uri`` is MLflow's store, ``artifacts`` a folder or URL."""

    def __init__(self, uri: str, artifacts: str) -> None:
        self.uri, self.artifacts = uri, artifacts

    @cached_property
    def client(self) -> MlflowClient:
        import logging

        logging.getLogger("alembic").setLevel(logging.WARNING)  # the first use creates the schema
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def experiment(self, family: str) -> str:
        """The id of the family's experiment, made on first use."""
        found = self.client.get_experiment_by_name(family)
        if found is not None:
            return found.experiment_id
        location = self.artifacts if "://" in self.artifacts else Path(self.artifacts).as_uri()
        return self.client.create_experiment(family, artifact_location=f"{location}/{family}")

    def run(self, family: str, dagster_run_id: str, tags: Mapping[str, str] | None = None) -> str:
        """The MLflow run of this Dagster run: opened once, resumed by every later step."""
        found = self.find(family, dagster_run_id)
        if found:
            return found
        mine = {TAG: dagster_run_id, **(tags or {})}
        return self.client.create_run(self.experiment(family), tags=mine).info.run_id

    def find(self, family: str, dagster_run_id: str) -> str | None:
        """The MLflow run of this Dagster run, if one was opened."""
        wanted = f"tags.{TAG} = '{dagster_run_id}'"
        found = self.client.search_runs([self.experiment(family)], wanted, max_results=1)
        return found[0].info.run_id if found else None

    def log(
        self, run: str, metrics: Mapping[str, float] | None = None, params: Mapping[str, Any] | None = None
    ) -> None:
        """Metrics and parameters in one request, by the names that ``named`` gives them."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        self.client.log_batch(
            run,
            metrics=[Metric(named(k), float(v), now, 0) for k, v in (metrics or {}).items()],
            params=[Param(k, str(v)) for k, v in (params or {}).items()],
        )

    def log_series(self, run: str, points: Sequence[tuple[str, float, int, int]]) -> None:
        """Points of curves, each (name, value, step, milliseconds since 1970), in as few requests as MLflow takes."""
        from mlflow.entities import Metric

        for begin in range(0, len(points), BATCH):
            metrics = [
                Metric(named(name), value, at, step)
                for name, value, step, at in points[begin : begin + BATCH]
            ]
            self.client.log_batch(run, metrics=metrics)

    def finish(self, run: str, status: str = "FINISHED") -> None:
        self.client.set_terminated(run, status)


def named(metric: str) -> str:
    """As MLflow allows it, which has no ``@`` and no ``%`` in names: ``ndcg@10`` is ``ndcg_at_10``."""
    return _UNUSUAL.sub("_", metric.replace("@", "_at_").replace("%", "_percent"))


class Series:
    """Curves of one run, sent every few seconds: a request for every point would cost more than a training step."""

    def __init__(self, tracking: Tracking, run: str, warn: Callable[[str], None]) -> None:
        self._tracking, self._run, self._warn = tracking, run, warn
        self._points: list[tuple[str, float, int, int]] = []
        self._sent = time.monotonic()
        self._told = False

    def add(self, name: str, value: float, step: int) -> None:
        self._points.append((name, float(value), int(step), int(time.time() * 1000)))
        if len(self._points) >= BATCH or time.monotonic() - self._sent > EVERY_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what is waiting. A tracker that does not answer is no reason to end a training: it is said, once."""
        points, self._points = self._points, []
        self._sent = time.monotonic()
        if not points:
            return
        try:
            self._tracking.log_series(self._run, points)
        except Exception as error:  # whatever the store's client raises
            if not self._told:
                self._warn(f"MLflow did not take the curves of this training: {type(error).__name__}")
            self._told = True
