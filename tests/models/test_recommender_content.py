"""The content-based candidate: taste read from words, fitted on training rows alone, with exact reasons."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from forge_core import keys
from forge_core.errors import Refused
from forge_core.evaluation.intervals import paired_difference
from forge_models import artifact
from forge_models.family import Splits, TrainingRun, report
from forge_models.recommender import NEXT_ITEMS, RECOMMENDER, Request, predicting
from forge_models.recommender.content import with_newcomers
from forge_models.recommender.interactions import Histories
from forge_models.recommender.models import ContentModel
from tests.models.data import table, tastes

RUN = TrainingRun(Path("/nonexistent"))
CONTENT = next(candidate for candidate in NEXT_ITEMS.candidates if candidate.name == "content")
POPULARITY = next(candidate for candidate in NEXT_ITEMS.candidates if candidate.name == "popularity")
TASK = NEXT_ITEMS


def described(items: list[str], seed: int = 0) -> pa.Table:
    """``features/items`` whose words tell the cluster of an item, beside words that tell nothing."""
    rng = np.random.default_rng(seed)
    cluster = [int(item[-5:]) // 30 for item in items]
    titles = [f"thing{c} other{c} word{rng.integers(50)} word{rng.integers(50)}" for c in cluster]
    return pa.table(
        {
            "item": items,
            "channel": [f"Channel {c}-{rng.integers(3)}" for c in cluster],
            "categories": [["everything"]] * len(items),
            "content": titles,
            "interactions": rng.integers(1, 99, len(items)),
            "subjects": rng.integers(1, 99, len(items)),
        }
    )


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    found = tastes()
    return {**found, keys.ITEMS: described(found[keys.ITEMS]["item"].to_pylist())}


@pytest.fixture(scope="module")
def splits(tables: dict[str, pa.Table]) -> Splits:
    return RECOMMENDER.split(NEXT_ITEMS, tables)


@pytest.fixture(scope="module")
def model(splits: Splits) -> ContentModel:
    return fit(splits)


def fit(splits: Splits, **changes) -> ContentModel:
    return CONTENT.fit(splits, {**CONTENT.configs("quick")[0], **changes}, RUN)


def written(model: ContentModel, folder: Path) -> str:
    RECOMMENDER.save(NEXT_ITEMS, model, folder)
    return artifact.digest(folder)


def history(tables: dict[str, pa.Table], subject: str = "subject0003") -> list[str]:
    rows = tables[keys.INTERACTIONS]
    return rows.filter(pc.equal(rows["subject"], subject))["item"].to_pylist()


# --- learning -------------------------------------------------------------------------------------


def test_taste_is_read_from_words_and_beats_popularity(splits: Splits) -> None:
    refit = splits.refit()
    ours, popular = (
        RECOMMENDER.evaluate(TASK, candidate.fit(refit, candidate.configs("quick")[0], RUN), refit, "test")
        for candidate in (CONTENT, POPULARITY)
    )
    assert paired_difference(ours.per_subject["ndcg@10"], popular.per_subject["ndcg@10"]).low > 0


def test_f_d11_other_pseudonyms_for_the_same_people_give_the_same_model(
    tables: dict[str, pa.Table], model: ContentModel, tmp_path: Path
) -> None:
    rows = tables[keys.INTERACTIONS]
    place = rows.schema.get_field_index("subject")
    other = pc.binary_join_element_wise(pc.utf8_reverse(rows["subject"]), "x", "-")
    renamed = {**tables, keys.INTERACTIONS: rows.set_column(place, "subject", other)}

    again = fit(RECOMMENDER.split(NEXT_ITEMS, renamed))

    assert written(again, tmp_path / "again") == written(model, tmp_path / "model")


def test_f_d2_nothing_of_later_rows_or_of_the_item_counts_reaches_the_model(
    splits: Splits, model: ContentModel, tmp_path: Path
) -> None:
    rng = np.random.default_rng(9)
    train = splits.part("train")
    later = splits.part("validation", "test")
    item = later.schema.get_field_index("item")
    other = later.set_column(item, "item", pa.array(rng.permutation(later["item"].to_pylist())))
    items = splits.side[keys.ITEMS]
    for name in ("interactions", "subjects"):
        place = items.schema.get_field_index(name)
        items = items.set_column(place, name, pa.array(rng.integers(1, 10**6, items.num_rows)))
    changed = Splits(pa.concat_tables([train, other.slice(3)]), {keys.ITEMS: items}, splits.strategy)
    assert written(fit(changed), tmp_path / "a") == written(model, tmp_path / "b")


def test_the_same_rows_in_any_order_give_the_same_model(
    splits: Splits, model: ContentModel, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    items = splits.side[keys.ITEMS]
    mixed = Splits(
        splits.rows.take(rng.permutation(splits.rows.num_rows)),
        {keys.ITEMS: items.take(rng.permutation(items.num_rows))},
        splits.strategy,
    )
    assert written(fit(mixed), tmp_path / "a") == written(model, tmp_path / "b")


def test_the_report_says_what_was_kept_and_what_a_reduction_explains(model: ContentModel) -> None:
    rows = {row["feature"]: row for row in report(model)["selection"]}
    assert set(rows) == set(ContentModel.FEATURES)
    assert rows["channel"]["kept"] or rows["text"]["kept"]
    assert not rows["categories"]["kept"], "the same for every item"
    unused = [row for row in rows.values() if not row["kept"]]
    assert {(row["permutation_importance"], row["weight"]) for row in unused} == {(0.0, 0.0)}
    assert max(row["permutation_importance"] for row in rows.values()) > 0.02
    (reduction,) = report(model)["reduction"]
    assert reduction["dimensions"] == model.reduced.shape[1]
    assert 0 < reduction["explained_variance"] <= 1


def test_no_word_of_an_item_is_in_the_artifact_or_the_report(model: ContentModel, tmp_path: Path) -> None:
    RECOMMENDER.save(NEXT_ITEMS, model, tmp_path / "model")
    everything = b"".join(file.read_bytes() for file in (tmp_path / "model").iterdir())
    assert b"thing1" not in everything
    assert b"Channel" not in everything
    assert "thing1" not in str(model.report)


def test_fewer_features_are_used_where_fewer_are_asked_for(splits: Splits) -> None:
    assert np.count_nonzero(fit(splits, keep=1).weights) == 1


# --- answers --------------------------------------------------------------------------------------


def test_reasons_add_up_to_the_score(tables: dict[str, pa.Table], model: ContentModel) -> None:
    known = history(tables)
    prediction = RECOMMENDER.predict(model, Request(known, k=10))
    assert len(prediction.items) == 10
    for recommendation in prediction.items:
        because = [reason.because for reason in recommendation.reasons]
        assert set(because) <= {*known, predicting.POPULARITY}
        weights = [reason.weight for reason in recommendation.reasons]
        assert weights == sorted(weights, reverse=True)
        assert sum(weights) == pytest.approx(recommendation.score, abs=1e-12)


def test_what_a_watched_item_adds_is_what_the_score_gains(
    tables: dict[str, pa.Table], model: ContentModel
) -> None:
    known = [model.index[item] for item in history(tables) if item in model.index]
    one = Histories.one(known, len(model.items))
    everything = np.arange(len(model.items))
    total = model.contributions(one, everything).sum(axis=0) + model.prior(everything)
    np.testing.assert_allclose(model.personal_scores(one)[0], total, atol=1e-12)


def test_all_answers_at_once_are_the_single_answers(tables: dict[str, pa.Table], model: ContentModel) -> None:
    interactions = {keys.INTERACTIONS: tables[keys.INTERACTIONS]}
    answers = RECOMMENDER.predict_all(model, interactions)
    for subject in ("subject0000", "subject0077"):
        single = RECOMMENDER.predict(model, Request(history(tables, subject), k=10))
        batch = answers.filter(pc.equal(answers["subject"], subject)).to_pylist()
        assert [row["item"] for row in batch] == [r.item for r in single.items]
        expected = [
            [r.because for r in one.reasons if r.because != predicting.POPULARITY and r.weight > 0][:3]
            for one in single.items
        ]
        assert [row["reasons"] for row in batch] == expected


def test_an_item_that_training_did_not_know_is_ranked_by_its_words(
    tables: dict[str, pa.Table], splits: Splits
) -> None:
    model = fit(splits)
    new = pa.table({"item": ["test:new00007", "test:zzz"], "content": ["thing2 other2", "unheard of"]})
    more = with_newcomers(model, new, ["test:new00007", "test:zzz", "test:gone", model.items[0]])
    assert set(more.items) - set(model.items) == {"test:new00007"}
    assert more.items == sorted(more.items)
    assert more.counts[more.index["test:new00007"]] == 0
    everything = np.arange(len(model.items))
    old = np.array([more.index[item] for item in model.items])
    five = Histories.one(old[:5], len(more.items))
    same = Histories.one(everything[:5], len(model.items))
    np.testing.assert_array_equal(more.contributions(five, old), model.contributions(same, everything))
    of_cluster_2 = more.index["test:item00065"]
    of_cluster_4 = more.index["test:item00125"]
    two = Histories.one([of_cluster_2, of_cluster_4], len(more.items))
    near, far = more.contributions(two, np.array([more.index["test:new00007"]]))
    assert near > far
    newcomer = tables[keys.INTERACTIONS].slice(0, 1)
    newcomer = newcomer.set_column(1, "item", pa.array(["test:new00007"]))
    rows = pa.concat_tables([tables[keys.INTERACTIONS], newcomer])
    both = {keys.INTERACTIONS: rows, keys.ITEMS: new}
    offered = set(RECOMMENDER.predict_all(model, both, k=len(more.items))["item"].to_pylist())
    assert "test:new00007" in offered


# --- little to read -------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [None, ["item"], ["item", "content"], ["item", "channel"]])
def test_without_words_popularity_and_what_there_is_decide(
    tables: dict[str, pa.Table], splits: Splits, columns: list[str] | None
) -> None:
    side = {} if columns is None else {keys.ITEMS: tables[keys.ITEMS].select(columns)}
    model = fit(dataclasses.replace(splits, side=side))
    answers = RECOMMENDER.predict_all(model, {keys.INTERACTIONS: tables[keys.INTERACTIONS]})
    assert answers.num_rows == 1500
    if columns is None or columns == ["item"]:
        popular = RECOMMENDER.predict_all(POPULARITY.fit(splits, {}, RUN), tables)
        assert answers["item"].equals(popular["item"])


def test_strange_words_are_read() -> None:
    words = [
        None,
        "",
        "a\0b c\0",
        "שלום עולם",
        "🎈🎈 فيلم",
        "x" * 10_000_000,
        "\ud800 broken?".encode("utf-8", "replace").decode(),
    ]
    items = [f"i{n}" for n in range(len(words))]
    tables = table(["a"] * len(items), items, np.arange(len(items)))
    tables[keys.ITEMS] = pa.table({"item": items, "content": words, "categories": [None] * len(items)})
    splits = Splits(
        tables[keys.INTERACTIONS].append_column("split", pa.array(["train"] * len(items))), tables, "temporal"
    )
    model = fit(splits)
    assert np.diff(model.blocks["text"].matrix.indptr).tolist()[:2] == [0, 0]
    assert np.isfinite(model.reduced).all()


# --- storage --------------------------------------------------------------------------------------


def test_a_loaded_model_is_the_same_model(
    tables: dict[str, pa.Table], model: ContentModel, tmp_path: Path
) -> None:
    first = written(model, tmp_path / "model")
    loaded = RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")
    assert RECOMMENDER.predict_all(loaded, tables).equals(RECOMMENDER.predict_all(model, tables))
    assert report(loaded) == report(model)
    assert written(loaded, tmp_path / "again") == first


@pytest.mark.parametrize(
    ("tensor", "value"),
    [
        ("text.indices", 10**9),
        ("text.indptr", -1),
        ("channel.keys", -1),
        ("categories.weights", None),
        ("components", None),
        ("reduced", None),
        ("weights", None),
    ],
)
def test_f_m3_arrays_that_do_not_fit_are_refused(
    model: ContentModel, tmp_path: Path, tensor: str, value: int | None
) -> None:
    RECOMMENDER.save(NEXT_ITEMS, model, tmp_path / "model")
    arrays, document = artifact.read(tmp_path / "model")
    if value is None:
        arrays[tensor] = arrays[tensor].ravel()[:-1]
    else:
        arrays[tensor][-1] = value
    artifact.write(tmp_path / "model", arrays, document)
    with pytest.raises(Refused):
        RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")
