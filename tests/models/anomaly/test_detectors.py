"""The detectors against plain versions of themselves, and the calibration against tails that are known."""

from __future__ import annotations

import numpy as np
import pytest

from forge_models.anomaly import calibration, forest, neighbours, tails
from forge_models.anomaly.account import tail_surprise
from forge_models.anomaly.online import Watch
from forge_models.anomaly.streams import DAY, Streams, cumcount, earlier_with
from tests.models.anomaly.fitted import model, table


def outlier_at_the_end(n: int = 400, d: int = 4) -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((n, d))
    rows[-1] = 8.0
    return rows


def test_neighbours_are_the_mean_log_distance_to_the_third_of_each_draw() -> None:
    rows = outlier_at_the_end()
    fitted, own = neighbours.fit(rows, 0, draws=5, points=16)
    asked = np.random.default_rng(1).standard_normal((20, 4))
    scaled = (asked - rows.mean(axis=0)) / rows.std(axis=0)
    distance = np.linalg.norm(scaled[:, None, None] - fitted.points[None], axis=3)
    expected = np.log(np.sort(distance, axis=2)[:, :, 2]).mean(axis=1)
    np.testing.assert_allclose(fitted.scores(asked), expected, rtol=1e-6)
    np.testing.assert_allclose([fitted.one(row) for row in asked], expected, rtol=1e-6)
    assert own.argmax() == len(rows) - 1


@pytest.mark.parametrize("n", [1, 2, 3, 70])
def test_neighbours_of_few_or_equal_rows_are_finite(n: int) -> None:
    fitted, own = neighbours.fit(np.ones((n, 3)), 0)
    assert np.isfinite(own).all()
    assert np.isfinite(fitted.scores(np.zeros((2, 3)))).all()


def test_the_forest_ranks_as_the_librarys_does() -> None:
    from scipy.stats import spearmanr
    from sklearn.ensemble import IsolationForest

    rows = outlier_at_the_end()
    ours = forest.fit(rows, 0).scores(rows)
    theirs = -IsolationForest(n_estimators=100, random_state=0).fit(rows).score_samples(rows)
    assert spearmanr(ours, theirs).statistic > 0.95
    assert ours.argmax() == len(rows) - 1
    assert abs(ours.mean() - theirs.mean()) < 0.03


def test_tails_are_empirical_and_go_on_beyond() -> None:
    column = np.arange(1000.0)
    side = tails.fit(column[:, None], two_sided=False).upper[0]
    assert side(np.array([900.0]))[0] == pytest.approx(-np.log(0.1), rel=0.02)
    assert side(np.array([1002.0]))[0] == pytest.approx(side(np.array([999.0]))[0] + 3.0)
    for value in (-5.0, 0.0, 3.3, 500.5, 999.0, 1003.0):
        assert side.one(value) == pytest.approx(float(side(np.array([value]))[0]))


def one_stream(n: int) -> Streams:
    import pyarrow as pa

    time = np.arange(n) * DAY
    return Streams(
        pa.table({"time": time}), np.zeros(n, np.int64), time, np.array([0, n]), [("me", "test")], [b"0"]
    )


def test_the_tail_of_an_exponential_is_found_again() -> None:
    scores = np.random.default_rng(0).exponential(size=4000)
    seen = one_stream(4000)
    fitted = calibration.fit(seen, scores, np.ones(4000, bool))
    for days in (2, 10, 100):
        assert 1 / fitted.one(np.log(days)) == pytest.approx(days, rel=0.35)
    told = fitted.days(seen, scores)
    assert (told[2000:] >= 30).mean() == pytest.approx(1 / 30, rel=0.35)


def test_days_that_are_all_equal_are_no_tail() -> None:
    fitted = calibration.fit(one_stream(50), np.full(50, 3.0), np.ones(50, bool))
    assert fitted.one(3.0) == 1.0
    assert fitted.one(2.0) == 1.0
    assert fitted.one(10.0) < 0.01


def test_ones_own_days_correct_everybodys() -> None:
    assert calibration.own_days(1 / 100, 0, 0) == pytest.approx(100)
    assert calibration.own_days(1 / 100, 10, 72) == pytest.approx(100 / (10 + 0.28))


def test_the_negative_binomial_tail_is_the_librarys() -> None:
    from scipy.stats import nbinom

    mean, variance = 3.0, 8.0
    size, chance = mean**2 / (variance - mean), mean / variance
    counts = np.array([1.0, 4.0, 20.0])
    found = tail_surprise(counts, np.full(3, mean), np.full(3, variance + mean**2))
    np.testing.assert_allclose(found, -nbinom.logsf(counts - 1, size, chance), rtol=1e-6)


def test_running_counts() -> None:
    keys = np.array([1, 2, 1, 1, 2])
    assert cumcount(keys).tolist() == [0, 0, 1, 2, 1]
    assert earlier_with(keys, np.array([2, 1, 2, 2, 1])).tolist() == [0, 1, 1, 1, 3]


@pytest.mark.parametrize("name", ["rarity", "neighbours"])
def test_one_event_at_a_time_is_the_batch(name: str) -> None:
    fitted = model("account", name)
    scored = fitted.score(table("account"))
    watch, states, told = Watch(fitted), {}, []
    events = scored.streams.table.to_pylist()
    for event, time, number in zip(
        events, scored.streams.time.tolist(), scored.streams.stream.tolist(), strict=True
    ):
        state = states.setdefault(number, watch.begin())
        told.append(watch.step(state, event | {"time": time}))
    np.testing.assert_allclose([one.score for one in told], scored.score, atol=1e-6)
    np.testing.assert_allclose([one.days for one in told], scored.days, rtol=1e-4)
    assert [one.alertable for one in told] == scored.alertable.tolist()
