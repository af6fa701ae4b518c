"""Models of the profile family, fitted in tests: few steps, one folder each."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa

from forge_core import keys
from forge_models.family import Splits, TrainingRun
from forge_models.profile import PROFILE
from forge_models.profile.models import ProfileModel

TASKS = {task.name: task for task in PROFILE.tasks}
CANDIDATES = ("counting", "decayed", "network", "frequency", "last_week")


def splits_of(task: str, evidence: pa.Table) -> Splits:
    return PROFILE.split(TASKS[task], {keys.EVIDENCE: evidence})


def fit(task: str, name: str, splits: Splits, **changed: object) -> ProfileModel:
    candidate = next(one for one in TASKS[task].candidates if one.name == name)
    config = {**candidate.configs("quick")[0], **changed}
    if name == "network":
        config |= {"steps": 20}
    run = TrainingRun(Path(tempfile.mkdtemp(prefix="profile-")), preset="quick", seed=3)
    return candidate.fit(splits, config, run)
