"""The profile family: judged by the next week, better than what is plain, the same for whoever it is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from forge_core import keys
from forge_core.errors import Refused, UsageError
from forge_core.evaluation.intervals import paired_difference
from forge_models.profile import PROFILE, evaluating
from forge_models.profile.asking import asked
from forge_models.profile.lines import lines
from tests.models.profile.examples import evidence, tastes
from tests.models.profile.fitted import CANDIDATES, TASKS, fit, splits_of


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return tastes()


def test_average_precision_takes_a_tie_as_one_step() -> None:
    came = np.array([True, False, True, False, False, True])
    unit = np.array([0, 0, 0, 1, 1, 1])
    said = np.array([0.9, 0.5, 0.1, 0.5, 0.5, 0.5])

    found = evaluating.average_precision(said, came, unit, 2)

    assert found == pytest.approx([(1 + 2 / 3) / 2, 1 / 3])


def test_average_precision_is_that_of_sklearn() -> None:
    from sklearn.metrics import average_precision_score

    draw = np.random.default_rng(0)
    said, came = draw.integers(0, 9, 60) / 10, draw.random(60) < 0.3
    unit = np.repeat([0, 1, 2], 20)
    expected = [average_precision_score(came[unit == one], said[unit == one]) for one in range(3)]

    assert evaluating.average_precision(said, came, unit, 3) == pytest.approx(expected)


def test_weeks_are_split_by_time_and_nothing_leaks(rows: pa.Table) -> None:
    splits = splits_of("interests", rows)

    assert set(PROFILE.leakage(TASKS["interests"], splits).values()) == {0}
    assert set(splits.rows["split"].to_pylist()) == {"train", "validation", "test"}
    assert "label" not in splits.rows.column_names


def test_f_d2_a_week_in_the_wrong_part_is_seen(rows: pa.Table) -> None:
    splits = splits_of("interests", rows)
    place = splits.rows.column_names.index("split")
    turned = pa.array(splits.rows["split"].to_pylist()[::-1])

    assert PROFILE.leakage(
        TASKS["interests"], type(splits)(splits.rows.set_column(place, "split", turned), {}, "temporal")
    )["train_in_a_later_window"]


def test_what_is_asked_knows_no_later_week(rows: pa.Table) -> None:
    known = lines(splits_of("interests", rows).rows)
    cut = [week for line in known for week in line.weeks[line.part < 2]]
    early = pc.less_equal(rows["time"], pa.scalar(_end(max(cut)), rows["time"].type))
    before = asked(lines(splits_of("interests", rows.filter(early)).rows), None)
    after = asked(known, 2)

    def at(questions: object) -> dict[tuple[str, str], np.ndarray]:
        found: dict[tuple[str, str], np.ndarray] = {}
        for row in range(len(questions)):  # type: ignore[arg-type]
            line = questions.lines[questions.line[row]]  # type: ignore[attr-defined]
            if line.weeks[questions.at[row]] == max(cut):  # type: ignore[attr-defined]
                found[line.subject, line.things[questions.thing[row]]] = questions.x[row]  # type: ignore[attr-defined]
        return found

    one, other = at(before), at(after)
    assert len(other) > 20
    assert one.keys() == other.keys()
    assert all(one[key] == pytest.approx(other[key]) for key in one)


def _end(week: int) -> int:
    from forge_models.profile.splitting import MONDAY, WEEK

    return (int(week) + 1) * WEEK + MONDAY - 1


@pytest.mark.parametrize("name", ["counting", "decayed", "network"])
def test_tastes_that_change_are_foretold_better_than_by_plain_counts(rows: pa.Table, name: str) -> None:
    splits = splits_of("interests", rows)
    ours = PROFILE.evaluate(TASKS["interests"], fit("interests", name, splits), splits, "test")
    for baseline in ("frequency", "last_week"):
        theirs = PROFILE.evaluate(TASKS["interests"], fit("interests", baseline, splits), splits, "test")
        assert ours.subjects == theirs.subjects
        apart = paired_difference(
            ours.per_subject["average_precision"], theirs.per_subject["average_precision"]
        )
        assert apart.low > 0, baseline


def test_chances_mean_what_they_say(rows: pa.Table) -> None:
    splits = splits_of("interests", rows)
    some = evaluating.questions(splits, "test")
    chances = fit("interests", "counting", splits).chances(some)

    for said, came, count in evaluating.calibration(chances, some.came):
        assert abs(said - came) < 4 * np.sqrt(said * (1 - said) / count) + 0.06


def test_f_d3_shuffled_weeks_are_not_surely_foretold_better_than_plain_counts() -> None:
    draw = np.random.default_rng(5)
    rows = [
        (f"p_{n % 4}", day, "interest", f"channel:{draw.integers(12)}")
        for n in range(900)
        for day in [n // 4]
    ]
    splits = splits_of("interests", evidence(rows))
    values = [
        PROFILE.evaluate(TASKS["interests"], fit("interests", name, splits), splits, "test").per_subject[
            "average_precision"
        ]
        for name in ("counting", "frequency")
    ]

    assert abs(paired_difference(*values).value) < 0.05


def test_whatever_subjects_are_called_the_model_is_the_same(rows: pa.Table) -> None:
    names = {f"p_{n}": f"p_{9 - n}x" for n in range(6)}
    renamed = pa.array([names[one] for one in rows["subject"].to_pylist()])
    other = rows.set_column(0, "subject", renamed)
    for candidate in ("counting", "network"):
        one, two = (fit("interests", candidate, splits_of("interests", table)) for table in (rows, other))
        questions = asked(lines(splits_of("interests", rows).rows), 2)
        assert one.chances(questions) == pytest.approx(two.chances(questions), abs=1e-6)


@pytest.mark.parametrize("name", CANDIDATES)
def test_a_model_comes_back_as_it_was(rows: pa.Table, name: str, tmp_path: Path) -> None:
    splits = splits_of("interests", rows)
    model = fit("interests", name, splits)
    PROFILE.save(TASKS["interests"], model, tmp_path / "model")
    loaded = PROFILE.load(TASKS["interests"], tmp_path / "model")
    some = evaluating.questions(splits, "test")

    assert loaded.chances(some) == pytest.approx(model.chances(some))
    text = (tmp_path / "model" / "model.json").read_text()
    assert "p_0" not in text
    assert "channel:1" not in text


def test_a_model_of_another_task_or_with_a_broken_table_is_refused(rows: pa.Table, tmp_path: Path) -> None:
    from forge_models import artifact

    model = fit("interests", "counting", splits_of("interests", rows))
    PROFILE.save(TASKS["interests"], model, tmp_path / "model")
    with pytest.raises(Refused, match="FORGE-ARTIFACT-PROFILE"):
        PROFILE.load(TASKS["routines"], tmp_path / "model")

    arrays, document = artifact.read(tmp_path / "model")
    for broken in (np.full((2, 4), 99.0), np.zeros((1, 4)), np.zeros((2, 3))):
        artifact.write(tmp_path / "broken", {**arrays, "decay": broken}, document)
        with pytest.raises(Refused, match="FORGE-ARTIFACT-PROFILE"):
            PROFILE.load(TASKS["interests"], tmp_path / "broken")


def test_train_is_no_part_to_be_judged_on(rows: pa.Table) -> None:
    splits = splits_of("interests", rows)
    with pytest.raises(UsageError, match="FORGE-EVALUATE-PART"):
        PROFILE.evaluate(TASKS["interests"], fit("interests", "decayed", splits), splits, "train")


@pytest.mark.parametrize("task", TASKS)
def test_pictures_name_no_thing_of_anybody(task: str) -> None:
    kind = {"interests": "interest", "routines": "routine", "contacts": "contact"}[task]
    splits = splits_of(task, tastes(3, 20, kind=kind))
    found = PROFILE.pictures(TASKS[task], fit(task, "decayed", splits), splits)

    assert {"over_time", "calibration", "by_facet", "staying"} <= set(found)
    assert "p_0" not in str(found)
    assert "to:" not in str(found)


def test_under_six_weeks_is_learning_mode() -> None:
    splits = splits_of("interests", tastes(3, 4))
    size = PROFILE.size(TASKS["interests"], splits)

    assert size["weeks"] < TASKS["interests"].minimum["weeks"]
    assert PROFILE.inputs[0] == keys.EVIDENCE
