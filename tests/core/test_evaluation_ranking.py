"""Full-ranking metrics against their definitions, written out naively."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from forge_core.evaluation import ranking


def stable(scores: np.ndarray, k: int) -> list[list[int]]:
    """A stable sort by (-score, index), hidden items left out."""
    result = []
    for row in scores:
        order = sorted((-score, index) for index, score in enumerate(row) if score > -np.inf)
        result.append([index for _, index in order[:k]] + [-1] * (k - len(order[:k])))
    return result


@pytest.mark.parametrize("levels", [1, 2, 3, 1000])
@pytest.mark.parametrize("k", [1, 5, 20, 30])
def test_top_k_is_a_stable_sort_by_score_and_index(levels: int, k: int) -> None:
    rng = np.random.default_rng(levels)
    scores = rng.integers(0, levels, size=(200, 20)).astype(float)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    scores[0] = -np.inf
    assert ranking.top_k(scores, k).tolist() == stable(scores, k)


def test_top_k_of_nothing_is_nothing() -> None:
    assert ranking.top_k(np.zeros((0, 5)), 3).shape == (0, 3)
    assert ranking.top_k(np.zeros((2, 0)), 3).tolist() == [[-1] * 3] * 2


def test_scores_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(ValueError, match="NaN"):
        ranking.top_k(np.array([[1.0, np.nan]]), 1)


def test_seen_items_are_hidden() -> None:
    scores = np.array([[3.0, 2.0, 1.0]])
    ranking.hide(scores, sp.csr_array(np.array([[1.0, 0.0, 0.0]])))
    assert ranking.top_k(scores, 2).tolist() == [[1, 2]]


TOP = np.array([[4, 2, 0], [1, 3, -1]])
TARGETS = sp.csr_array(np.array([[1.0, 0, 0, 1, 1], [0, 0, 1, 0, 0]]))
N_TARGETS = np.array([3, 1])


def test_ndcg_recall_and_hit_rate_by_hand() -> None:
    hit = ranking.hits(TOP, TARGETS)
    assert hit.tolist() == [[True, False, True], [False, False, False]]
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    np.testing.assert_allclose(ranking.ndcg(hit, N_TARGETS, 3), [(1 + 1 / np.log2(4)) / ideal, 0])
    np.testing.assert_allclose(ranking.ndcg(hit, N_TARGETS, 1), [1, 0])
    np.testing.assert_allclose(ranking.recall(hit, N_TARGETS, 3), [2 / 3, 0])
    np.testing.assert_allclose(ranking.hit_rate(hit, 3), [1, 0])


def test_ndcg_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(0)
    scores, wanted = rng.random((50, 40)), (rng.random((50, 40)) < 0.1).astype(float)
    wanted[:, 0] = 1
    hit = ranking.hits(ranking.top_k(scores, 10), sp.csr_array(wanted))
    ours = ranking.ndcg(hit, wanted.sum(axis=1).astype(int), 10)
    assert ours.mean() == pytest.approx(ndcg_score(wanted, scores, k=10))


def test_reciprocal_rank_is_that_of_the_best_target_with_ties_to_the_lower_index() -> None:
    scores = np.array([[1.0, 5.0, 5.0, 0.0], [1.0, 1.0, 1.0, -np.inf], [1.0, 2.0, 3.0, 4.0]])
    targets = sp.csr_array(np.array([[0.0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0]]))
    assert ranking.reciprocal_rank(scores, targets).tolist() == [1 / 2, 1 / 3, 0.0]


def test_novelty_is_the_mean_self_information_in_bits() -> None:
    bits = ranking.self_information(np.array([8, 4, 2, 1, 0]), 8)
    assert bits.tolist() == [0.0, 1.0, 2.0, 3.0, 3.0]
    np.testing.assert_allclose(ranking.novelty(TOP, bits, 3), [(3 + 2 + 0) / 3, (1 + 3) / 2])


def test_coverage_counts_distinct_items_and_its_interval_holds_the_value() -> None:
    coverage = ranking.coverage_interval([TOP], items=10, k=2)
    assert coverage.value == pytest.approx(0.4)
    assert coverage.low <= coverage.value <= coverage.high
    assert coverage.n == 2
    assert np.isnan(ranking.coverage_interval([], 10, 2).value)
