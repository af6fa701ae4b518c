"""Every kind of model comes back as it was, and one whose arrays do not fit is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_core.errors import Refused, UsageError
from forge_models import artifact
from forge_models.behavior import BEHAVIOR
from forge_models.behavior.description import CALENDAR, DAILY, HOURLY, PLACES, SESSIONS
from forge_models.family import Splits, TrainingRun
from forge_models.pictures import Band, Bars, Heat, Matrix
from tests.models.behavior import lives

CASES = [(task, one) for task in (BEHAVIOR.tasks[0], BEHAVIOR.tasks[3]) for one in task.candidates]


@pytest.fixture(scope="module")
def made() -> dict[str, Splits]:
    hourly = lives.activity()
    tables = {
        PLACES: lives.visits(), HOURLY: hourly, DAILY: lives.daily(hourly), SESSIONS: lives.sessions(),
        CALENDAR: lives.calendar(),
    }  # fmt: skip
    return {task.name: BEHAVIOR.split(task, tables) for task in BEHAVIOR.tasks}


def fitted(task, one, made: dict[str, Splits], folder: Path):
    config = {**one.configs("quick")[0], **({"steps": 5} if one.name == "network" else {})}
    return one.fit(made[task.name], config, TrainingRun(folder / "run", device="cpu"))


@pytest.mark.parametrize(("task", "one"), CASES, ids=[f"{task.name}-{one.name}" for task, one in CASES])
def test_a_model_comes_back_as_it_was(task, one, made: dict[str, Splits], tmp_path: Path) -> None:
    model = fitted(task, one, made, tmp_path)
    BEHAVIOR.save(task, model, tmp_path / "model")
    again = BEHAVIOR.load(task, tmp_path / "model")
    before, after = (BEHAVIOR.evaluate(task, it, made[task.name], "test") for it in (model, again))
    for name, values in before.per_subject.items():
        np.testing.assert_array_equal(values, after.per_subject[name])


def broken(arrays: dict[str, np.ndarray], document: dict, how: str) -> None:
    if how == "indices":
        arrays["after.indices"] = arrays["after.indices"] + 1000
    elif how == "weights":
        arrays["weights"] = arrays["weights"][:-1]
    elif how == "counts":
        arrays["counts"] = -arrays["counts"] - 1
    elif how == "kind":
        document["kind"] = "pickle"
    elif how == "family":
        document["family"] = "recommender"
    elif how == "labels":
        arrays |= artifact.pack_strings("labels", ["b", "a"])


@pytest.mark.parametrize("how", ["indices", "weights", "counts", "kind", "family", "labels"])
def test_a_model_whose_arrays_do_not_fit_is_refused(
    how: str, made: dict[str, Splits], tmp_path: Path
) -> None:
    task = BEHAVIOR.tasks[0]
    BEHAVIOR.save(task, fitted(task, task.candidates[0], made, tmp_path), tmp_path / "model")
    arrays, document = artifact.read(tmp_path / "model")
    arrays = {name: np.array(array) for name, array in arrays.items()}
    broken(arrays, document, how)
    artifact.write(tmp_path / "model", arrays, document)
    with pytest.raises(Refused, match="FORGE-ARTIFACT-BEHAVIOR"):
        BEHAVIOR.load(task, tmp_path / "model")


@pytest.mark.parametrize(
    ("field", "value"), [("lags", 10**9), ("horizon", 0), ("design", "eval"), ("period", 10**4)]
)
def test_a_frame_out_of_bounds_is_refused(field: str, value, made: dict[str, Splits], tmp_path: Path) -> None:
    task = BEHAVIOR.tasks[3]
    BEHAVIOR.save(task, fitted(task, task.candidates[0], made, tmp_path), tmp_path / "model")
    arrays, document = artifact.read(tmp_path / "model")
    document["frames"][0][field] = value
    artifact.write(tmp_path / "model", {name: np.array(a) for name, a in arrays.items()}, document)
    with pytest.raises(Refused, match="FORGE-ARTIFACT-BEHAVIOR"):
        BEHAVIOR.load(task, tmp_path / "model")


def test_each_task_has_its_pictures(made: dict[str, Splits], tmp_path: Path) -> None:
    wanted = {"next_place": {Matrix, Heat, Bars}, "load_hourly": {Band, Heat}, "load_daily": {Band}}
    for task in BEHAVIOR.tasks:
        if task.name in wanted:
            model = fitted(task, task.candidates[0], made, tmp_path)
            shown = BEHAVIOR.pictures(task, model, made[task.name])
            assert {type(one) for one in shown.values()} == wanted[task.name]


def test_each_task_has_a_baseline_a_closed_form_and_a_network() -> None:
    for task in BEHAVIOR.tasks:
        names = {one.name for one in task.candidates}
        assert any(one.is_baseline for one in task.candidates)
        assert "network" in names
        assert names & {"counting", "lags"}


def test_train_is_no_part_to_judge_on_and_unknown_tasks_are_refused(
    made: dict[str, Splits], tmp_path: Path
) -> None:
    task = BEHAVIOR.tasks[0]
    model = fitted(task, task.candidates[0], made, tmp_path)
    with pytest.raises(UsageError, match="FORGE-EVALUATE-PART"):
        BEHAVIOR.evaluate(task, model, made[task.name], "train")
    with pytest.raises(UsageError, match="FORGE-BEHAVIOR-TASK"):
        BEHAVIOR.answer({}, {}, task="astrology")
