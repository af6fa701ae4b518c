"""Sequential ridge: the closed form equals the one with its features written out, and its reasons add up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from forge_core import keys
from forge_core.errors import ForgeError, Refused
from forge_models import artifact
from forge_models.recommender import NEXT_ITEMS, RECOMMENDER, ridge
from forge_models.recommender.interactions import Histories
from tests.models.data import table, tastes
from tests.models.ordered import fit, histories, poisoned, renamed, share_offered, whole, written

VIEWS = [(1.0, 4), (8.0, 30)]


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return tastes()


@pytest.fixture(scope="module")
def model(tables: dict[str, pa.Table]) -> ridge.RidgeModel:
    return fit("ridge", whole(tables))


def random_histories(seed: int = 0, items: int = 12) -> Histories:
    rng = np.random.default_rng(seed)
    lengths = np.array([0, 1, 2, 40, 7, 13, 5])
    return Histories(
        np.concatenate([[0], np.cumsum(lengths)]),
        rng.integers(0, items, lengths.sum()),
        np.zeros(lengths.sum(), np.int64),
        items,
    )


def written_out(found: Histories, views: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    """F and Y with a row for every event that has one before it."""
    features, targets = [], []
    for subject in range(len(found)):
        items = found[subject : subject + 1].items
        for place in range(1, len(items)):
            row = np.zeros((len(views), found.size))
            for view, (tau, window) in enumerate(views):
                for age, item in enumerate(items[:place][::-1][:window]):
                    row[view, item] += np.exp(-age / tau)
            features.append(row.ravel())
            targets.append(np.eye(found.size)[items[place]])
    return np.array(features), np.array(targets)


@pytest.mark.parametrize("views", [VIEWS, [(2.0, 3)], [(8.0, 5), (1.0, 9), (30.0, 60)]])
def test_pairs_of_events_add_up_to_the_products_of_the_features(
    views: list[tuple[float, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ridge, "AT_ONCE", 50)  # several rounds of counting
    found = random_histories()
    f, y = written_out(found, views)
    gram = ridge.gram_of(found, views)
    np.testing.assert_allclose(np.tril(gram), np.tril(f.T @ f), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ridge.product_of(found, views), f.T @ y, rtol=1e-5, atol=1e-5)


def test_the_weights_are_those_of_ridge_regression() -> None:
    found = random_histories()
    f, y = written_out(found, VIEWS)
    penalty = np.diag(3.0 + np.diag(f.T @ f) * (1 / 0.75 - 1))
    expected = np.linalg.solve(f.T @ f + penalty, f.T @ y)
    weights = ridge.solve(ridge.gram_of(found, VIEWS), ridge.product_of(found, VIEWS), 3.0, 0.25)
    np.testing.assert_allclose(weights, expected, atol=1e-5)


def test_a_score_is_the_features_of_the_history_times_the_weights(
    model: ridge.RidgeModel, tables: dict[str, pa.Table]
) -> None:
    asked = histories(model, tables)[:5]
    features, _ = written_out(
        Histories(
            np.arange(6) * 25,
            np.insert(asked.items, asked.indptr[1:], 0),
            np.zeros(125, np.int64),
            asked.size,
        ),
        VIEWS,
    )
    last = features[np.arange(1, 6) * 24 - 1]
    np.testing.assert_allclose(model.personal_scores(asked), last @ model.weights, atol=1e-5)


def test_what_just_happened_counts_most() -> None:
    subjects = [f"s{n:02d}" for n in range(40) for _ in range(3)]
    items = [item for n in range(40) for item in (["a", "b", "x"] if n % 2 else ["b", "a", "y"])]
    found = fit("ridge", whole(table(subjects, items, np.tile(np.arange(3), 40))), **{"lambda": 1.0})
    one = Histories.one([found.index["a"], found.index["b"]], 4)
    scores = found.personal_scores(one)[0]
    assert scores[found.index["x"]] > 1.5 * scores[found.index["y"]]


@pytest.mark.parametrize("cut", [6_000, 40])
def test_reasons_add_up_to_the_score(tables: dict[str, pa.Table], cut: int) -> None:
    model = fit("ridge", whole(tables), max_items=cut)
    one = histories(model, tables)[3:4]
    everything = np.arange(len(model.items))
    total = model.contributions(one, everything).sum(axis=0) + model.prior(everything)
    np.testing.assert_allclose(model.personal_scores(one)[0], total, atol=1e-6)
    assert len(model.head) == min(cut, len(model.items))


def test_a_lambda_that_cannot_be_solved_is_an_error_with_a_code() -> None:
    with pytest.raises(ForgeError, match="FORGE-RIDGE-SINGULAR"):
        ridge.solve(np.zeros((2, 2), np.float32, order="F"), np.zeros((2, 1), np.float32), 0.0)


def test_f_d11_other_pseudonyms_for_the_same_people_give_the_same_model(
    tables: dict[str, pa.Table], model: ridge.RidgeModel, tmp_path: Path
) -> None:
    again = fit("ridge", whole(renamed(tables)))
    assert written(again, tmp_path / "again") == written(model, tmp_path / "model")


def test_f_d9_one_percent_of_rows_cannot_push_an_item_into_the_lists_of_others(
    tables: dict[str, pa.Table],
) -> None:
    changed, item, clean = poisoned(tables)
    assert share_offered("ridge", tables, item, clean) < 0.05
    assert share_offered("ridge", changed, item, clean) < 0.15


def test_a_loaded_model_answers_identically(
    tables: dict[str, pa.Table], model: ridge.RidgeModel, tmp_path: Path
) -> None:
    RECOMMENDER.save(NEXT_ITEMS, model, tmp_path / "model")
    loaded = RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")
    asked = {keys.INTERACTIONS: tables[keys.INTERACTIONS]}
    assert RECOMMENDER.predict_all(loaded, asked).equals(RECOMMENDER.predict_all(model, asked))


@pytest.mark.parametrize("what", ["head", "weights", "taus", "windows"])
def test_f_m3_what_does_not_fit_is_refused(model: ridge.RidgeModel, tmp_path: Path, what: str) -> None:
    RECOMMENDER.save(NEXT_ITEMS, model, tmp_path / "model")
    arrays, document = artifact.read(tmp_path / "model")
    if what == "head":
        arrays["head"][-1] = 10**9
    elif what == "weights":
        arrays["weights"] = arrays["weights"][:-1]
    else:
        document["config"][what] = [-1, 3]
    artifact.write(tmp_path / "model", arrays, document)
    with pytest.raises(Refused):
        RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")
