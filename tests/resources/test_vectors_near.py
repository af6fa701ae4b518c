"""A space in memory: it answers what PostgreSQL answers, and follows what becomes of it there."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from forge_core.errors import Refused
from forge_resources import near, near_rows
from forge_resources.consent import Consent
from forge_resources.near import ServingIndex
from forge_resources.postgres import Database
from forge_resources.settings import load_settings
from forge_resources.stores import Stores
from forge_resources.vectors import Filter, Vectors
from tests.resources.clouds import MODEL, START, brute, cloud, named, personal, share


@pytest.fixture
def vectors(home: Path) -> Vectors:
    made = Stores(load_settings()).vectors
    made.database.ensure()
    return made


@pytest.fixture
def indexed(monkeypatch) -> None:
    """Few rows are served as many are."""
    monkeypatch.setattr(near_rows, "EXACT_ROWS", 1000)
    monkeypatch.setattr(near_rows, "EXACT_MATCHES", 300)


def following(vectors: Vectors, space: str) -> ServingIndex:
    made = ServingIndex(vectors, space, stale_after=0)
    made.load()
    return made


FILTERS = [
    Filter(),
    Filter(subject="s1"),
    Filter(sources=("small",)),
    Filter(subject="s0", sources=("mail", "web")),
    Filter(since=START + timedelta(hours=100), until=START + timedelta(hours=1000)),
    Filter(purpose="recommend"),
    Filter(purpose="recommend", subject="s1", since=START + timedelta(hours=100)),
]


def test_f_d14_memory_answers_as_the_database(vectors):
    consent = Consent(vectors.database)
    consent.set("recommend", "granted", "test")
    consent.set("recommend", "denied", "test", source="chat")
    vectors.write("chunks", personal(2000, small=20), cloud(2000), MODEL, indexed="none")
    index = following(vectors, "chunks")
    for asked in FILTERS:
        for query in cloud(5, seed=3):
            memory = index.search(query, 10, asked, MODEL)
            truth = vectors.search("chunks", query, 10, asked, MODEL)
            assert [hit.id for hit in memory] == [hit.id for hit in truth]
            assert np.allclose([hit.score for hit in memory], [hit.score for hit in truth], atol=1e-4)


def test_f_d14_the_index_in_memory_reaches_its_recall_under_any_filter(vectors, indexed):
    consent = Consent(vectors.database)
    consent.set("recommend", "granted", "test")
    consent.set("recommend", "denied", "test", source="chat")
    vectors.write("chunks", personal(3000, small=20), cloud(3000, 64), MODEL, indexed="none")
    index = following(vectors, "chunks")
    assert index.load().index is not None
    for asked in FILTERS:
        shares = []
        for query in cloud(20, 64, seed=3):
            truth = [hit.id for hit in vectors.search("chunks", query, 10, asked, MODEL)]
            shares.append(share(index.search(query, 10, asked, MODEL), truth))
        assert np.mean(shares) >= 0.95


@pytest.mark.parametrize("n", [0, 1, 3])
def test_hardly_any_rows(vectors, n):
    matrix = cloud(3)[:n]
    vectors.write("notes", named(n), matrix, MODEL)
    index = following(vectors, "notes")
    assert len(index.search(cloud(1)[0], 10, model=MODEL)) == n
    assert index.search(np.zeros(32, np.float32), 10, model=MODEL) == []


def test_f_d13_another_model_is_refused(vectors):
    vectors.write("notes", named(30), cloud(30), MODEL)
    index = following(vectors, "notes")
    with pytest.raises(Refused):
        index.search(cloud(1)[0], 5, model="encoder-2")
    Vectors(vectors.database).write("notes", named(30), cloud(30, 16), "encoder-2")
    with pytest.raises(Refused):
        index.search(cloud(1)[0], 5, model=MODEL)
    assert len(index.search(cloud(1, 16)[0], 5, model="encoder-2")) == 5


@pytest.mark.parametrize("exact", [True, False])
def test_it_follows_a_merge(vectors, monkeypatch, exact):
    if not exact:
        monkeypatch.setattr(near_rows, "EXACT_ROWS", 500)
        monkeypatch.setattr(near_rows, "EXACT_MATCHES", 100)
    rows, matrix = personal(2000), cloud(2000)
    vectors.write("chunks", rows, matrix, MODEL)
    index = following(vectors, "chunks")
    held = index.load()
    coming = pa.concat_tables([rows.slice(100), personal(2050).slice(2000)])
    moved = np.concatenate([matrix[100:], cloud(50, seed=8)])
    assert not vectors.merge("chunks", coming, moved, MODEL).rebuilt
    shares = []
    for query in [*moved[-50::10], *matrix[:20], *cloud(10, seed=3)]:
        found = index.search(query, 10, model=MODEL)
        assert {hit.id for hit in found} <= set(coming["id"].to_pylist())
        shares.append(share(found, brute(coming, moved, query, 10)))
    assert np.mean(shares) >= 0.98
    assert index.load().index is held.index  # not built again
    assert index.rows == 1950


def test_an_erased_row_is_not_answered(vectors):
    vectors.write("chunks", personal(2000), cloud(2000), MODEL)
    index = following(vectors, "chunks")
    gone = index.search(cloud(1)[0], 1, model=MODEL)[0].id
    vectors.erase(gone)
    assert gone not in {hit.id for hit in index.search(cloud(1)[0], 50, model=MODEL)}
    Database(vectors.database.url).erase(subject="s0")  # by somebody who knows nothing of vectors
    left = {i for (i,) in vectors.database.rows("select id from embeddings.chunks")}
    assert {hit.id for hit in index.search(cloud(1)[0], 2000, model=MODEL)} == left


def test_how_late_it_may_be(vectors):
    vectors.write("notes", named(100), cloud(100), MODEL)
    index = ServingIndex(vectors, "notes", stale_after=0.05)
    index.search(cloud(1)[0], 1, model=MODEL)
    vectors.database.rows("delete from embeddings.notes returning id")
    time.sleep(0.06)
    assert index.search(cloud(1)[0], 10, model=MODEL) == []


def test_consent_that_is_withdrawn_counts_at_once(vectors):
    consent = Consent(vectors.database)
    consent.set("recommend", "granted", "test")
    vectors.write("chunks", personal(300), cloud(300), MODEL)
    index = following(vectors, "chunks")
    assert len(index.search(cloud(1)[0], 10, Filter(purpose="recommend"), MODEL)) == 10
    consent.set("recommend", "denied", "test")
    assert index.search(cloud(1)[0], 10, Filter(purpose="recommend"), MODEL) == []


def test_rows_changed_in_place_are_read_again(vectors):
    vectors.write("chunks", personal(300), cloud(300), MODEL)
    index = following(vectors, "chunks")
    vectors.database.rows("update embeddings.chunks set source = 'new' where id = 'p000001' returning id")
    assert [hit.id for hit in index.search(cloud(1)[0], 10, Filter(sources=("new",)), MODEL)] == ["p000001"]


def test_while_a_large_space_is_read_the_database_answers(vectors, indexed):
    vectors.write("notes", named(3000), cloud(3000), MODEL)
    index = ServingIndex(vectors, "notes", stale_after=0)
    query = cloud(1)[0]
    assert index.search(query, 10, model=MODEL) == vectors.search("notes", query, 10, model=MODEL)
    assert index._building is not None
    index._building.join(60)
    index._building.join(60)
    assert index.failure is None
    index.search(query, 10, model=MODEL)
    assert index.rows == 3000
    assert share(index.search(query, 10, model=MODEL), brute(named(3000), cloud(3000), query, 10)) >= 0.9


def test_too_much_beside_the_index_builds_it_again(vectors, indexed, monkeypatch):
    monkeypatch.setattr(near, "MOST_DELTA", 20)
    vectors.write("notes", named(2000), cloud(2000), MODEL)
    index = following(vectors, "notes")
    before = index.load().index
    vectors.merge("notes", named(2050), cloud(2050), MODEL)
    index.load()
    assert index.load().index is not before
    assert len(index.load().extra) == 0


def test_a_batch_is_its_questions_one_by_one(vectors, indexed):
    vectors.write("notes", named(3000), cloud(3000), MODEL)
    index = following(vectors, "notes")
    asked = cloud(20, seed=2)
    together = index.search_many(asked, 5, model=MODEL)
    alone = [index.search(query, 5, model=MODEL) for query in asked]
    assert [[h.id for h in hits] for hits in together] == [[h.id for h in hits] for hits in alone]
