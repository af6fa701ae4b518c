"""Load of hours and days: silence is filled in, gaps are not learned from, bands hold, changes are said in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from forge_models.behavior import BEHAVIOR, changes, conformal, evaluating, series
from forge_models.behavior.description import DAILY, FORECASTS, HOURLY, PLACES
from forge_models.behavior.instants import DAY, HOUR
from forge_models.behavior.series import Load
from forge_models.family import Splits, TrainingRun
from tests.models.behavior import lives

HOURS, DAYS = BEHAVIOR.tasks[2], BEHAVIOR.tasks[3]


@pytest.fixture(scope="module")
def hourly() -> pa.Table:
    return lives.activity()


@pytest.fixture(scope="module")
def hours(hourly: pa.Table) -> Splits:
    return BEHAVIOR.split(HOURS, {HOURLY: hourly})


def fitted(name: str, splits: Splits, folder: Path, task=HOURS, **config: object):
    one = next(one for one in task.candidates if one.name == name)
    return one.fit(splits, {**one.configs("quick")[0], **config}, TrainingRun(folder, device="cpu"))


def load_of(values: np.ndarray, step: int = DAY) -> Load:
    known = series._known(values, step)
    return Load("p", "s", "e", "events", lives.START, step, values, known, np.zeros(len(values), np.int8))


def test_hours_in_which_nothing_was_are_zero(hourly: pa.Table) -> None:
    made = {one.measure: one for one in series.filled(hourly, HOUR)}
    assert set(made) == {"events", "calendar_minutes"}
    values = made["events"].values
    assert len(values) == 120 * 24
    assert values.sum() == sum(hourly["events"].to_pylist())
    assert (values == 0).sum() > 500


def test_a_split_of_days_has_no_leak_and_comes_back_from_any_order(hours: Splits) -> None:
    assert set(BEHAVIOR.leakage(HOURS, hours).values()) == {0}
    first, second = (hours.rows[name].to_pylist() for name in hours.rows.column_names[:2])
    assert len(set(zip(first, second, strict=True))) == hours.rows.num_rows
    mixed = hours.rows.take(np.random.default_rng(0).permutation(hours.rows.num_rows))
    for one, other in zip(series.from_rows(hours.rows, HOUR), series.from_rows(mixed, HOUR), strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.part, other.part)


@pytest.mark.parametrize("name", ["lags", "seasonal_mean", "seasonal_naive"])
def test_nothing_after_the_origin_is_used(name: str, hours: Splits, tmp_path: Path) -> None:
    model = fitted(name, hours, tmp_path)
    load = series.from_rows(hours.rows, HOUR)[1]
    origin = np.array([100 * 24])
    values = load.values.copy()
    values[100 * 24 :] = 1e6
    changed = Load(**{**vars(load), "values": values})
    np.testing.assert_array_equal(model.forecast(load, origin).point, model.forecast(changed, origin).point)


def test_the_week_is_learned_and_the_band_holds(hours: Splits, tmp_path: Path) -> None:
    model = fitted("lags", hours, tmp_path)
    found = BEHAVIOR.evaluate(HOURS, model, hours, "test")
    assert found.metrics["mase"].value < 1.0
    assert found.metrics["coverage"].value > 0.8
    assert len(found.subjects) == len(found.per_subject["mase"]) == found.metrics["mase"].n


def test_every_model_is_judged_on_the_same_units(hours: Splits, tmp_path: Path) -> None:
    found = [
        BEHAVIOR.evaluate(HOURS, fitted(name, hours, tmp_path), hours, "validation")
        for name in ("lags", "seasonal_mean", "seasonal_naive")
    ]
    assert len({tuple(one.subjects) for one in found}) == 1


def test_the_network_of_load_learns_and_is_the_same_again(hours: Splits, tmp_path: Path) -> None:
    first = fitted("network", hours, tmp_path / "a", steps=20)
    again = fitted("network", hours, tmp_path / "b", steps=20)
    load = series.from_rows(hours.rows, HOUR)[1]
    at = np.array([90 * 24, 100 * 24])
    np.testing.assert_array_equal(first.forecast(load, at).point, again.forecast(load, at).point)
    assert BEHAVIOR.evaluate(HOURS, first, hours, "test").metrics["mase"].value < 1.0


def test_split_conformal_holds_what_it_promises() -> None:
    rng = np.random.default_rng(0)
    bands = conformal.quantiles(rng.standard_t(4, (400, 3)))
    fresh = rng.standard_t(4, (20_000, 3))
    inside = ((fresh >= bands.low) & (fresh <= bands.high)).mean()
    assert abs(inside - conformal.NOMINAL) < 0.03


def test_months_without_an_export_are_a_gap_and_no_quiet(tmp_path: Path) -> None:
    table = lives.activity(days=200, gap=(60, 120))
    splits = BEHAVIOR.split(DAYS, {DAILY: lives.daily(table)})
    load = next(one for one in series.from_rows(splits.rows, DAY) if one.measure == "events")
    assert (~load.known).sum() == 60
    model = fitted("lags", splits, tmp_path, DAYS)
    assert model.forecast(load, np.array([len(load)])).point.min() > 5
    said = changes.of_load(load)
    assert [one.kind for one in said] == ["gap"]
    assert "8 weeks or more" in said[0].words


@pytest.mark.parametrize(
    "values", [np.ones(60), np.zeros(60), np.r_[np.zeros(59), 5.0]], ids=["one", "none", "last"]
)
def test_constant_and_empty_series_are_foretold(values: np.ndarray, tmp_path: Path) -> None:
    load = load_of(values)
    rows = series.as_rows([load])
    splits = Splits(rows.append_column("split", pa.array(["train"] * rows.num_rows)), {}, "temporal")
    for name in ("lags", "seasonal_mean", "seasonal_naive"):
        said = fitted(name, splits, tmp_path, DAYS).forecast(load, np.array([len(load)]))
        assert np.isfinite([said.point, said.low, said.high]).all()
        assert (said.low <= said.point).all()
        assert (said.point <= said.high).all()
    assert evaluating.denominator(load) > 0


def test_a_weekly_season_and_a_tiny_shift_are_no_change_but_a_real_one_is() -> None:
    rng = np.random.default_rng(1)
    for n in (100, 1000, 3000):
        week = 20 + 10 * (np.arange(n) % 7 >= 5)
        steady = rng.poisson(week).astype(float)
        assert changes.shifts(steady, np.arange(n) % 7) == []
        tiny = steady + 0.3 * (np.arange(n) >= n // 2)  # some twentieth of a standard deviation
        assert changes.shifts(tiny, np.arange(n) % 7) == []
        shifted = rng.poisson(week * np.where(np.arange(n) < n // 2, 1.0, 2.0)).astype(float)
        found = changes.shifts(shifted, np.arange(n) % 7)
        assert len(found) == 1
        assert abs(found[0][0] - n // 2) <= 3


def test_a_new_phone_takes_over_and_a_second_one_does_not() -> None:
    end = {"old": lives.START + 90 * DAY, "new": lives.START + 200 * DAY}
    said = changes.of_sources({"old": lives.START, "new": lives.START + 91 * DAY}, end)
    assert [one.words for one in said] == [
        "since 2024-04-01 new instead of old: another device or account, no other habits"
    ]
    assert changes.of_sources({"old": lives.START, "new": lives.START + 10 * DAY}, end) == []


def test_a_home_without_activity_learns_nothing() -> None:
    empty = lives.activity(days=1).slice(0, 0)
    splits = BEHAVIOR.split(HOURS, {HOURLY: empty})
    assert BEHAVIOR.size(HOURS, splits) == {"days": 0, "active_days": 0, "evaluated_days": 0}
    few = BEHAVIOR.split(HOURS, {HOURLY: lives.activity(days=12)})
    assert BEHAVIOR.size(HOURS, few)["days"] < HOURS.minimum["days"]


def test_tomorrow_is_said_in_words_with_its_band(hourly: pa.Table, hours: Splits, tmp_path: Path) -> None:
    tables = {
        HOURLY: hourly,
        DAILY: lives.daily(hourly),
        PLACES: lives.visits(days=120, subjects=1, moved_on=60),
    }
    days = BEHAVIOR.split(DAYS, tables)
    models = {
        "load_hourly": fitted("lags", hours, tmp_path),
        "load_daily": fitted("lags", days, tmp_path, DAYS),
    }
    said = BEHAVIOR.answer(models, tables)
    by_task = {task: [one for one in said.said if one.task == task] for task in (*models, "changes")}
    assert all(one.low <= one.value <= one.high for task in models for one in by_task[task])
    assert "in nine days of ten" in by_task["load_daily"][0].what
    busiest = [one.what for one in by_task["load_hourly"] if "events" in one.what]
    assert all(any(f"{hour}:00 to" in one for hour in (19, 20, 21)) for one in busiest)
    assert any("instead of home 0" in one.what for one in by_task["changes"])
    assert "learning mode" in said.note
    assert "next_place" in said.note
    told = BEHAVIOR.tell(models, tables)[FORECASTS]
    assert {"subject", "source", "export"} <= set(told.column_names)
    assert told.num_rows == 2 * 24 + 2 * 7
