"""Models for the tests, fitted once each: the same seeds give the same models."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pyarrow as pa

from forge_models.anomaly import ANOMALY
from forge_models.anomaly.description import INPUT
from forge_models.anomaly.models import AnomalyModel
from forge_models.family import Splits, Task, TrainingRun
from tests.models.anomaly import logs

ACCOUNT, ROUTINE = ANOMALY.tasks
TASKS: dict[str, Task] = {"account": ACCOUNT, "routine": ROUTINE}
KEY = INPUT


def splits_of(task: str, table: pa.Table) -> Splits:
    return ANOMALY.split(TASKS[task], {KEY[task]: table})


@cache
def table(task: str, subjects: int = 3) -> pa.Table:
    return logs.security(subjects, 80, per_day=5) if task == "account" else logs.daily(subjects, 100)


@cache
def model(task: str, name: str, subjects: int = 3) -> AnomalyModel:
    return fit(task, name, splits_of(task, table(task, subjects)).refit())


def fit(task: str, name: str, splits: Splits) -> AnomalyModel:
    candidate = next(one for one in TASKS[task].candidates if one.name == name)
    with tempfile.TemporaryDirectory() as folder:
        return candidate.fit(splits, candidate.configs("quick")[0], TrainingRun(Path(folder)))
