"""Spaces: written whole or by what changed, refused for another encoder, searched, erased."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from forge_core.errors import ForgeError, Refused, UsageError
from forge_resources.postgres import Database
from forge_resources.settings import load_settings
from forge_resources.stores import Stores
from forge_resources.vectors import Vectors, codes, searching, spaces
from tests.resources.clouds import MODEL, brute, cloud, named, personal, share


@pytest.fixture
def vectors(home: Path) -> Vectors:
    made = Stores(load_settings()).vectors
    made.database.ensure()
    return made


def test_codes_order_as_the_vectors_do():
    matrix, _ = codes.normalised(cloud(2000, 128))
    packed = np.unpackbits(codes.packed(matrix.astype(np.float32)), axis=1)
    wide = matrix.astype(np.float32)
    for asked in range(20):
        nearest = set(np.argsort(-(wide @ wide[asked]))[:10])
        by_code = np.argsort((packed != packed[asked]).sum(axis=1), kind="stable")[:100]
        assert len(nearest & set(by_code)) >= 9


def test_normalising_what_was_stored_changes_no_bit():
    once, _ = codes.normalised(cloud(500, 384))
    again, _ = codes.normalised(once.astype(np.float32))
    assert np.array_equal(once.view(np.uint16), again.view(np.uint16))


def test_nan_is_refused_and_nothing_written(vectors):
    matrix = cloud(10)
    matrix[3, 4] = np.nan
    with pytest.raises(ForgeError) as error:
        vectors.write("notes", named(10), matrix, MODEL)
    assert error.value.code == "FORGE-VECTOR-VALUES"
    assert vectors.space("notes") is None


def test_a_vector_of_zeros_is_kept_and_never_found(vectors):
    matrix = cloud(10)
    matrix[3] = 0
    vectors.write("notes", named(10), matrix, MODEL)
    assert vectors.space("notes").rows == 10
    assert "r000003" not in {hit.id for hit in vectors.search("notes", matrix[0], 20, model=MODEL)}
    assert vectors.search("notes", np.zeros(32, np.float32), 5, model=MODEL) == []
    assert vectors.near("notes", "r000003", 5) == []


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_rows(vectors, n):
    matrix = cloud(2)[:n]
    vectors.write("notes", named(n), matrix, MODEL)
    assert len(vectors.search("notes", cloud(1)[0], 10, model=MODEL)) == n
    assert vectors.recall("notes") == 1.0
    assert vectors.tune("notes").recall == 1.0


@pytest.mark.parametrize(("indexed", "d"), [("none", 32), ("halfvec", 64), ("code", 128)])
def test_each_index_reaches_its_recall(vectors, indexed, d):
    matrix = cloud(3000, d)
    line = vectors.write("notes", named(3000), matrix, MODEL, indexed=indexed)
    assert line.indexed == indexed
    tuned = vectors.tune("notes", target=0.98, sample=60)
    assert tuned.reached
    assert vectors.space("notes").recall == tuned.recall
    asked = cloud(30, d, seed=0) + 0.3
    assert (
        np.mean(
            [
                share(vectors.search("notes", v, 10, model=MODEL), brute(named(3000), matrix, v, 10))
                for v in asked
            ]
        )
        >= 0.95
    )


def test_an_index_is_used_where_there_is_one(vectors):
    vectors.write("notes", named(3000), cloud(3000, 128), MODEL, indexed="code")
    with vectors.sessions.use() as session:
        query = searching.Query(session, session.space("notes")[0], cloud(1, 128)[0])
        plan = session.connection.execute(
            "explain select id from embeddings.notes order by code <~> %(code)s limit 100", query.parameters
        ).fetchall()
    assert "notes_near" in str(plan)


def test_f_d13_another_model_or_dimension_is_refused(vectors):
    vectors.write("notes", named(50), cloud(50), MODEL)
    asks = [
        lambda: vectors.search("notes", cloud(1)[0], 5, model="encoder-2"),
        lambda: vectors.search("notes", cloud(1, 16)[0], 5, model=MODEL),
        lambda: vectors.merge("notes", named(50), cloud(50), "encoder-2"),
        lambda: vectors.merge("notes", named(50), cloud(50, 16), MODEL),
    ]
    for ask in asks:
        with pytest.raises(Refused) as error:
            ask()
        assert error.value.code == "FORGE-INDEX-MODEL"
        assert "forge build embeddings/notes" in error.value.fix
    assert vectors.reusable("notes", "encoder-2", ["h1"]) == {}


def test_f_d13_a_space_rebuilt_by_another_model_is_noticed_by_who_knew_the_old_one(vectors):
    vectors.write("notes", named(50), cloud(50), MODEL)
    vectors.search("notes", cloud(1)[0], 5, model=MODEL)
    Vectors(vectors.database).write("notes", named(50), cloud(50, seed=1), "encoder-2")
    with pytest.raises(Refused):
        vectors.search("notes", cloud(1)[0], 5, model=MODEL)
    Vectors(vectors.database).write("notes", named(50), cloud(50, 16), "encoder-3")
    assert len(vectors.search("notes", cloud(1, 16)[0], 5, model="encoder-3")) == 5


def test_an_old_pgvector_is_refused(vectors, monkeypatch):
    monkeypatch.setattr(spaces, "PGVECTOR", (99, 0, 0))
    with pytest.raises(Refused) as error:
        vectors.write("notes", named(5), cloud(5), MODEL)
    assert error.value.code == "FORGE-PGVECTOR-VERSION"


def test_a_setting_that_did_not_take_is_an_error(vectors):
    with pytest.raises(ForgeError), vectors.sessions.use() as session:
        searching.set_checked(session.connection, "hnsw.ef_search", "5000")
    with vectors.sessions.use() as session:
        session.walk(70, True)
        row = session.connection.execute(
            "select current_setting('hnsw.ef_search'), current_setting('hnsw.iterative_scan')"
        ).fetchone()
    assert row == ("70", "relaxed_order")


def test_rows_deleted_and_not_vacuumed_take_nobodys_place(vectors):
    matrix = cloud(2000, 128)
    vectors.write("notes", named(2000), matrix, MODEL, indexed="code")
    with vectors.database.transaction() as connection:
        connection.execute("alter table embeddings.notes set (autovacuum_enabled = off)")
        connection.execute("delete from embeddings.notes where id > 'r000020'")
    found = vectors.search("notes", matrix[1500], 10, model=MODEL)
    assert [hit.id for hit in found] == brute(named(21), matrix[:21], matrix[1500], 10)


def test_the_old_space_answers_until_the_new_one_is_there(vectors, monkeypatch):
    vectors.write("notes", named(100), cloud(100), MODEL)
    building, go_on = threading.Event(), threading.Event()
    index = spaces.index

    def slow(*arguments):
        building.set()
        assert go_on.wait(30)
        index(*arguments)

    monkeypatch.setattr(spaces, "index", slow)
    writer = threading.Thread(target=vectors.write, args=("notes", named(100, 500), cloud(100), MODEL))
    writer.start()
    assert building.wait(30)
    assert vectors.search("notes", cloud(1)[0], 1, model=MODEL)[0].id < "r000100"
    go_on.set()
    writer.join()
    assert vectors.search("notes", cloud(1)[0], 1, model=MODEL)[0].id >= "r000500"


def test_a_write_that_fails_keeps_the_old_space(vectors):
    vectors.write("notes", named(100), cloud(100), MODEL)
    before = vectors.space("notes")
    twice = pa.concat_tables([named(50), named(50)])
    with pytest.raises(ForgeError):
        vectors.write("notes", twice, cloud(100), MODEL)
    assert vectors.space("notes") == before
    assert len(vectors.search("notes", cloud(1)[0], 200, model=MODEL)) == 100


def test_merging_adds_removes_replaces_and_keeps_the_index(vectors):
    rows, matrix = personal(3000), cloud(3000, 128)
    vectors.write("chunks", rows, matrix, MODEL, indexed="code")
    monkey = vectors.database.value("select 'embeddings.chunks_near'::regclass::oid")
    later, moved = rows.slice(100), cloud(3000, 128, seed=9)
    kept = np.concatenate([matrix[100:], moved[:50]])
    kept[0] = moved[200]  # this text was changed
    more = pa.concat_tables([later, personal(3050).slice(3000)])
    original, spaces.EXACT_ROWS = spaces.EXACT_ROWS, 1000
    try:
        merged = vectors.merge("chunks", more, kept, MODEL)
    finally:
        spaces.EXACT_ROWS = original
    assert (merged.added, merged.removed, merged.kept, merged.rebuilt) == (51, 101, 2899, False)
    assert vectors.database.value("select 'embeddings.chunks_near'::regclass::oid") == monkey
    assert vectors.space("chunks").rows == 2950
    assert vectors.search("chunks", moved[200], 1, model=MODEL)[0].id == "p000100"
    whole = Vectors(vectors.database).write("again", more, kept, MODEL)
    assert vectors.space("chunks").version == whole.version


def test_merging_the_same_changes_nothing(vectors):
    rows, matrix = personal(300), cloud(300)
    vectors.write("chunks", rows, matrix, MODEL)
    before = vectors.space("chunks")
    merged = vectors.merge("chunks", rows, matrix, MODEL)
    assert (merged.added, merged.removed, merged.rebuilt) == (0, 0, False)
    assert vectors.space("chunks") == before


def test_merging_mostly_new_rows_writes_the_space_anew(vectors):
    assert vectors.merge("notes", named(100), cloud(100), MODEL).rebuilt
    assert vectors.merge("notes", named(100, 80), cloud(100), MODEL).rebuilt
    assert vectors.space("notes").rows == 100


def test_unchanged_text_has_its_vector_already(vectors):
    rows, matrix = personal(300), cloud(300)
    vectors.write("chunks", rows, matrix, MODEL)
    known = vectors.reusable("chunks", MODEL, ["h1", "h250", "new"])
    assert set(known) == {"h1", "h250"}
    assert np.allclose(known["h1"], matrix[1] / np.linalg.norm(matrix[1]), atol=1e-3)
    again = np.array(
        [vectors.reusable("chunks", MODEL, rows["hash"].to_pylist())[h] for h in rows["hash"].to_pylist()]
    )
    version = vectors.space("chunks").version
    assert vectors.write("chunks", rows, again, MODEL).version == version


def test_more_like_this_leaves_itself_out(vectors):
    matrix = cloud(200)
    vectors.write("items", named(200), matrix, MODEL)
    assert [hit.id for hit in vectors.near("items", "r000007", 5)] == brute(named(200), matrix, matrix[7], 6)[
        1:
    ]
    assert vectors.near("items", "unknown", 5) == []


def test_erasing_by_item_subject_and_source(vectors):
    vectors.write("chunks", personal(300), cloud(300), MODEL)
    vectors.write("items", named(300), cloud(300), MODEL)
    assert vectors.find("r000001") == ["items"]
    assert vectors.erase("r000001") == ["items"]
    assert vectors.find(subject="s0") == ["chunks"]
    assert vectors.erase(subject="s0") == ["chunks"]
    assert vectors.find(subject="s0") == []
    assert vectors.erase(source="mail") == ["chunks"]
    assert vectors.space("items").rows == 299
    assert vectors.space("chunks").rows == vectors.database.count("embeddings.chunks")
    with pytest.raises(UsageError):
        vectors.erase()


def test_whoever_deletes_rows_is_counted(vectors):
    before = vectors.write("chunks", personal(300), cloud(300), MODEL)
    Database(vectors.database.url).erase(subject="s0")
    after = vectors.space("chunks")
    assert after.changes > before.changes
    assert after.version != before.version
    assert after.rows == vectors.database.count("embeddings.chunks")


def test_a_name_is_no_way_into_the_query(vectors):
    for name in ("x; drop table forge.spaces", "X", "", 'a"b'):
        with pytest.raises(UsageError):
            vectors.write(name, named(1), cloud(1), MODEL)
    with pytest.raises(UsageError):
        vectors.write("notes", pa.table({"id": ["1"], "a b": ["x"]}), cloud(1), MODEL)
