"""The sequential recommender: it learns order, its state is its history, new items and long histories have a place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from forge_core.errors import ForgeError
from forge_models.family import TrainingRun
from forge_models.recommender import NEXT_ITEMS, RECOMMENDER, Request, predicting, sequential_stepping
from forge_models.recommender.interactions import Histories
from forge_models.recommender.sequential_model import SequentialModel
from forge_models.recommender.sequential_state import RECENT
from tests.models.sequences import CLOSE, HOUR, ITEMS, chains, history, model, names, whole


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small products gain nothing from more, and lose much where others use them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- the state is the history ---------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, RECENT, RECENT + 1, 50])
def test_f_d12_a_state_moved_on_event_by_event_scores_as_the_whole_history(n: int) -> None:
    fitted = model()
    codes, times = history(n)
    state = fitted.begin()
    for item, time in zip(names(fitted, codes), times, strict=True):
        state = fitted.step(state, item, int(time))
    at_once = fitted.follow(fitted.begin(), names(fitted, codes), times)

    expected = fitted.personal_scores(Histories.one(codes, ITEMS, times.tolist()))[0]

    for one in (state, at_once, fitted.unpack(fitted.pack(state))):
        found = fitted.recall(one)
        np.testing.assert_allclose(found.scores, expected, atol=CLOSE, rtol=CLOSE)
        assert sorted(found.seen.tolist()) == sorted(codes)
    items = np.arange(ITEMS)
    np.testing.assert_allclose(
        fitted.recall(state).weights(items), fitted.recall(at_once).weights(items), atol=CLOSE
    )


def test_histories_of_all_lengths_at_once_score_as_alone() -> None:
    fitted = model()
    lengths = [3, 0, 700, 1, 257, 256, 512]
    rng = np.random.default_rng(1)
    items, times = rng.integers(0, ITEMS, sum(lengths)), rng.integers(0, 10**15, sum(lengths))
    histories = Histories(np.concatenate([[0], np.cumsum(lengths)]), items, times, ITEMS)

    together = fitted.personal_scores(histories)

    for row in range(len(lengths)):
        alone = fitted.personal_scores(histories[row : row + 1])[0]
        np.testing.assert_allclose(together[row], alone, atol=CLOSE, rtol=CLOSE)


def test_a_known_item_and_one_without_a_place_leave_the_state_as_it_was() -> None:
    fitted = model()
    state = fitted.follow(fitted.begin(), names(fitted, [3, 5]), np.array([0, HOUR]))

    assert fitted.step(state, fitted.items[3], 2 * HOUR) is state
    assert fitted.step(state, "test:never-heard-of", 2 * HOUR) is state


def test_compiled_steps_are_the_same_as_those_before_them() -> None:
    fitted = model()
    codes, times = history(30)
    state = fitted.follow(fitted.begin(), names(fitted, codes[:1]), times[:1])
    for _ in range(sequential_stepping.MANY):
        fitted.step(state, fitted.items[codes[1]], times[1])
    assert fitted._stepper.preparing is not None
    fitted._stepper.preparing.join(120)
    assert fitted._stepper.failed == ""
    kept = state.to_bytes()

    after = state
    for code, time in zip(codes[1:], times[1:].tolist(), strict=True):
        after = fitted.step(after, fitted.items[code], time)

    assert state.to_bytes() == kept
    whole = fitted.personal_scores(Histories.one(codes, ITEMS, times.tolist()))[0]
    np.testing.assert_allclose(fitted.recall(after).scores, whole, atol=CLOSE, rtol=CLOSE)


def test_a_state_and_its_history_get_the_same_answer() -> None:
    fitted = model()
    codes, times = history(30)
    state = fitted.follow(fitted.begin(), names(fitted, codes), times)
    for asked in ({}, {"recency": 0.5}, {"diversity": 0.4, "recency": 1.0}):
        by_state = RECOMMENDER.predict(fitted, Request(state=state, k=5, **asked))
        by_history = RECOMMENDER.predict(
            fitted, Request(names(fitted, codes), times=times.tolist(), k=5, **asked)
        )
        assert [r.item for r in by_state.items] == [r.item for r in by_history.items]
        assert [r.score for r in by_state.items] == pytest.approx(
            [r.score for r in by_history.items], abs=CLOSE
        )
        assert not {r.item for r in by_state.items} & set(names(fitted, codes))


def test_a_history_of_100_000_events_takes_bounded_memory_and_a_state_of_one_size() -> None:
    n = 100_000
    fitted = model(dims=8, items=n + 1)
    codes, times = np.random.default_rng(0).permutation(n + 1)[:n], np.arange(n) * HOUR
    events = names(fitted, codes.tolist())
    small = len(fitted.pack(fitted.follow(fitted.begin(), events[:100], times[:100])))

    state = fitted.follow(fitted.begin(), events, times)

    assert len(fitted.pack(state)) == pytest.approx(small, abs=100)
    scores = fitted.personal_scores(Histories.one(codes.tolist(), n + 1, times.tolist()))[0]
    np.testing.assert_allclose(fitted.recall(state).scores, scores, atol=CLOSE)
    assert [r.item for r in RECOMMENDER.predict(fitted, Request(state=state)).items] == names(
        fitted, sorted(set(range(n + 1)) - set(codes.tolist()))
    )


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, "cut", "flip"])
def test_a_damaged_state_is_refused(damage: bytes | str) -> None:
    fitted = model()
    data = fitted.pack(fitted.step(fitted.begin(), fitted.items[0], HOUR))
    if damage == "cut":
        data = data[:-30]
    elif damage == "flip":
        data = data[:200] + bytes([data[200] ^ 1]) + data[201:]
    else:
        data = damage  # type: ignore[assignment]

    with pytest.raises(ForgeError):
        fitted.unpack(data)


def test_a_state_of_another_model_is_refused() -> None:
    data = model(dims=16).pack(model(dims=16).begin())

    with pytest.raises(ForgeError, match="FORGE"):
        model(dims=32).unpack(data)


# --- reasons, diversity, recency ------------------------------------------------------------------


def test_reasons_are_what_the_score_loses_without_the_event_and_say_that_they_do_not_add_up() -> None:
    fitted = model()
    codes, _ = history(4)
    prediction = RECOMMENDER.predict(fitted, Request(names(fitted, codes), k=3))
    first = prediction.items[0]
    code = fitted.index[first.item]

    for reason in first.reasons:
        rest = [other for other in codes if fitted.items[other] != reason.because]
        without = fitted.personal_scores(Histories.one(rest, ITEMS))[0, code]
        assert reason.weight == pytest.approx(first.score - without, abs=1e-3)
    assert "do not add up" in prediction.reasons_mean


def test_diversity_trades_score_for_difference() -> None:
    fitted = model()
    codes, _ = history(5)

    def alike(diversity: float) -> float:
        asked = Request(names(fitted, codes), k=8, diversity=diversity)
        chosen = [fitted.index[r.item] for r in RECOMMENDER.predict(fitted, asked).items]
        rows = fitted.item_vectors(np.array(chosen))
        assert rows is not None
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return float((rows @ rows.T)[np.triu_indices(8, 1)].max())

    assert alike(0.9) < alike(0.0)


def test_full_recency_is_the_answer_to_the_last_events_alone() -> None:
    fitted = model()
    codes, times = history(40)
    seen = names(fitted, codes)
    recent = predicting.RECENT
    found = RECOMMENDER.predict(fitted, Request(seen, times=times.tolist(), recency=1.0))
    last = RECOMMENDER.predict(fitted, Request(seen[-recent:], times=times[-recent:].tolist(), exclude=seen))

    assert [r.item for r in found.items] == [r.item for r in last.items]


@pytest.mark.parametrize("asked", [{"diversity": -0.1}, {"recency": 1.5}, {"diversity": float("nan")}])
def test_shares_beyond_0_and_1_are_refused(asked: dict[str, float]) -> None:
    with pytest.raises(ForgeError, match="FORGE-REQUEST-SHARE"):
        Request([], **asked)


def test_for_a_linear_model_reasons_add_up_with_recency_too() -> None:
    candidate = next(one for one in NEXT_ITEMS.candidates if one.name == "item_knn")
    knn = candidate.fit(whole(chains()), candidate.configs("quick")[0], TrainingRun(Path("/nonexistent")))
    for item in RECOMMENDER.predict(knn, Request(knn.items[:20], recency=0.3)).items:
        assert sum(reason.weight for reason in item.reasons) == pytest.approx(item.score, abs=1e-9)


# --- items that are new ---------------------------------------------------------------------------


def written(fitted: SequentialModel, item: str) -> pa.Table:
    words = {"item": [item, "test:wordless"], "content": ["alpha", None], "channel": [None] * 2}
    return pa.table(words | {"categories": pa.array([[], []], pa.list_(pa.string()))})


def with_a_word(fitted: SequentialModel) -> SequentialModel:
    import zlib

    assert fitted.words is not None
    key = zlib.crc32(b"alpha")
    placed = {**fitted.words.keys, "text": np.array([1, 2, key])}
    return dataclasses.replace(fitted, words=dataclasses.replace(fitted.words, keys=placed))


@pytest.mark.parametrize("item", ["test:aaa", "test:zzz"])
def test_an_item_new_to_the_catalogue_has_a_place_by_its_words(item: str) -> None:
    fitted = with_a_word(model())
    codes, times = history(12)
    state = fitted.follow(fitted.begin(), names(fitted, codes), times)

    grown = fitted.with_newcomers(written(fitted, item), [item, "test:wordless"])

    assert len(grown.items) == ITEMS + 1
    assert grown.items == sorted(grown.items)
    before, after = fitted.recall(state), grown.recall(state)
    assert {grown.items[code] for code in after.seen} == set(names(fitted, codes))
    assert before.scores is not None
    assert after.scores is not None
    for name in fitted.items:
        assert after.scores[grown.index[name]] == pytest.approx(before.scores[fitted.index[name]], abs=1e-6)
    moved = grown.step(state, item, int(times[-1]) + HOUR)
    assert moved.events == 13
    assert grown.index[item] in grown.recall(moved).seen
    assert grown.step(moved, item, int(times[-1]) + 2 * HOUR) is moved
    again = grown.unpack(grown.pack(moved))
    np.testing.assert_array_equal(grown.recall(again).seen, grown.recall(moved).seen)
