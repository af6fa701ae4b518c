"""The ensemble of neighbours on public tables: above the library's isolation forest."""

from __future__ import annotations

import numpy as np
import pytest

from forge_models.anomaly import forest, neighbours
from tests.models.data import public


@pytest.mark.data
@pytest.mark.parametrize("name", ["14_glass", "18_Ionosphere", "40_vowels"])
def test_neighbours_are_above_the_librarys_forest(name: str) -> None:
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score

    with np.load(public("anomaly-adbench-classical") / f"{name}.npz") as held:
        x, y = held["X"].astype(np.float64), held["y"].astype(np.int64)
    x = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    library = -IsolationForest(n_estimators=100, random_state=0).fit(x).score_samples(x)
    ours, own_forest = neighbours.fit(x, 0)[1], forest.fit(x, 0).scores(x)
    assert roc_auc_score(y, ours) > roc_auc_score(y, library) + 0.03
    assert roc_auc_score(y, own_forest) == pytest.approx(roc_auc_score(y, library), abs=0.05)
