"""Drift alarms on how far a column moved, never on how many rows there are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from forge_core.evaluation.drift import drift

LETTERS = list("abcdefgh")


def window(n: int, shift: float, seed: int) -> pa.Table:
    """A normal, a skewed and a categorical column, moved by ``shift`` standard deviations."""
    rng = np.random.default_rng([seed, n])
    shares = np.full(8, 1 / 8)
    shares[0] += shift / 2
    shares[1:] -= shift / 14
    return pa.table(
        {
            "normal": rng.normal(10 + 2 * shift, 2, n),
            "skewed": rng.exponential(1, n) + shift,
            "category": pa.array(rng.choice(LETTERS, n, p=shares)),
        }
    )


@pytest.mark.parametrize("n", [100, 10_000, 1_000_000])
@pytest.mark.parametrize("shift", [0.0, 0.03])
def test_f_d4_the_same_data_or_a_tiny_shift_never_alarms(n: int, shift: float) -> None:
    report = drift(window(n, 0, seed=1), window(n, shift, seed=2))
    assert report.alarms == []
    assert [column.name for column in report.columns] == ["normal", "skewed", "category"]


@pytest.mark.parametrize("n", [10_000, 1_000_000])
def test_f_d4_a_shift_of_three_tenths_of_a_deviation_alarms(n: int) -> None:
    assert drift(window(n, 0, seed=1), window(n, 0.3, seed=2)).alarms == ["normal", "skewed", "category"]


def test_f_d4_a_large_shift_alarms_at_a_hundred_rows_too() -> None:
    assert drift(window(100, 0, seed=1), window(100, 1.0, seed=2)).alarms == ["normal", "skewed", "category"]


def test_the_effect_is_evidentlys_distance() -> None:
    from evidently.legacy.calculations.stattests import jensenshannon_stat_test, wasserstein_stat_test

    before, after = window(500, 0, 1), window(500, 0.5, 2)
    found = {column.name: column for column in drift(before, after).columns}
    for name, test, kind in (
        ("normal", wasserstein_stat_test, "num"),
        ("category", jensenshannon_stat_test, "cat"),
    ):
        theirs = test.func(before[name].to_pandas(), after[name].to_pandas(), kind, 0.1)[0]
        assert found[name].effect == pytest.approx(theirs)
        assert found[name].method == test.name


def test_below_the_minimum_it_says_too_few_and_gives_no_verdict() -> None:
    report = drift(window(99, 0, 1), window(1000, 1.0, 2))
    assert {column.verdict for column in report.columns} == {"too few"}
    assert report.words == "Too few rows to compare."
    assert "too few" in report.columns[0].words


def test_many_categories_are_no_drift_by_themselves() -> None:
    def rare(seed: int) -> pa.Table:
        return pa.table({"item": [f"i{i}" for i in np.random.default_rng(seed).integers(0, 3000, 4000)]})

    column = drift(rare(1), rare(2)).columns[0]
    assert column.effect > column.threshold  # chance alone reaches it
    assert not column.alarm


def test_f_d1_null_constant_infinite_and_unlike_columns() -> None:
    n = 300
    before = pa.table(
        {"same": [5] * n, "gone": [1.0] * n, "null": pa.nulls(n, pa.float64()), "text": ["x"] * n}
    )
    after = pa.table(
        {
            "same": [5] * n,
            "gone": [None, np.inf, 1.0] * 100,
            "null": pa.nulls(n, pa.float64()),
            "text": [1] * n,
        }
    )
    found = {column.name: column for column in drift(before, after).columns}
    assert found["same"].verdict == "steady"
    assert (found["gone"].method, found["gone"].alarm) == ("missing share", True)
    assert found["null"].verdict == "too few"
    assert drift(before, after, columns=["absent"]).columns == ()
    assert drift(before.slice(0, 0), after.slice(0, 0)).alarms == []


def test_the_same_seed_gives_the_same_report() -> None:
    before, after = window(21_000, 0, 1), window(21_000, 0.1, 2)
    assert drift(before, after, seed=5) == drift(before, after, seed=5)
