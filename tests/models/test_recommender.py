"""The recommender family: splits without leakage, honest candidates, exact reasons, safe storage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from forge_core import keys
from forge_core.errors import Refused, UsageError
from forge_core.evaluation.intervals import paired_difference
from forge_models import artifact
from forge_models.family import Splits, TrainingRun
from forge_models.recommender import NEXT_ITEMS, RECOMMENDER, Recommender, Request
from tests.models.data import table, tastes

RUN = TrainingRun(Path("/nonexistent"))
CANDIDATES = {candidate.name: candidate for candidate in NEXT_ITEMS.candidates}
TASK = NEXT_ITEMS


def fit(name: str, splits: Splits, **changes):
    candidate = CANDIDATES[name]
    return candidate.fit(splits, {**candidate.configs("quick")[0], **changes}, RUN)


def whole(tables: dict[str, pa.Table]) -> Splits:
    """Everything is training data, for tests of what a model answers."""
    rows = tables[keys.INTERACTIONS]
    return Splits(rows.append_column("split", pa.array(["train"] * rows.num_rows)), {}, "temporal")


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return tastes()


@pytest.fixture(scope="module")
def splits(tables: dict[str, pa.Table]) -> Splits:
    return RECOMMENDER.split(NEXT_ITEMS, tables)


# --- the description ------------------------------------------------------------------------------


def test_importing_the_description_imports_nothing_heavy() -> None:
    heavy = "numpy scipy pyarrow pandas sklearn torch safetensors"
    code = f"import sys, forge_models.recommender; print([m for m in '{heavy}'.split() if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_default_configuration_comes_first_and_full_tries_no_less_than_quick() -> None:
    for candidate in NEXT_ITEMS.candidates:
        quick, full = candidate.configs("quick"), candidate.configs("full")
        members = [set(tries[0].get("members", ())) for tries in (quick, full)]
        assert members[0] <= members[1]  # of a blend: what trains for long joins where time is given
        assert {**quick[0], "members": None} == {**full[0], "members": None}
        assert len(quick) <= len(full)
    ours = {"ease", "content", "ridge", "transitions", "ials", "instant", "blend"}
    assert ours <= {c.name for c in NEXT_ITEMS.candidates if not c.is_baseline}


# --- splits ---------------------------------------------------------------------------------------


def test_known_times_are_split_by_time_80_10_10(splits: Splits) -> None:
    assert splits.strategy == "temporal"
    shares = [splits.part(part).num_rows / splits.rows.num_rows for part in ("train", "validation", "test")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.01)
    last = [pc.max(splits.part(part)["first_time"]).as_py() for part in ("train", "validation")]
    first = [pc.min(splits.part(part)["first_time"]).as_py() for part in ("validation", "test")]
    assert last[0] < first[0] <= last[1] < first[1]


def test_one_unknown_time_makes_it_leave_last_out() -> None:
    splits = RECOMMENDER.split(NEXT_ITEMS, tastes(timed=False))
    assert splits.strategy == "leave_last_out"
    one = splits.rows.filter(pc.equal(splits.rows["subject"], "subject0000")).sort_by("position")
    assert one["split"].to_pylist() == ["train"] * 22 + ["validation", "test"]


def test_subjects_with_fewer_than_three_items_only_train() -> None:
    tables = table(["a", "a", "b", "b", "b"], ["i1", "i2", "i1", "i2", "i3"], np.array([0, 1, 0, 1, 2]))
    splits = RECOMMENDER.split(NEXT_ITEMS, tables)
    assert splits.rows["split"].to_pylist() == ["train", "train", "train", "validation", "test"]


def test_a_strategy_can_be_prescribed(tables: dict[str, pa.Table]) -> None:
    assert Recommender("leave_last_out").split(NEXT_ITEMS, tables).strategy == "leave_last_out"


@pytest.mark.parametrize("timed", [True, False])
def test_a_fresh_split_leaks_nothing_and_neither_does_its_refit(timed: bool) -> None:
    splits = RECOMMENDER.split(NEXT_ITEMS, tastes(timed=timed))
    assert set(RECOMMENDER.leakage(NEXT_ITEMS, splits).values()) == {0}
    assert set(RECOMMENDER.leakage(NEXT_ITEMS, splits.refit()).values()) == {0}


@pytest.mark.parametrize(
    ("timed", "rule"), [(True, "train_in_a_later_window"), (False, "train_after_a_later_part")]
)
def test_the_future_in_training_is_counted(timed: bool, rule: str) -> None:
    splits = RECOMMENDER.split(NEXT_ITEMS, tastes(timed=timed))
    swapped = {"train": "test", "test": "train", "validation": "validation"}
    names = [swapped[name] for name in splits.rows["split"].to_pylist()]
    rows = splits.rows.drop_columns(["split"]).append_column("split", pa.array(names))
    assert RECOMMENDER.leakage(NEXT_ITEMS, Splits(rows, {}, splits.strategy))[rule] > 0


def test_a_pair_in_two_parts_is_counted(splits: Splits) -> None:
    twice = Splits(pa.concat_tables([splits.rows, splits.part("test")]), {}, splits.strategy)
    assert RECOMMENDER.leakage(NEXT_ITEMS, twice)["subject_and_item_twice"] == splits.part("test").num_rows


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
@pytest.mark.parametrize("timed", [True, False])
def test_f_d1_next_to_no_data_is_counted_and_crashes_nothing(rows: int, timed: bool) -> None:
    tables = tastes(subjects=1, timed=timed)
    tables[keys.INTERACTIONS] = tables[keys.INTERACTIONS].slice(0, rows)
    splits = RECOMMENDER.split(NEXT_ITEMS, tables)
    size = RECOMMENDER.size(NEXT_ITEMS, splits)
    assert size["interactions"] == rows
    assert any(size[name] < least for name, least in TASK.minimum.items())
    assert set(RECOMMENDER.leakage(NEXT_ITEMS, splits).values()) == {0}
    for name in CANDIDATES:
        model = fit(name, splits)
        evaluation = RECOMMENDER.evaluate(TASK, model, splits, "test")
        assert evaluation.metrics["ndcg@10"].n == len(evaluation.subjects)
        assert RECOMMENDER.predict_all(model, tables).num_rows >= 0
        assert RECOMMENDER.predict(model, Request(["nothing:known"])).items == () or rows > 0


def test_f_d1_the_same_moment_for_all_leaves_nothing_to_train_on() -> None:
    tables = tastes(subjects=3)
    rows = tables[keys.INTERACTIONS]
    moment = pa.array([rows["first_time"][0].as_py()] * rows.num_rows, rows.schema.field("first_time").type)
    index = rows.schema.get_field_index("first_time")
    tables[keys.INTERACTIONS] = rows.set_column(index, "first_time", moment)
    splits = RECOMMENDER.split(NEXT_ITEMS, tables)
    assert RECOMMENDER.size(NEXT_ITEMS, splits)["evaluated_subjects"] == 0
    assert RECOMMENDER.evaluate(TASK, fit("ease", splits), splits, "test").subjects == []


# --- learning -------------------------------------------------------------------------------------


def ndcg(name: str, splits: Splits) -> np.ndarray:
    evaluation = RECOMMENDER.evaluate(
        TASK, fit(name, splits, **({"lambda": 50.0} if name == "ease" else {})), splits, "test"
    )
    return evaluation.per_subject["ndcg@10"]


def test_taste_is_learned_ease_and_item_knn_surely_beat_popularity(splits: Splits) -> None:
    refit = splits.refit()
    popularity = ndcg("popularity", refit)
    assert paired_difference(ndcg("ease", refit), popularity).low > 0
    assert paired_difference(ndcg("item_knn", refit), popularity).low > 0


def test_f_d3_with_shuffled_labels_no_candidate_surely_beats_popularity(tables: dict[str, pa.Table]) -> None:
    rows = tables[keys.INTERACTIONS]
    items = np.random.default_rng(0).permutation(np.array(rows["item"].to_pylist(), object))
    shuffled = rows.set_column(rows.schema.get_field_index("item"), "item", pa.array(items))
    columns = ["first_time", "position", "ordered_only"]
    shuffled = shuffled.group_by(["subject", "item"]).aggregate([(name, "min") for name in columns])
    splits = RECOMMENDER.split(
        NEXT_ITEMS, {keys.INTERACTIONS: shuffled.rename_columns(["subject", "item", *columns])}
    )
    popularity = ndcg("popularity", splits.refit())
    for name in ("ease", "content", "item_knn"):
        assert not paired_difference(ndcg(name, splits.refit()), popularity).low > 0


def test_the_same_rows_in_any_order_give_the_same_model(splits: Splits) -> None:
    rng = np.random.default_rng(1)
    mixed = Splits(splits.rows.take(rng.permutation(splits.rows.num_rows)), {}, splits.strategy)
    one, other = fit("ease", splits), fit("ease", mixed)
    assert one.items == other.items
    np.testing.assert_array_equal(one.weights, other.weights)


def test_items_beyond_the_cut_rank_after_all_others_by_popularity(tables: dict[str, pa.Table]) -> None:
    model = fit("ease", whole(tables), max_items=40)
    assert model.weights.shape == (40, 40)
    history = tables[keys.INTERACTIONS]["item"].to_pylist()[:24]
    answer = [r.item for r in RECOMMENDER.predict(model, Request(history, k=200)).items]
    head = {model.items[index] for index in model.head}
    assert set(answer[: len(head - set(history))]) == head - set(history)
    counts = [model.counts[model.index[item]] for item in answer if item not in head]
    assert counts == sorted(counts, reverse=True)


def test_dense_and_sparse_gram_are_equal(
    monkeypatch: pytest.MonkeyPatch, tables: dict[str, pa.Table]
) -> None:
    from forge_models.recommender import ease
    from forge_models.recommender.interactions import encode

    matrix = encode(tables[keys.INTERACTIONS]).matrix
    monkeypatch.setattr(ease, "BLOCK_BYTES", 4 * matrix.shape[1] * 7)  # several blocks
    found = []
    for cost in (0.0, 1e9):
        monkeypatch.setattr(ease, "DENSE_NS", cost)
        found.append(ease.gram(matrix))
    np.testing.assert_array_equal(found[0], (matrix.T @ matrix).toarray())
    np.testing.assert_array_equal(found[0], found[1])


def test_a_gram_matrix_that_is_not_positive_definite_is_an_error_with_a_code() -> None:
    from forge_core.errors import ForgeError
    from forge_models.recommender import ease

    with pytest.raises(ForgeError, match="FORGE-EASE-SINGULAR"):
        ease.solve(np.zeros((3, 3), order="F"), 0.0)


# --- evaluation -----------------------------------------------------------------------------------


def test_every_metric_has_an_interval_and_the_primary_one_is_there_per_subject(splits: Splits) -> None:
    evaluation = RECOMMENDER.evaluate(TASK, fit("ease", splits), splits, "validation")
    assert {"ndcg@10", "recall@10", "recall@50", "coverage@10", "novelty@10"} <= set(evaluation.metrics)
    for interval in evaluation.metrics.values():
        assert interval.low <= interval.value <= interval.high
        assert interval.n == len(evaluation.subjects)
    assert evaluation.per_subject[TASK.metric].mean() == pytest.approx(evaluation.metrics[TASK.metric].value)
    assert evaluation.slices


def test_a_target_that_training_never_saw_counts_and_is_never_found() -> None:
    times = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) * 1_000_000
    subjects = ["a", "b", "a", "b", "a", "b", "a", "b", "a", "a"]
    items = ["i1", "i1", "i2", "i2", "i3", "i3", "i4", "i4", "i5", "new"]
    splits = RECOMMENDER.split(NEXT_ITEMS, table(subjects, items, np.arange(10), times)).refit()
    evaluation = RECOMMENDER.evaluate(TASK, fit("popularity", splits), splits, "test")
    assert evaluation.subjects == ["a"]
    assert evaluation.metrics["recall@50"].value == 0.0


def test_training_rows_are_not_evaluated_on(splits: Splits) -> None:
    with pytest.raises(UsageError):
        RECOMMENDER.evaluate(TASK, fit("popularity", splits), splits, "train")


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ease", "item_knn"])
def test_reasons_add_up_to_the_score_and_come_from_the_history(
    tables: dict[str, pa.Table], name: str
) -> None:
    model = fit(name, whole(tables))
    history = tables[keys.INTERACTIONS]["item"].to_pylist()[:24]
    prediction = RECOMMENDER.predict(model, Request(history, k=5))
    assert prediction.note == ""
    assert len(prediction.items) == 5
    for recommendation in prediction.items:
        assert recommendation.item not in history
        assert {reason.because for reason in recommendation.reasons} <= set(history)
        total = sum(reason.weight for reason in recommendation.reasons)
        assert total == pytest.approx(recommendation.score, abs=1e-12)


def test_what_is_excluded_is_not_offered(tables: dict[str, pa.Table]) -> None:
    model = fit("ease", whole(tables))
    history = tables[keys.INTERACTIONS]["item"].to_pylist()[:5]
    first = RECOMMENDER.predict(model, Request(history, k=1)).items[0].item
    again = RECOMMENDER.predict(model, Request(history, k=1, exclude=[first])).items[0].item
    assert again != first


@pytest.mark.parametrize("history", [[], ["youtube:never-seen"]])
def test_an_unknown_history_falls_back_to_popularity_and_says_so(
    tables: dict[str, pa.Table], history: list[str]
) -> None:
    rows = whole(tables)
    prediction = RECOMMENDER.predict(fit("ease", rows), Request(history))
    popular = RECOMMENDER.predict(fit("popularity", rows), Request([]))
    assert [r.item for r in prediction.items] == [r.item for r in popular.items]
    assert "None of the history" in prediction.note
    assert "same for everybody" in popular.note
    assert all(r.reasons == () for r in prediction.items)


@pytest.mark.parametrize("name", ["ease", "content", "item_knn", "popularity"])
def test_all_answers_at_once_are_the_single_answers(tables: dict[str, pa.Table], name: str) -> None:
    model = fit(name, whole(tables))
    answers = RECOMMENDER.predict_all(model, tables)
    assert answers.column_names == ["subject", "rank", "item", "score", "reasons"]
    rows = tables[keys.INTERACTIONS]
    for subject in ("subject0000", "subject0077"):
        history = rows.filter(pc.equal(rows["subject"], subject))["item"].to_pylist()
        single = RECOMMENDER.predict(model, Request(history, k=10))
        batch = answers.filter(pc.equal(answers["subject"], subject)).to_pylist()
        assert [row["rank"] for row in batch] == list(range(1, 11))
        assert [row["item"] for row in batch] == [r.item for r in single.items]
        expected = [[reason.because for reason in r.reasons if reason.weight > 0][:3] for r in single.items]
        assert [row["reasons"] for row in batch] == expected


# --- storage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ease", "content", "item_knn", "popularity"])
def test_a_loaded_model_answers_identically(tables: dict[str, pa.Table], tmp_path: Path, name: str) -> None:
    model = fit(name, whole(tables))
    RECOMMENDER.save(NEXT_ITEMS, model, tmp_path / "model")
    loaded = RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")
    assert RECOMMENDER.predict_all(loaded, tables).equals(RECOMMENDER.predict_all(model, tables))
    assert dict(loaded.config) == dict(model.config)


def test_f_m3_indices_outside_the_vocabulary_are_refused(tables: dict[str, pa.Table], tmp_path: Path) -> None:
    for name, tensor, value in (
        ("item_knn", "similarity.indices", 10**9),
        ("item_knn", "similarity.indptr", -1),
        ("ease", "head", 10**9),
        ("ease", "head", -1),
    ):
        RECOMMENDER.save(NEXT_ITEMS, fit(name, whole(tables)), tmp_path / "model")
        arrays, document = artifact.read(tmp_path / "model")
        arrays[tensor][-1] = value
        artifact.write(tmp_path / "model", arrays, document)
        with pytest.raises(Refused):
            RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")


# --- vectors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_cluster", [30, 150])  # dense and subspace iteration
def test_vectors_place_items_of_one_taste_together(per_cluster: int) -> None:
    from forge_models.recommender.vectors import co_occurrence_vectors

    rows = tastes(subjects=300, per_cluster=per_cluster, each=40)[keys.INTERACTIONS]
    items, vectors = co_occurrence_vectors(rows, dim=32, seed=3)
    again = co_occurrence_vectors(rows, dim=32, seed=3)
    np.testing.assert_array_equal(vectors, again[1])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    near = vectors @ vectors.T - 2 * np.eye(len(items))
    cluster = np.array([int(item[-5:]) // per_cluster for item in items])
    assert (cluster[near.argmax(axis=1)] == cluster).mean() > 0.7  # one in six by chance


def test_vectors_of_a_handful_of_items_do_not_fail() -> None:
    from forge_models.recommender.vectors import co_occurrence_vectors

    rows = table(["a", "a", "b", "b", "c"], ["i1", "i2", "i1", "i2", "i3"], np.arange(5))[keys.INTERACTIONS]
    items, vectors = co_occurrence_vectors(rows, dim=8)
    assert items == ["i1", "i2"]  # i3 was never met beside another
    assert vectors.shape == (2, 8)
    assert co_occurrence_vectors(rows.slice(0, 0), dim=8)[1].shape == (0, 8)
