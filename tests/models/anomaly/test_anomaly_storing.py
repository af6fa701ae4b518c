"""A stored anomaly model whose parts do not fit each other is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_core.errors import Refused
from forge_models import artifact
from forge_models.anomaly import ANOMALY
from tests.models.anomaly.fitted import TASKS, model

BROKEN = [
    ("forest", "forest.right", lambda a: np.zeros_like(a)),
    ("forest", "forest.feature", lambda a: a + 100),
    ("forest", "forest.roots", lambda a: a + 10**9),
    ("neighbours", "near.points", lambda a: a[:, :, :2]),
    ("neighbours", "near.scale", lambda a: a * 0),
    ("rarity", "tails.knots", lambda a: a + 1),
    ("rarity", "tails.x", lambda a: a[::-1].copy()),
    ("rarity", "calibration.grid", lambda a: a * 0),
    ("rarity", "view.hours", lambda a: a[:5]),
    ("sequence", "net.heads.0.weight", lambda a: a[:1]),
]


@pytest.mark.parametrize(("name", "tensor", "change"), BROKEN)
def test_tensors_that_do_not_fit_are_refused(name: str, tensor: str, change, tmp_path: Path) -> None:
    ANOMALY.save(TASKS["account"], model("account", name), tmp_path / "model")
    arrays, document = artifact.read(tmp_path / "model")
    artifact.write(tmp_path / "model", {**arrays, tensor: change(arrays[tensor])}, document)
    with pytest.raises(Refused) as error:
        ANOMALY.load(TASKS["account"], tmp_path / "model")
    assert error.value.code == "FORGE-ARTIFACT-ANOMALY"


def test_a_model_of_the_other_task_is_refused(tmp_path: Path) -> None:
    ANOMALY.save(TASKS["routine"], model("routine", "rarity"), tmp_path / "model")
    with pytest.raises(Refused):
        ANOMALY.load(TASKS["account"], tmp_path / "model")


def test_a_model_holds_no_name_of_anybody(tmp_path: Path) -> None:
    for task in TASKS:
        ANOMALY.save(TASKS[task], model(task, "rarity"), tmp_path / task)
        for file in (tmp_path / task).iterdir():
            assert b"person" not in file.read_bytes()
