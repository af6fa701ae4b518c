"""Windowed transitions: counted as written down, sparse on large catalogues, with exact reasons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from forge_core import keys
from forge_core.errors import Refused
from forge_models import artifact
from forge_models.recommender import NEXT_ITEMS, RECOMMENDER, transitions
from forge_models.recommender.interactions import Histories
from forge_models.recommender.transitions import Counting, TransitionsModel
from tests.models.data import tastes
from tests.models.ordered import fit, histories, poisoned, renamed, share_offered, whole, written
from tests.models.test_recommender_ridge import random_histories


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return tastes()


@pytest.fixture(scope="module")
def model(tables: dict[str, pa.Table]) -> TransitionsModel:
    return fit("transitions", whole(tables))


def by_hand(found: Histories, counting: Counting) -> np.ndarray:
    total = np.zeros((found.size, found.size))
    for subject in range(len(found)):
        items = found[subject : subject + 1].items
        for place, item in enumerate(items):
            for distance in range(1, counting.window + 1):
                weight = np.exp(-(distance - 1) / counting.tau)
                if place + distance < len(items):
                    total[item, items[place + distance]] += weight
                    total[items[place + distance], item] += counting.backward * weight
    sums = total.sum(axis=1, keepdims=True)
    return np.where(sums > 0, total / np.maximum(sums, 1e-12) ** counting.damping, 0.0)


@pytest.mark.parametrize("at_once", [1, 60, 10_000_000])
@pytest.mark.parametrize("backward", [0.0, 0.5])
def test_transitions_are_counted_as_written_down(
    at_once: int, backward: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "AT_ONCE", at_once)
    counting = Counting(window=8, tau=5.0, backward=backward, damping=0.3, neighbours=100)
    found = random_histories()
    np.testing.assert_allclose(
        transitions.transitions(found, counting).toarray(), by_hand(found, counting), atol=1e-6
    )


def test_only_the_strongest_of_a_row_are_kept() -> None:
    found = random_histories()
    everything = by_hand(found, Counting(8, 5.0, 0.5, 0.3, 100))
    few = transitions.transitions(found, Counting(8, 5.0, 0.5, 0.3, 3)).toarray()
    assert ((few > 0).sum(axis=1) <= 3).all()
    for row, whole_row in zip(few, everything, strict=True):
        assert sorted(row[row > 0].round(5)) == sorted(np.sort(whole_row)[::-1][:3].round(5))


def test_a_hundred_thousand_items_stay_sparse() -> None:
    rng = np.random.default_rng(0)
    n, size = 5_000, 100_000
    found = Histories(np.arange(n + 1) * 10, rng.integers(0, size, n * 10), np.zeros(n * 10, np.int64), size)
    weights = transitions.transitions(found, Counting(8, 5.0, 0.5, 0.3, 20))
    assert weights.shape == (size, size)
    assert weights.nnz <= 20 * size
    assert np.diff(weights.indptr).max() <= 20


def test_reasons_add_up_to_the_score(model: TransitionsModel, tables: dict[str, pa.Table]) -> None:
    one = histories(model, tables)[3:4]
    everything = np.arange(len(model.items))
    total = model.contributions(one, everything).sum(axis=0) + model.prior(everything)
    np.testing.assert_allclose(model.personal_scores(one)[0], total, atol=1e-12)


def test_f_d11_other_pseudonyms_for_the_same_people_give_the_same_model(
    tables: dict[str, pa.Table], model: TransitionsModel, tmp_path: Path
) -> None:
    again = fit("transitions", whole(renamed(tables)))
    assert written(again, tmp_path / "again") == written(model, tmp_path / "model")


def test_f_d9_one_percent_of_rows_cannot_push_an_item_into_the_lists_of_others(
    tables: dict[str, pa.Table],
) -> None:
    changed, item, clean = poisoned(tables)
    assert share_offered("transitions", tables, item, clean) < 0.05
    assert share_offered("transitions", changed, item, clean) < 0.15


def test_a_loaded_model_answers_identically(
    tables: dict[str, pa.Table], model: TransitionsModel, tmp_path: Path
) -> None:
    RECOMMENDER.save(NEXT_ITEMS, model, tmp_path / "model")
    loaded = RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")
    asked = {keys.INTERACTIONS: tables[keys.INTERACTIONS]}
    assert RECOMMENDER.predict_all(loaded, asked).equals(RECOMMENDER.predict_all(model, asked))


@pytest.mark.parametrize("what", ["indices", "query_tau", "query_window"])
def test_f_m3_what_does_not_fit_is_refused(model: TransitionsModel, tmp_path: Path, what: str) -> None:
    RECOMMENDER.save(NEXT_ITEMS, model, tmp_path / "model")
    arrays, document = artifact.read(tmp_path / "model")
    if what == "indices":
        arrays["weights.indices"][-1] = 10**9
    else:
        document["config"][what] = -1
    artifact.write(tmp_path / "model", arrays, document)
    with pytest.raises(Refused):
        RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")
