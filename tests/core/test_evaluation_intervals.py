"""Bootstrap intervals: as wide as they should be, the same for a seed, small in memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from forge_core.evaluation.intervals import (
    Interval,
    mean_interval,
    mean_intervals,
    paired_difference,
    weights,
)


def test_the_interval_of_a_normal_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(5, 2, size=400)
    interval = mean_interval(values)
    half = 1.96 * values.std() / 20
    assert interval.value == values.mean()
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)
    assert interval.n == 400


def test_95_of_100_intervals_hold_the_true_mean() -> None:
    rng = np.random.default_rng(1)
    held = [(i := mean_interval(rng.exponential(1, 100), seed=s)).low <= 1 <= i.high for s in range(200)]
    assert 0.89 <= np.mean(held) <= 0.99


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).random(50)
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)


def test_metrics_asked_together_or_alone_are_the_same() -> None:
    values = np.random.default_rng(0).random((2, 50))
    together = mean_intervals({"a": values[0], "b": values[1]})
    assert together["b"].low == pytest.approx(mean_interval(values[1]).low)


def test_a_paired_difference_sees_what_two_intervals_cannot() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.random(300)
    ours = theirs + 0.01 + rng.normal(0, 0.02, 300)
    assert mean_interval(ours).overlaps(mean_interval(theirs))
    assert paired_difference(ours, theirs).low > 0
    assert paired_difference(theirs, theirs) == Interval(0.0, 0.0, 0.0, 300)


def test_a_difference_of_other_subjects_is_an_error() -> None:
    with pytest.raises(ValueError, match="same subjects"):
        paired_difference(np.zeros(3), np.zeros(4))


def test_no_subjects_one_subject_and_a_constant() -> None:
    assert mean_interval(np.zeros(0)).n == 0
    assert mean_interval(np.array([0.3])) == Interval(0.3, 0.3, 0.3, 1)
    constant = mean_interval(np.full(7, 0.1))
    assert constant.low <= constant.value <= constant.high


def test_memory_does_not_grow_with_the_number_of_subjects() -> None:
    tracemalloc.start()
    for block in weights(300_000, resamples=30):
        assert block.sum(axis=1).tolist() == [300_000.0] * len(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6
