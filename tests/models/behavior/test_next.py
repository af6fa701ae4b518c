"""Next place and next activity: what the models know, that they never look ahead, and that habits are found again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from forge_models.behavior import Behavior, counting, markov, moves
from forge_models.behavior.description import CALENDAR, NEXT, PLACES, SESSIONS
from forge_models.behavior.timelines import Timeline, timelines
from forge_models.family import Splits, TrainingRun
from tests.models.behavior import lives

FAMILY = Behavior()
TASK = FAMILY.tasks[0]
CONFIG = {"learn": True, "pull": 3.0, "moves": True}


def candidate(name: str, task: int = 0):
    return next(one for one in FAMILY.tasks[task].candidates if one.name == name)


def fitted(name: str, splits: Splits, folder: Path, task: int = 0, **config: object):
    one = candidate(name, task)
    return one.fit(splits, {**one.configs("quick")[0], **config}, TrainingRun(folder, device="cpu"))


@pytest.fixture(scope="module")
def splits() -> Splits:
    return FAMILY.split(TASK, {PLACES: lives.visits()})


def line_of(labels: list[int], hours: list[float], known: int = 4, extra: tuple[str, ...] = ()) -> Timeline:
    start = lives.START + (np.array(hours) * lives.HOUR).astype(np.int64)
    part = np.zeros(len(labels), np.int8)
    return Timeline("p", np.array(labels, np.int64), start, start, part, known, extra)


@pytest.mark.parametrize("strategy", ["temporal", "per_subject"])
def test_a_split_by_time_has_no_leak(strategy) -> None:
    made = Behavior(strategy).split(TASK, {PLACES: lives.visits()})
    assert set(FAMILY.leakage(TASK, made).values()) == {0}
    assert set(FAMILY.leakage(TASK, made.refit()).values()) == {0}


def test_a_leak_is_counted(splits: Splits) -> None:
    part = splits.rows["split"].to_pylist()
    part[0], part[-1] = "test", "train"
    index = splits.rows.schema.get_field_index("split")
    broken = Splits(splits.rows.set_column(index, "split", pa.array(part)), {}, "temporal")
    assert FAMILY.leakage(TASK, broken)["train_after_a_later_part"] > 0


def test_the_first_two_columns_order_the_rows(splits: Splits) -> None:
    first, second = (splits.rows[name].to_pylist() for name in splits.rows.column_names[:2])
    assert len(set(zip(first, second, strict=True))) == splits.rows.num_rows


def test_habits_are_found_and_the_hour_tells_more_than_the_place_before(
    splits: Splits, tmp_path: Path
) -> None:
    found = {
        name: FAMILY.evaluate(TASK, fitted(name, splits, tmp_path), splits, "test").metrics["mrr"].value
        for name in ("counting", "markov", "most_frequent")
    }
    assert found["counting"] > 1.1 * found["markov"] > found["most_frequent"]
    assert found["counting"] > 0.9


@pytest.mark.parametrize("name", ["counting", "hour_markov", "markov", "most_frequent"])
def test_what_comes_later_changes_no_answer(name: str, splits: Splits, tmp_path: Path) -> None:
    model = fitted(name, splits, tmp_path)
    line = timelines(splits.rows, model.vocabulary)[0]
    asked = np.arange(1, 200)
    changed = replace(line, labels=line.labels.copy(), start=line.start.copy(), end=line.end.copy())
    changed.labels[150:] = line.labels[0]
    changed.start[150:] += 5 * lives.HOUR  # the arrival at what is foretold is of the future, too
    changed.end[150:] += 5 * lives.HOUR
    before, after = model.probabilities(line, asked), model.probabilities(changed, asked)
    np.testing.assert_allclose(before[:150], after[:150], atol=1e-6)


def test_the_arrival_that_is_foretold_is_not_given(splits: Splits, tmp_path: Path) -> None:
    model = fitted("counting", splits, tmp_path)
    line = timelines(splits.rows, model.vocabulary)[0]
    later = replace(line, start=line.start.copy())
    later.start[-1] += 3 * lives.HOUR
    at = np.array([len(line) - 1])
    np.testing.assert_array_equal(model.probabilities(line, at), model.probabilities(later, at))


def test_answers_do_not_depend_on_what_subjects_are_called(splits: Splits, tmp_path: Path) -> None:
    names = pa.array([{"p0": "z", "p1": "a"}[name] for name in splits.rows["subject"].to_pylist()])
    renamed = Splits(splits.rows.set_column(0, "subject", names), {}, "temporal")
    one, other = fitted("counting", splits, tmp_path), fitted("counting", renamed, tmp_path)
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.exploring, other.exploring)


def test_chances_are_chances(splits: Splits, tmp_path: Path) -> None:
    for name in ("counting", "hour_markov", "most_frequent"):
        model = fitted(name, splits, tmp_path)
        line = timelines(splits.rows, model.vocabulary)[0]
        chances = model.probabilities(line, np.arange(1, len(line) + 1))
        assert (chances >= 0).all()
        assert (chances.sum(1) <= 1 + 1e-4).all()


def test_a_place_that_training_never_met_is_returned_to() -> None:
    model = counting.fit([line_of([0, 1] * 30, list(range(60)))], list("abcd"), CONFIG)
    line = line_of([0, 4] * 20, list(range(40)), extra=("new",))
    assert model.probabilities(line, np.array([39]))[0].argmax() == 4


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line_of([0], [0.0]), id="one event"),
        pytest.param(line_of([0] * 50, list(range(50))), id="all events identical"),
        pytest.param(line_of([0, 1] * 10, [0.0] * 20), id="all at one instant"),
        pytest.param(line_of([0, 1, 2], [0.0, 1.0, 5000.0]), id="a gap of months"),
        pytest.param(line_of([0, 1, 2, 1], [5.0, 4.0, 3.0, 2.0]), id="a clock that goes back"),
    ],
)
def test_odd_timelines_are_answered(line: Timeline) -> None:
    for model in (
        counting.fit([line], list("abcd"), CONFIG),
        markov.fit([line], list("abcd"), "hour_markov", {"backoff": 1.0}),
    ):
        chances = model.probabilities(line, np.array([len(line)]))
        assert np.isfinite(chances).all()
        assert chances.sum() <= 1 + 1e-4


def test_a_few_targets_far_apart_get_what_they_get_one_by_one() -> None:
    rng = np.random.default_rng(0)
    line = line_of(rng.integers(0, 4, 3000).tolist(), list(range(3000)))
    model = counting.fit([line], list("abcd"), {**CONFIG, "learn": False})
    targets = np.array([5, 1500, 2999])
    together = model.probabilities(line, targets)  # events of the last lie a thousand behind the first
    alone = np.concatenate([model.probabilities(line, targets[at : at + 1]) for at in range(3)])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_two_time_zones_in_a_day_are_one_order() -> None:
    base = {"subject": "p", "source": "s", "event_id": "1", "export": "e", "left_at": None, "known_at": None}
    east = pa.array([lives.START + lives.HOUR], pa.timestamp("us", "UTC")).cast(
        pa.timestamp("us", "Asia/Tokyo")
    )
    west = pa.array([lives.START], pa.timestamp("us", "UTC")).cast(pa.timestamp("us", "America/New_York"))
    rows = [
        {**base, "place": place, "arrived_at": time[0].as_py()} for place, time in (("b", east), ("a", west))
    ]
    table = pa.Table.from_pylist(rows, schema=lives.VISITS)
    assert FAMILY.split(TASK, {PLACES: table}).rows["label"].to_pylist() == ["a", "b"]


def test_too_little_is_below_the_minimum() -> None:
    made = FAMILY.split(TASK, {PLACES: lives.visits(days=5, subjects=1)})
    size = FAMILY.size(TASK, made)
    assert size["days"] < TASK.minimum["days"]
    assert size["events"] < TASK.minimum["events"]
    empty = FAMILY.split(TASK, {PLACES: lives.VISITS.empty_table()})
    assert FAMILY.size(TASK, empty)["events"] == 0


def test_after_a_move_the_old_home_is_soon_forgotten() -> None:
    made = FAMILY.split(TASK, {PLACES: lives.visits(days=160, subjects=1, moved_on=100)})
    line = timelines(made.rows, vocabulary := sorted(set(made.rows["label"].to_pylist())))[0]
    homes = moves.found(line)
    assert [vocabulary[one.home] for one in homes] == ["home 0", "new home"]
    moved = int(line.start[homes[1].first] - lives.START) // lives.DAY
    noticed = int(line.start[homes[1].noticed] - lives.START) // lives.DAY
    assert moved == 100
    assert noticed <= 116
    past = line.until(homes[1].noticed + 4)
    old = vocabulary.index("home 0")
    chance = {
        on: counting.CountingModel(
            vocabulary, counting.fit([past], vocabulary, {**CONFIG, "learn": False}).population, counting.START,
            counting.EXPLORING, {**CONFIG, "moves": on},
        ).probabilities(past, np.array([len(past)]))[0, old]
        for on in (True, False)
    }  # fmt: skip
    assert chance[True] < 0.5 * chance[False]


def test_a_holiday_is_no_move_that_lasts() -> None:
    rows = lives.visits(days=120, subjects=1)
    day = (rows["arrived_at"].cast(pa.int64()).to_numpy() - lives.START) // lives.DAY
    away = (day >= 60) & (day < 80)
    places = np.where(
        away & (np.arange(len(day)) % 2 == 0), "hotel", rows["place"].to_numpy(zero_copy_only=False)
    )
    places = np.where(away & (np.arange(len(day)) % 2 == 1), "beach", places)
    rows = rows.set_column(3, "place", pa.array(places, pa.string()))
    line = timelines(FAMILY.split(TASK, {PLACES: rows}).rows, [])[0]
    found = moves.homes(line)
    assert found is not None
    assert found.now[-1] == found.of[0]  # back home, what was known before counts in full


def test_activities_are_told_by_kind_and_never_by_title(tmp_path: Path) -> None:
    tables = {SESSIONS: lives.sessions(), CALENDAR: lives.calendar(200)}
    made = FAMILY.split(FAMILY.tasks[1], tables)
    labels = set(made.rows["label"].to_pylist())
    assert labels == {"browse", "browse+search", "watch", "calendar: with others", "calendar: at a place"}
    last = pc.max(tables[SESSIONS]["ended_at"]).as_py()
    assert pc.max(made.rows["time"]).as_py() <= last  # what is only planned was not done
    model = fitted("counting", made, tmp_path, 1)
    assert FAMILY.evaluate(FAMILY.tasks[1], model, made, "test").metrics["acc@1"].value > 0.8


def test_the_network_learns_habits_and_is_the_same_again(splits: Splits, tmp_path: Path) -> None:
    first = fitted("network", splits, tmp_path / "a", steps=30)
    again = fitted("network", splits, tmp_path / "b", steps=30)
    line = timelines(splits.rows, first.vocabulary)[0]
    asked = np.arange(1, len(line) + 1)
    np.testing.assert_array_equal(first.probabilities(line, asked), again.probabilities(line, asked))
    assert first.history
    assert FAMILY.evaluate(TASK, first, splits, "test").metrics["acc@1"].value > 0.5
    later = replace(line, labels=line.labels.copy())
    later.labels[300:] = 0
    np.testing.assert_allclose(
        first.probabilities(line, asked[:300]), first.probabilities(later, asked[:300]), atol=1e-5
    )


def test_nobody_is_told_where_only_others_go(splits: Splits, tmp_path: Path) -> None:
    told = FAMILY.tell({"next_place": fitted("counting", splits, tmp_path)}, {PLACES: lives.visits()})[NEXT]
    own = {(row["subject"], row["label"]) for row in told.to_pylist()}
    assert ("p0", "home 1") not in own
    assert ("p1", "home 0") not in own
    assert ("p0", "home 0") in own
