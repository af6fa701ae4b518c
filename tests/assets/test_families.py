"""The factory: states instead of failures, and a champion that has to earn it."""

from __future__ import annotations

import pytest

from forge_assets.families.promoting import verdict
from tests.assets.conftest import checks, watched


def against(name: str, by: float, low: float, high: float, baseline: bool = True) -> dict:
    return {"against": name, "is_baseline": baseline, "better_by": by, "low": low, "high": high}


def test_surely_better_than_all_takes_over():
    assert verdict([against("popularity", 0.1, 0.05, 0.15), against("item_knn", 0.02, 0.01, 0.03)]) == []


def test_better_on_average_but_not_surely_than_one_twin_takes_over():
    assert verdict([against("popularity", 0.1, 0.05, 0.15), against("item_knn", 0.01, -0.01, 0.03)]) == []


@pytest.mark.parametrize(
    "comparisons",
    [
        [against("popularity", -0.01, -0.05, 0.03)],
        [against("popularity", 0.0, 0.0, 0.0)],
        [against("popularity", 0.01, -0.02, 0.04), against("item_knn", 0.01, -0.02, 0.04)],
        [against("popularity", 0.1, 0.05, 0.15), against("incumbent", -0.02, -0.03, -0.01, baseline=False)],
        [against("popularity", float("nan"), float("nan"), float("nan"))],
    ],
)
def test_F_D3_worse_equal_unsure_or_unknown_is_kept_out(comparisons):
    assert verdict(comparisons)


@pytest.mark.parametrize("people", [0, 1, 2])
def test_F_D1_too_little_data_is_learning_mode_and_registers_nothing(forge, takeout, people):
    forge.stores.consent.grant_all("test")
    for person in range(people):
        forge.ingest(takeout(watched(*range(person, person + 3))), subject=f"p{person}")

    result = forge.build()

    assert result.success, "learning mode is a state, not a failure"
    passed, why = checks(result)["recommender/training_set:ready"]
    assert not passed
    assert "Learning mode" in why
    assert forge.stores.registry.models() == []
    assert not forge.stores.database.exists("recommender.model")


def test_without_consent_for_its_purpose_a_family_learns_nothing(forge, takeout):
    forge.ingest(takeout(watched(1, 2, 3)))
    forge.stores.consent.set("protect", "granted", "test")

    result = forge.build()

    assert result.success
    passed, why = checks(result)["recommender/training_set:ready"]
    assert not passed
    assert "No consent" in why
    assert forge.stores.versions.all()["recommender/training_set"].state == "refused"


def test_a_leaking_split_blocks_what_comes_after(forge, takeout, monkeypatch):
    from forge_models.recommender import NEXT_ITEMS, RECOMMENDER

    forge.stores.consent.grant_all("test")
    monkeypatch.setattr(
        type(RECOMMENDER), "size", lambda self, task, splits: {k: 10**6 for k in NEXT_ITEMS.minimum}
    )
    monkeypatch.setattr(type(RECOMMENDER), "leakage", lambda self, task, splits: {"train_after_test": 1})
    forge.ingest(takeout(watched(1, 2, 3)))

    result = forge.build()

    assert not result.success
    assert not checks(result)["recommender/training_set:no_leakage"][0]
    assert not forge.stores.database.exists("recommender.tuning")
