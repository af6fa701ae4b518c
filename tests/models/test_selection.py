"""Selection of features, their importance and reductions: what is planted is found, and noise is not."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from forge_core.errors import ForgeError
from forge_models.selection import permutation, reduce_dense, reduce_sparse, select

NAMES = ["normal", "flipped", "noise", "coin", "constant", "unknown"]


def planted(seed: int, rows: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Two features that tell of the label, two that do not, one constant, one that is never known."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    columns = [
        label + rng.normal(size=rows),
        label ^ (rng.random(rows) < 0.3),
        rng.normal(size=rows),
        rng.integers(0, 2, rows),
        np.full(rows, 7.0),
        np.full(rows, np.nan),
    ]
    return np.stack(columns, axis=1).astype(np.float64), label


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rows", [300, 3_000])
def test_what_tells_of_the_label_is_kept_and_noise_constant_and_unknown_are_not(seed: int, rows: int) -> None:
    found = select(*planted(seed, rows), NAMES, keep=6, seed=seed)
    assert {NAMES[place] for place in found.kept} == {"normal", "flipped"}
    assert found.information[4] == found.information[5] == 0.0


def test_the_most_telling_come_first_and_no_more_than_asked_for() -> None:
    X, label = planted(0)
    found = select(X, label, NAMES, keep=6)
    assert list(np.diff(found.information[found.kept]) <= 0) == [True]
    assert list(select(X, label, NAMES, keep=1).kept) == list(found.kept[:1])
    assert len(select(X, label, NAMES, keep=0).kept) == 0


def test_the_same_seed_gives_the_same_selection() -> None:
    X, label = planted(1, 20_000)  # more than the sample
    one, other = select(X, label, NAMES, 6, seed=3), select(X, label, NAMES, 6, seed=3)
    np.testing.assert_array_equal(one.information, other.information)
    np.testing.assert_array_equal(one.noise, other.noise)


def test_a_value_that_is_sometimes_unknown_still_tells() -> None:
    X, label = planted(2)
    X[::3, 0] = np.nan
    assert 0 in select(X, label, NAMES, keep=6).kept


@pytest.mark.parametrize("labels", [[], [1], [1, 1, 1], [0, 1], [0, 0, 0, 1]])
def test_f_d1_too_few_rows_or_one_class_says_what_is_needed(labels: list[int]) -> None:
    with pytest.raises(ForgeError, match="2 classes of 2 rows each") as refused:
        select(np.zeros((len(labels), 1)), np.array(labels), ["x"], keep=1)
    assert refused.value.code == "FORGE-SELECTION-DATA"


def test_columns_and_names_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one column per name"):
        select(np.zeros((4, 2)), np.array([0, 1, 0, 1]), ["x"], keep=1)


def test_importance_is_what_the_score_loses_and_nothing_for_what_is_not_used() -> None:
    X, label = planted(3)

    def accuracy(rows: np.ndarray, y: np.ndarray) -> float:
        return float(((rows[:, 0] > 0.5) == y).mean())

    before = X.copy()
    found = permutation(accuracy, X, label, NAMES, seed=1)
    assert found["normal"] > 0.1
    assert {found[name] for name in NAMES[1:]} == {0.0}
    np.testing.assert_array_equal(X, before)
    assert permutation(accuracy, X[:0], label[:0], NAMES) == dict.fromkeys(NAMES, 0.0)


def test_the_report_has_a_row_for_each_feature() -> None:
    found = select(*planted(4), NAMES, keep=1)
    rows = found.table({"normal": 0.2})
    assert [row["feature"] for row in rows] == NAMES
    assert [row["feature"] for row in rows if row["kept"]] == [NAMES[found.kept[0]]]
    assert rows[0]["permutation_importance"] == 0.2


@pytest.mark.parametrize("reduce", [reduce_sparse, reduce_dense])
def test_a_reduction_explains_what_lies_in_few_dimensions(reduce) -> None:
    rng = np.random.default_rng(0)
    low = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 40))
    X = sp.csr_array(low) if reduce is reduce_sparse else low
    three, one = reduce(X, 3), reduce(X, 1)
    assert three.components.shape == (3, 40)
    assert three.explained == pytest.approx(1.0, abs=1e-6)
    assert 0.2 < one.explained < 0.9
    np.testing.assert_allclose(three.apply(X) @ three.components + three.mean, low, atol=1e-6)
    np.testing.assert_array_equal(reduce(X, 3).components, three.components)


def test_a_reduction_has_no_more_dimensions_than_there_are() -> None:
    assert len(reduce_dense(np.eye(3, 5), 64).components) == 3
    assert len(reduce_sparse(sp.csr_array(np.eye(4)), 64).components) == 4
    assert reduce_sparse(sp.csr_array(np.ones((4, 3))), 2).explained == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("shape", [(0, 5), (1, 5), (5, 1)])
def test_f_d1_a_reduction_of_next_to_nothing_says_what_is_needed(shape: tuple[int, int]) -> None:
    for reduce, X in ((reduce_sparse, sp.csr_array(shape)), (reduce_dense, np.zeros(shape))):
        with pytest.raises(ForgeError, match="FORGE-REDUCTION-DATA"):
            reduce(X, 2)
