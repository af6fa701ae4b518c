"""How the sequential recommender learns: its rows, its losses, order, and the same model from the same data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from forge_core import keys
from forge_core.errors import Refused
from forge_models import artifact
from forge_models.recommender import RECOMMENDER, Request, sequential
from forge_models.recommender.interactions import NO_TIME, Histories
from forge_models.recommender.recency import taken
from forge_models.recommender.sequential_batches import ROW, ordered, pack, windows
from forge_models.recommender.sequential_model import SequentialModel
from forge_models.recommender.sequential_net import gap_buckets
from forge_models.recommender.storing import load, save
from tests.models.data import table
from tests.models.sequences import chains, fit, model


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small products gain nothing from more, and lose much where others use them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SequentialModel:
    return fit(chains(), tmp_path_factory.mktemp("sequential"), dims=32)


# --- rows -----------------------------------------------------------------------------------------


def test_every_event_but_the_first_is_a_target_once_after_what_came_before_it() -> None:
    rng = np.random.default_rng(0)
    lengths = np.array([1, 2, 700, 30, 200, 201, 202, 0])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    histories = Histories(indptr, np.arange(indptr[-1]), rng.integers(0, 10**15, indptr[-1]), int(indptr[-1]))
    packed = pack(histories, windows(histories, indptr[1:]))

    there = packed.targets >= 0
    firsts = indptr[:-1][lengths > 0]
    assert packed.items.shape[1] == ROW
    assert sorted(packed.targets[there].tolist()) == sorted(set(range(indptr[-1])) - set(firsts.tolist()))
    assert (packed.targets[there] == packed.items[there] + 1).all()
    assert ((packed.segments >= 0) == there).all()


def test_f_d11_what_subjects_are_called_leaves_no_trace() -> None:
    rng = np.random.default_rng(0)
    indptr = np.concatenate([[0], np.cumsum(rng.integers(0, 9, 50))])
    one = Histories(indptr, rng.integers(0, 9, indptr[-1]), rng.integers(0, 99, indptr[-1]), 9)
    other = taken(one, rng.permutation(50))  # other names sort in another way

    first, second = (taken(histories, ordered(histories)) for histories in (one, other))

    for name in ("items", "times", "indptr"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_gaps_are_in_doublings_of_a_second_and_unknown_where_a_time_is() -> None:
    times = np.array([NO_TIME, 0, 1_000_000, 4_000_000, 3_000_000, 10**18])

    assert gap_buckets(times).tolist()[:5] == [0, 0, 2, 3, 1]
    assert gap_buckets(times).max() < 40


# --- learning -------------------------------------------------------------------------------------


def test_order_is_learned(trained: SequentialModel) -> None:
    found = RECOMMENDER.predict(trained, Request(["test:item00004", "test:item00005", "test:item00006"], k=2))

    assert found.note == ""
    assert {r.item for r in found.items} == {"test:item00007", "test:item00008"}


def test_a_person_with_one_event_has_an_answer_of_their_own(trained: SequentialModel) -> None:
    found = RECOMMENDER.predict(trained, Request(["test:item00030"], k=1))

    assert found.note == ""
    assert found.items[0].item in ("test:item00031", "test:item00032")


@pytest.mark.parametrize("asked", [[], ["test:never-heard-of"]])
def test_nobody_known_gets_what_most_people_know(trained: SequentialModel, asked: list[str]) -> None:
    by_history = RECOMMENDER.predict(trained, Request(asked))
    state = trained.follow(trained.begin(), asked, np.zeros(len(asked), np.int64))
    by_state = RECOMMENDER.predict(trained, Request(state=state))

    assert "None of the history" in by_history.note
    assert by_state == by_history


def test_f_d11_the_same_seed_and_data_give_the_same_artifact_whatever_subjects_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequential, "LEAST_STEPS", {"quick": 20})
    tables = chains(subjects=40)
    one = fit(tables, tmp_path / "first", dims=32)
    rows = tables[keys.INTERACTIONS]
    others = pa.array([f"p{hash_of(name)}" for name in rows["subject"].to_pylist()])
    tables[keys.INTERACTIONS] = rows.set_column(rows.schema.get_field_index("subject"), "subject", others)
    save(one, tmp_path / "one")
    save(fit(tables, tmp_path / "second", dims=32), tmp_path / "other")

    assert artifact.digest(tmp_path / "one") == artifact.digest(tmp_path / "other")


def hash_of(name: str) -> int:
    return int(name[-4:]) * 7919 % 10_007


@pytest.mark.parametrize("subjects", [0, 1, 5])
def test_f_d1_too_little_data_is_learning_mode_and_popularity(subjects: int, tmp_path: Path) -> None:
    fitted = fit(chains(subjects=subjects), tmp_path)
    found = RECOMMENDER.predict(fitted, Request(fitted.items[:3], k=3))

    assert not fitted.personal
    assert not fitted.stateful
    assert "Learning mode" in found.note or not fitted.items
    assert all(r.reasons == () for r in found.items)


def test_a_catalogue_of_100_000_items_is_trained_on_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, people = 100_000, 150
    subjects = [f"s{i % people}" for i in range(n)]
    tables = table(subjects, [f"test:{i:06d}" for i in range(n)], np.arange(n))

    monkeypatch.setattr(sequential, "LEAST_STEPS", {"quick": 1})
    fitted = fit(tables, tmp_path, dims=8, layers=1, epochs=1)

    assert len(fitted.items) == n
    assert fitted.personal_scores(Histories.one([1, 2], n)).shape == (1, n)


# --- storage --------------------------------------------------------------------------------------


def test_a_loaded_model_answers_identically(trained: SequentialModel, tmp_path: Path) -> None:
    tables = chains()
    save(trained, tmp_path / "model")
    loaded = load(tmp_path / "model")

    assert isinstance(loaded, SequentialModel)
    assert RECOMMENDER.predict_all(loaded, tables).equals(RECOMMENDER.predict_all(trained, tables))


def test_a_model_that_learned_nothing_is_stored_too(tmp_path: Path) -> None:
    save(fit(chains(subjects=3), tmp_path / "run"), tmp_path / "model")

    assert not load(tmp_path / "model").personal


@pytest.mark.parametrize(
    ("field", "value"),
    [("dims", 10**6), ("dims", 0), ("layers", 3), ("items", 5), ("heads", 5), ("decay", [1, 2])],
)
def test_f_m3_a_network_that_does_not_fit_its_tensors_is_refused(
    tmp_path: Path, field: str, value: object
) -> None:
    save(model(), tmp_path / "model")
    arrays, document = artifact.read(tmp_path / "model")
    document["shape"][field] = value
    artifact.write(tmp_path / "model", arrays, document)

    with pytest.raises(Refused, match="FORGE-ARTIFACT-RECOMMENDER"):
        load(tmp_path / "model")
