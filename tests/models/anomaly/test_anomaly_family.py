"""The anomaly family keeps the contract: split by time, candidates that fit, are judged alike, stored and told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from forge_models.anomaly import ANOMALY
from forge_models.pictures import Bars, Heat, Timeline
from tests.models.anomaly import logs
from tests.models.anomaly.fitted import KEY, TASKS, fit, model, splits_of, table

EVERY = [(task, one.name) for task in TASKS for one in TASKS[task].candidates]


def test_importing_the_family_is_light() -> None:
    heavy = "[m for m in ('torch', 'numba', 'sklearn', 'scipy', 'numpy') if m in sys.modules]"
    code = f"import sys; import forge_models.anomaly; print({heavy})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_baseline_a_count_and_a_network(task: str) -> None:
    candidates = TASKS[task].candidates
    assert any(one.is_baseline for one in candidates)
    assert any(one.name == "rarity" for one in candidates)
    assert any(one.compute == "gpu" for one in candidates)


@pytest.mark.parametrize("task", TASKS)
def test_the_split_is_by_time_for_everybody(task: str) -> None:
    splits = splits_of(task, table(task))
    assert set(ANOMALY.leakage(TASKS[task], splits).values()) == {0}
    assert ANOMALY.leakage(TASKS[task], splits.refit())["train_in_a_later_window"] == 0
    sizes = ANOMALY.size(TASKS[task], splits)
    assert all(sizes[name] >= least for name, least in TASKS[task].minimum.items())
    latest = pc.max(splits.part("train")["time"]).as_py()
    assert latest < pc.min(splits.part("validation")["time"]).as_py()


@pytest.mark.parametrize("task", TASKS)
def test_a_row_in_the_wrong_part_is_leakage(task: str) -> None:
    splits = splits_of(task, table(task))
    flipped = pc.if_else(pc.equal(splits.rows["split"], "test"), "train", "validation")
    broken = splits.rows.set_column(splits.rows.column_names.index("split"), "split", flipped)
    from forge_models.family import Splits

    found = ANOMALY.leakage(TASKS[task], Splits(broken, {}, "temporal"))
    assert found["train_in_a_later_window"] > 0


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_a_stored_model_says_the_same(task: str, name: str, tmp_path: Path) -> None:
    fitted = model(task, name)
    ANOMALY.save(TASKS[task], fitted, tmp_path / "model")
    loaded = ANOMALY.load(TASKS[task], tmp_path / "model")
    seen = splits_of(task, table(task)).rows
    before, after = fitted.score(seen), loaded.score(seen)
    np.testing.assert_allclose(after.score, before.score, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(after.days, before.days, rtol=1e-4)
    assert np.isfinite(before.score).all()


def test_all_models_are_judged_on_the_same_units() -> None:
    splits = splits_of("account", table("account"))
    first = ANOMALY.evaluate(TASKS["account"], model("account", "rarity"), splits, "test")
    second = ANOMALY.evaluate(TASKS["account"], model("account", "volume"), splits, "test")
    assert first.subjects == second.subjects
    assert set(first.slices) == set(second.slices)
    assert first.metrics["average_precision"].value > second.metrics["average_precision"].value
    for values in first.per_subject.values():
        assert len(values) == len(first.subjects) >= 60
        assert ((values >= 0) & (values <= 1)).all()


@pytest.mark.parametrize("task", TASKS)
def test_counting_finds_planted_incidents(task: str) -> None:
    found = ANOMALY.evaluate(TASKS[task], model(task, "rarity"), splits_of(task, table(task)), "validation")
    assert found.metrics["recall@month"].value >= 0.8
    assert found.metrics["alerts_per_week"].value <= 1


def test_pseudonyms_do_not_matter() -> None:
    one = fit("account", "neighbours", splits_of("account", table("account")).refit())
    other_names = logs.security(3, 80, per_day=5, prefix="zz")
    renamed = pc.replace_substring_regex(other_names["subject"], "zz0", "a-last")
    other_names = other_names.set_column(other_names.column_names.index("subject"), "subject", renamed)
    splits = splits_of("account", other_names)
    other = fit("account", "neighbours", splits.refit())
    np.testing.assert_array_equal(one.detector.neighbours.points, other.detector.neighbours.points)
    assert one.calibration.start == other.calibration.start
    judged = ANOMALY.evaluate(TASKS["account"], one, splits_of("account", table("account")), "test").metrics
    again = ANOMALY.evaluate(TASKS["account"], other, splits, "test").metrics
    assert judged == again


def test_pictures_of_both_tasks() -> None:
    for task in TASKS:
        drawn = ANOMALY.pictures(TASKS[task], model(task, "rarity"), splits_of(task, table(task)))
        assert isinstance(drawn["timeline"], Timeline)
        assert isinstance(drawn["heat"], Heat)
        assert isinstance(drawn["scenarios"], Bars)
        heat, timeline = drawn["heat"], drawn["timeline"]
        assert heat.values.shape == (len(heat.rows), len(heat.columns))
        assert len(timeline.times) == len(timeline.values)


def test_no_rows_are_too_few_and_nothing_fails() -> None:
    for task in TASKS:
        splits = splits_of(task, table(task).slice(0, 0))
        assert ANOMALY.size(TASKS[task], splits) == {"days": 0, "events": 0, "evaluated_events": 0}
        assert set(ANOMALY.leakage(TASKS[task], splits).values()) == {0}


def test_told_tables_carry_whose_they_are() -> None:
    models = {task: model(task, "rarity") for task in TASKS}
    told = ANOMALY.tell(models, {KEY[task]: table(task) for task in TASKS})
    assert set(told) == set(ANOMALY.insights)
    for answers in told.values():
        assert {"subject", "source", "export", "time"} <= set(answers.column_names)
        assert not any(pa.types.is_nested(t) and not pa.types.is_list(t) for t in answers.schema.types)
