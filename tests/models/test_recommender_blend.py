"""The learned blend: weights from held-back training rows alone, linear, and stored with its members."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from forge_core import keys
from forge_core.errors import Refused
from forge_models import artifact
from forge_models.family import Splits, TrainingRun, report
from forge_models.recommender import NEXT_ITEMS, RECOMMENDER, Request, blend
from forge_models.recommender.blend import BlendModel
from tests.models.data import table, tastes
from tests.models.ordered import (
    CANDIDATES,
    RUN,
    TASK,
    fit,
    histories,
    poisoned,
    renamed,
    share_offered,
    written,
)
from tests.models.ordered import whole as everything_trains


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return tastes(each=12)


@pytest.fixture(scope="module")
def splits(tables: dict[str, pa.Table]) -> Splits:
    return RECOMMENDER.split(NEXT_ITEMS, tables)


@pytest.fixture(scope="module")
def model(splits: Splits) -> BlendModel:
    return fit("instant", splits)


@pytest.fixture(scope="module")
def wide(tables: dict[str, pa.Table]) -> BlendModel:
    return fit("blend", everything_trains(tables))


def test_the_end_of_the_training_rows_is_held_back_by_time(splits: Splits) -> None:
    earlier, later = blend.hold_back(splits.part("train"), "temporal")
    assert later.num_rows / splits.part("train").num_rows == pytest.approx(1 / 9, abs=0.01)
    assert pc.max(earlier["first_time"]).as_py() < pc.min(later["first_time"]).as_py()


def test_the_last_row_of_whoever_has_two_is_held_back_by_order() -> None:
    tables = table(
        ["a", "b", "a", "b", "b", "c"], ["1", "2", "3", "4", "5", "6"], np.array([0, 0, 1, 1, 2, 0])
    )
    earlier, later = blend.hold_back(tables[keys.INTERACTIONS], "leave_last_out")
    assert later["item"].to_pylist() == ["3", "5"]
    assert earlier["item"].to_pylist() == ["1", "2", "4", "6"]


@pytest.mark.parametrize("strategy", ["temporal", "leave_last_out"])
def test_nothing_is_held_back_from_nothing(strategy: str) -> None:
    rows = tastes(subjects=1)[keys.INTERACTIONS].slice(0, 0)
    assert [part.num_rows for part in blend.hold_back(rows, strategy)] == [0, 0]


def test_f_d2_weights_are_learned_without_the_rows_that_the_blend_is_judged_on(
    splits: Splits, model: BlendModel, tmp_path: Path
) -> None:
    later = splits.part("validation", "test")
    mixed = np.random.default_rng(9).permutation(later["item"].to_pylist())
    later = later.set_column(later.schema.get_field_index("item"), "item", pa.array(mixed))
    changed = Splits(pa.concat_tables([splits.part("train"), later.slice(3)]), {}, splits.strategy)
    assert written(fit("instant", changed), tmp_path / "a") == written(model, tmp_path / "b")


def test_the_weights_are_convex_and_the_report_says_them(model: BlendModel) -> None:
    rows = report(model)["blend"]
    assert [row["member"] for row in rows] == ["ridge", "transitions", "ease"]
    assert sum(row["weight"] for row in rows) == pytest.approx(1.0, abs=0.05)
    assert len(model.members) == sum(row["weight"] > 0 for row in rows)


def test_a_blend_is_not_worse_on_what_was_held_back_than_its_best_member(splits: Splits) -> None:
    earlier, later = blend.hold_back(splits.part("train"), "temporal")
    asked = blend._asked(earlier, later)
    inner = Splits(earlier, {}, "temporal")
    scored = [blend._score(fit(name, inner), asked) for name in ("ridge", "ease", "ials")]
    weights = blend.learn(scored, asked)
    mixed = sum(
        weight / one.spread * one.model.personal_scores(asked.histories)
        for weight, one in zip(weights, scored, strict=True)
    )
    from forge_core.evaluation import ranking

    ranking.hide(mixed, asked.histories.matrix)
    reached = ranking.ndcg(ranking.hits(ranking.top_k(mixed, 10), asked.targets), asked.n_targets, 10).mean()
    assert reached >= max(one.ndcg for one in scored) - 1e-6


def test_a_member_that_knows_nothing_gets_no_weight() -> None:
    found = tastes(subjects=200)
    splits = RECOMMENDER.split(NEXT_ITEMS, found)
    both = blend.fit(splits, [CANDIDATES["popularity"], CANDIDATES["ease"]], {"tries": 1}, RUN)
    weights = {row["member"]: row["weight"] for row in both.report["blend"]}
    assert weights["ease"] >= 0.7
    evaluated = RECOMMENDER.evaluate(TASK, both, splits, "validation").metrics["ndcg@10"].value
    popular = RECOMMENDER.evaluate(TASK, fit("popularity", splits), splits, "validation").metrics["ndcg@10"]
    assert evaluated > popular.high


def test_reasons_add_up_to_the_score(tables: dict[str, pa.Table], wide: BlendModel) -> None:
    model = wide
    one = histories(model, tables)[3:4]
    every = np.arange(len(model.items))
    total = model.contributions(one, every).sum(axis=0) + model.prior(every)
    np.testing.assert_allclose(model.personal_scores(one)[0], total, atol=1e-4)
    prediction = RECOMMENDER.predict(model, Request([model.items[i] for i in one.items], k=5))
    for recommendation in prediction.items:
        assert sum(reason.weight for reason in recommendation.reasons) == pytest.approx(
            recommendation.score, abs=1e-4
        )


def test_f_d1_with_few_subjects_all_members_weigh_the_same() -> None:
    model = fit("instant", everything_trains(tastes(subjects=5)))
    assert {row["weight"] for row in model.report["blend"]} == {1 / 3}
    assert len(model.members) == 3


def test_a_catalogue_that_a_member_would_have_to_cut_is_left_to_the_others(
    splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    from forge_models.recommender import candidates_ordered

    monkeypatch.setattr(candidates_ordered, "MAX_ITEMS", 10)
    assert [row["member"] for row in fit("instant", splits).report["blend"]] == ["transitions", "ease"]


def test_f_d11_other_pseudonyms_for_the_same_people_give_the_same_model(
    tables: dict[str, pa.Table], model: BlendModel, tmp_path: Path
) -> None:
    again = fit("instant", RECOMMENDER.split(NEXT_ITEMS, renamed(tables)))
    assert written(again, tmp_path / "again") == written(model, tmp_path / "model")


def test_f_d9_one_percent_of_rows_cannot_push_an_item_into_the_lists_of_others() -> None:
    tables = tastes(subjects=100)
    changed, item, clean = poisoned(tables)
    assert share_offered("instant", tables, item, clean) < 0.05
    assert share_offered("instant", changed, item, clean) < 0.15


def test_a_loaded_blend_answers_identically(
    tables: dict[str, pa.Table], wide: BlendModel, tmp_path: Path
) -> None:
    model = wide
    RECOMMENDER.save(NEXT_ITEMS, model, tmp_path / "model")
    loaded = RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")
    asked = {keys.INTERACTIONS: tables[keys.INTERACTIONS]}
    assert RECOMMENDER.predict_all(loaded, asked).equals(RECOMMENDER.predict_all(model, asked))
    assert report(loaded) == report(model)


@pytest.mark.parametrize("what", ["weights", "a blend within", "no member", "a member's tensor"])
def test_f_m3_what_does_not_fit_is_refused(tables: dict[str, pa.Table], tmp_path: Path, what: str) -> None:
    RECOMMENDER.save(NEXT_ITEMS, fit("instant", everything_trains(tastes(subjects=5))), tmp_path / "model")
    arrays, document = artifact.read(tmp_path / "model")
    if what == "weights":
        arrays["weights"] = arrays["weights"][:-1]
    elif what == "a blend within":
        document["members"][0]["kind"] = "blend"
    elif what == "no member":
        document["members"][0] = "ridge"
    else:
        arrays["1.weights.indices"][-1] = 10**9
    artifact.write(tmp_path / "model", arrays, document)
    with pytest.raises(Refused):
        RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")


def test_a_fit_that_two_candidates_ask_for_is_made_once(tmp_path) -> None:
    from forge_models.recommender.candidates import Sequential

    run = TrainingRun(tmp_path / "one", shared=tmp_path / "shared")
    splits = RECOMMENDER.split(NEXT_ITEMS, tastes(subjects=40))
    config = {**Sequential().configs("quick")[0], "layers": 1}

    first = Sequential().fit(splits, config, run)
    written_at = [file.stat().st_mtime_ns for file in sorted((tmp_path / "shared").rglob("*.ckpt"))]
    again = Sequential().fit(splits, config, replace(run, folder=tmp_path / "other"))

    assert written_at == [file.stat().st_mtime_ns for file in sorted((tmp_path / "shared").rglob("*.ckpt"))]
    assert RECOMMENDER.predict_all(first, tastes(subjects=40)).equals(
        RECOMMENDER.predict_all(again, tastes(subjects=40))
    )
    assert len(list((tmp_path / "shared").iterdir())) == 1


def test_only_a_full_blend_waits_for_what_trains_for_long() -> None:
    blended = next(one for one in NEXT_ITEMS.candidates if one.name == "blend")

    assert "sequential" not in blended.configs("quick")[0]["members"]
    assert "sequential" in blended.configs("full")[0]["members"]


def test_a_blend_may_hold_a_trained_network(tmp_path) -> None:
    from forge_models.recommender.candidates import Sequential

    found = tastes(subjects=40)
    splits = RECOMMENDER.split(NEXT_ITEMS, found)
    config = {**Sequential().configs("quick")[0], "layers": 1}
    network = Sequential().fit(splits, config, TrainingRun(tmp_path / "run"))
    ridge = fit("ridge", splits)
    model = BlendModel(
        ridge.items, ridge.counts, ridge.subjects, {}, members=(network, ridge), weights=np.array([0.7, 0.3])
    )

    RECOMMENDER.save(NEXT_ITEMS, model, tmp_path / "model")
    loaded = RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")

    assert RECOMMENDER.predict_all(loaded, found).equals(RECOMMENDER.predict_all(model, found))
    prediction = RECOMMENDER.predict(loaded, Request(model.items[:4], k=3))
    assert prediction.reasons_mean == network.reasons_mean
    assert all(item.reasons for item in prediction.items)
