"""iALS: every row solved exactly, whichever way; the loss falls; reasons are Hu, Koren and Volinsky's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from forge_core import keys
from forge_core.errors import Refused
from forge_models import artifact
from forge_models.recommender import NEXT_ITEMS, RECOMMENDER, ials
from forge_models.recommender.interactions import encode
from tests.models.data import tastes
from tests.models.ordered import fit, histories, poisoned, renamed, share_offered, whole, written

RENDLE = ials.Objective(0.1, 0.01)
IMPLICIT = ials.Objective(1.0, 0.5, nu=0.0, weight=5.0, target=6.0)


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return tastes()


@pytest.fixture(scope="module")
def model(tables: dict[str, pa.Table]) -> ials.IalsModel:
    return fit("ials", whole(tables))


@pytest.mark.parametrize("objective", [RENDLE, IMPLICIT])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_row_is_at_its_exact_minimum(objective: ials.Objective, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    x = (rng.random((90, 120)) < np.linspace(0, 0.6, 90)[:, None]).astype(
        np.float64
    )  # short rows and long ones
    x[0], x[1] = 0, 1
    x *= rng.random(x.shape) + 0.1 if weighted else 1.0
    factors = rng.standard_normal((120, 32)).astype(np.float32)
    wide, penalties = factors.astype(np.float64), objective.penalties(x.sum(axis=1), 120)
    expected = [
        np.linalg.solve(
            objective.unobserved * wide.T @ wide
            + (wide * (objective.weight * row)[:, None]).T @ wide
            + penalty * np.eye(32),
            objective.target * (row @ wide),
        )
        for row, penalty in zip(x, penalties, strict=True)
    ]
    np.testing.assert_allclose(ials.solve(factors, sp.csr_array(x), objective), expected, atol=2e-6)


def test_every_half_epoch_makes_the_loss_smaller(tables: dict[str, pa.Table]) -> None:
    matrix = encode(tables[keys.INTERACTIONS]).matrix
    items = ials.start(matrix.shape[1], 16, 0)
    losses = []
    for _ in range(4):
        subjects = ials.solve(items, matrix, RENDLE)
        losses.append(ials.loss(subjects, items, matrix, RENDLE))
        items = ials.solve(subjects, matrix.T.tocsr(), RENDLE)
        losses.append(ials.loss(subjects, items, matrix, RENDLE))
    assert losses == sorted(losses, reverse=True)


def test_taste_is_learned(tables: dict[str, pa.Table]) -> None:
    from forge_core.evaluation.intervals import paired_difference
    from tests.models.ordered import TASK

    refit = RECOMMENDER.split(NEXT_ITEMS, tables).refit()
    ours, popular = (
        RECOMMENDER.evaluate(TASK, fit(name, refit), refit, "test").per_subject["ndcg@10"]
        for name in ("ials", "popularity")
    )
    assert paired_difference(ours, popular).low > 0


@pytest.mark.parametrize("recency", [0.0, 4.0])
def test_reasons_add_up_to_the_score(tables: dict[str, pa.Table], recency: float) -> None:
    model = fit("ials", whole(tables), recency=recency)
    one = histories(model, tables)[3:4]
    everything = np.arange(len(model.items))
    total = model.contributions(one, everything).sum(axis=0)
    np.testing.assert_allclose(model.personal_scores(one)[0], total, atol=1e-5)


def test_f_d11_other_pseudonyms_for_the_same_people_give_the_same_model(
    tables: dict[str, pa.Table], model: ials.IalsModel, tmp_path: Path
) -> None:
    again = fit("ials", whole(renamed(tables)))
    assert written(again, tmp_path / "again") == written(model, tmp_path / "model")


def test_f_d9_one_percent_of_rows_cannot_push_an_item_into_the_lists_of_others(
    tables: dict[str, pa.Table],
) -> None:
    changed, item, clean = poisoned(tables)
    assert share_offered("ials", tables, item, clean) < 0.05
    assert share_offered("ials", changed, item, clean) < 0.15


def test_a_loaded_model_answers_identically(
    tables: dict[str, pa.Table], model: ials.IalsModel, tmp_path: Path
) -> None:
    RECOMMENDER.save(NEXT_ITEMS, model, tmp_path / "model")
    loaded = RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")
    asked = {keys.INTERACTIONS: tables[keys.INTERACTIONS]}
    assert RECOMMENDER.predict_all(loaded, asked).equals(RECOMMENDER.predict_all(model, asked))


@pytest.mark.parametrize("what", ["factors", "unobserved", "regularisation", "recency"])
def test_f_m3_what_does_not_fit_is_refused(model: ials.IalsModel, tmp_path: Path, what: str) -> None:
    RECOMMENDER.save(NEXT_ITEMS, model, tmp_path / "model")
    arrays, document = artifact.read(tmp_path / "model")
    if what == "factors":
        arrays["factors"] = arrays["factors"][:, :-1]
    else:
        document["config"][what] = -1.0
    artifact.write(tmp_path / "model", arrays, document)
    with pytest.raises(Refused):
        RECOMMENDER.load(NEXT_ITEMS, tmp_path / "model")
