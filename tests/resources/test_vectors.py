"""Spaces: written whole or by what changed, refused for another encoder, searched under any filter, erased."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.errors import ForgeError, Refused, UsageError
from forge_resources.consent import Consent, allowed
from forge_resources.postgres import Database
from forge_resources.settings import load_settings
from forge_resources.stores import Stores
from forge_resources.vectors import Filter, Vectors, codes, searching, spaces
from forge_resources.vectors.filters import Words, condition

MODEL = "encoder-1"
START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def vectors(home: Path) -> Vectors:
    made = Stores(load_settings()).vectors
    made.database.ensure()
    return made


def cloud(n: int, d: int = 32, seed: int = 0) -> np.ndarray:
    """Vectors that lie near a few dozen centres, as those of texts do."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(42).standard_normal((40, d))  # those of all seeds
    return (centres[rng.integers(40, size=n)] + 0.7 * rng.standard_normal((n, d))).astype(np.float32)


def named(n: int, first: int = 0) -> pa.Table:
    return pa.table({"id": pa.array([f"r{number:06d}" for number in range(first, first + n)], pa.string())})


def personal(n: int, subjects: int = 3, small: int = 0, seed: int = 0) -> pa.Table:
    """Rows of a few subjects and sources; the first ``small`` rows are of the source ``small``."""
    rng = np.random.default_rng(seed)
    sources = np.array(["mail", "chat", "web"])[rng.integers(3, size=n)].astype(object)
    sources[:small] = "small"
    times = [None if row % 50 == 49 else START + timedelta(hours=row) for row in range(n)]
    return pa.table(
        {
            "id": pa.array([f"p{number:06d}" for number in range(n)]),
            "subject": pa.array([f"s{s}" for s in rng.integers(subjects, size=n)]),
            "source": pa.array(list(sources), pa.string()),
            "export": pa.array(["e-1"] * n),
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "hash": pa.array([f"h{number}" for number in range(n)]),
        }
    )


def brute(
    rows: pa.Table, matrix: np.ndarray, asked: np.ndarray, k: int, keep: np.ndarray | None = None
) -> list[str]:
    """Exact search in float64 over the rows that are kept."""
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    score = unit @ (asked / np.linalg.norm(asked))
    ids = rows["id"].to_pylist()
    chosen = np.flatnonzero(keep) if keep is not None else np.arange(len(ids))
    return [ids[row] for row in sorted(chosen, key=lambda row: -score[row])[:k]]


def share(found: list, wanted: list[str]) -> float:
    return len({hit.id for hit in found} & set(wanted)) / max(len(wanted), 1)


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


def test_f_d14_a_small_source_among_many(vectors):
    rows, matrix = personal(4000, small=40), cloud(4000, 128)
    vectors.write("chunks", rows, matrix, MODEL, indexed="code")
    small = np.array([source == "small" for source in rows["source"].to_pylist()])
    for asked in cloud(20, 128, seed=5):
        found = vectors.search("chunks", asked, 10, Filter(sources=("small",)), MODEL)
        assert [hit.id for hit in found] == brute(rows, matrix, asked, 10, small)


@pytest.mark.parametrize("estimated", [0, 10**6])
def test_f_d14_whatever_the_planner_expects(vectors, monkeypatch, estimated):
    """The exact scan and the walk both answer rightly, a walk that finds too little goes over to the scan."""
    monkeypatch.setattr(searching.Query, "_estimate", lambda self, where: estimated)
    rows, matrix = personal(3000, small=15), cloud(3000, 128)
    vectors.write("chunks", rows, matrix, MODEL, indexed="code")
    for source, least in (("small", 1.0), ("mail", 0.95)):
        keep = np.array([s == source for s in rows["source"].to_pylist()])
        shares = []
        for asked in cloud(10, 128, seed=5):
            found = vectors.search("chunks", asked, 10, Filter(sources=(source,)), MODEL)
            assert {hit.id for hit in found} <= set(np.array(rows["id"].to_pylist())[keep])
            shares.append(share(found, brute(rows, matrix, asked, 10, keep)))
        assert np.mean(shares) >= least


def test_f_d14_consent_is_inside_the_query(vectors):
    consent = Consent(vectors.database)
    consent.set("recommend", "granted", "test")
    consent.set("recommend", "denied", "test", source="mail")
    consent.set("recommend", "granted", "test", subject="s1", source="mail")
    consent.set("recommend", "denied", "test", subject="s2")
    rows, matrix = personal(2000), cloud(2000, 128)
    vectors.write("chunks", rows, matrix, MODEL, indexed="code")
    pairs = zip(rows["subject"].to_pylist(), rows["source"].to_pylist(), strict=True)
    keep = np.array([subject != "s2" and (source != "mail" or subject == "s1") for subject, source in pairs])
    shares = []
    for asked in cloud(20, 128, seed=5):
        found = vectors.search("chunks", asked, 10, Filter(purpose="recommend"), MODEL)
        assert {hit.id for hit in found} <= set(np.array(rows["id"].to_pylist())[keep])
        shares.append(share(found, brute(rows, matrix, asked, 10, keep)))
    assert np.mean(shares) >= 0.95
    consent.set("recommend", "denied", "test")
    found = vectors.search("chunks", matrix[0], 2000, Filter(purpose="recommend"), MODEL)
    assert {hit.id for hit in found} == set(
        np.array(rows["id"].to_pylist())[
            [
                subject == "s1" and source == "mail"
                for subject, source in zip(
                    rows["subject"].to_pylist(), rows["source"].to_pylist(), strict=True
                )
            ]
        ]
    )


WORD = st.tuples(
    st.sampled_from(["*", "s0", "s1"]), st.sampled_from(["*", "mail", "chat"]), st.booleans(), st.booleans()
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORD, max_size=8, unique_by=lambda word: word[:2]))
def test_consent_as_words_is_consent_as_the_table_says(vectors, words):
    pairs = [(subject, source) for subject in ("s0", "s1", "s2") for source in ("mail", "chat", "web")]
    with vectors.database.transaction() as connection:
        connection.execute("truncate governance.consent")
        for subject, source, granted, expired in words:
            connection.execute(
                "insert into governance.consent (purpose, subject, source, state, granted_by, expires) values"
                " ('recommend', %s, %s, %s, 't', case when %s then now() - interval '1 day' end)",
                (subject, source, "granted" if granted else "denied", expired),
            )
        read = Words.read(connection, "recommend")
        truth = connection.execute(
            "with p(subject, source) as (select * from unnest(%s::text[], %s::text[]))"
            f" select {allowed('p.subject', 'p.source', 'recommend')} from p",
            ([s for s, _ in pairs], [s for _, s in pairs]),
        ).fetchall()
        said = condition(Filter(purpose="recommend"), read)
        compiled = connection.execute(
            "with p(subject, source) as (select * from unnest(%(a)s::text[], %(b)s::text[]))"
            f" select {said.sql} from p",
            {"a": [s for s, _ in pairs], "b": [s for _, s in pairs], **said.parameters},
        ).fetchall()
    assert [read.allow(*pair) for pair in pairs] == [row[0] for row in truth] == [row[0] for row in compiled]


def test_many_words_of_consent(vectors, monkeypatch):
    monkeypatch.setattr("forge_resources.vectors.filters.MANY", 1)
    consent = Consent(vectors.database)
    for source in ("mail", "chat"):
        consent.set("recommend", "granted", "test", subject="s0", source=source)
    rows, matrix = personal(200), cloud(200)
    vectors.write("chunks", rows, matrix, MODEL)
    found = vectors.search("chunks", matrix[0], 200, Filter(purpose="recommend"), MODEL)
    wanted = rows.filter(pa.compute.and_(
        pa.compute.equal(rows["subject"], "s0"), pa.compute.is_in(rows["source"], pa.array(["mail", "chat"]))
    ))  # fmt: skip
    assert {hit.id for hit in found} == set(wanted["id"].to_pylist())


def test_time_is_a_span_and_unknown_time_is_outside_it(vectors):
    rows, matrix = personal(500), cloud(500)
    vectors.write("chunks", rows, matrix, MODEL)
    span = Filter(since=START + timedelta(hours=40), until=START + timedelta(hours=60))
    found = vectors.search("chunks", matrix[0], 500, span, MODEL)
    assert {hit.id for hit in found} == {f"p{row:06d}" for row in range(40, 60) if row % 50 != 49}


def test_a_filter_by_what_a_space_does_not_have_is_a_mistake(vectors):
    vectors.write("notes", named(10), cloud(10), MODEL)
    for asked in (Filter(subject="s0"), Filter(equal={"language": "en"}), Filter(since=START)):
        with pytest.raises(UsageError) as error:
            vectors.search("notes", cloud(1)[0], 5, asked, MODEL)
        assert error.value.code == "FORGE-FILTER-COLUMN"


def test_other_columns_can_be_asked_for(vectors):
    rows = named(100).append_column("language", pa.array(["en", "de"] * 50))
    vectors.write("notes", rows, cloud(100), MODEL)
    found = vectors.search("notes", cloud(1)[0], 100, Filter(equal={"language": "de"}), MODEL)
    assert {int(hit.id[1:]) % 2 for hit in found} == {1}
    assert len(found) == 50


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_f_d14_any_filter_on_any_small_space(vectors, data):
    n = data.draw(st.integers(1, 60))
    rows, matrix = (
        personal(n, seed=data.draw(st.integers(0, 99))),
        cloud(n, 16, seed=data.draw(st.integers(0, 99))),
    )
    vectors.write("chunks", rows, matrix, MODEL, indexed=data.draw(st.sampled_from(["none", "halfvec"])))
    asked = Filter(
        subject=data.draw(st.sampled_from([None, "s0", "s9"])),
        sources=data.draw(st.sampled_from([(), ("mail",), ("chat", "web"), ("nowhere",)])),
        since=data.draw(st.sampled_from([None, START + timedelta(hours=10)])),
        until=data.draw(st.sampled_from([None, START + timedelta(hours=20)])),
    )
    keep = np.array([
        (asked.subject is None or row["subject"] == asked.subject)
        and (not asked.sources or row["source"] in asked.sources)
        and (asked.since is None or (row["time"] is not None and row["time"] >= asked.since))
        and (asked.until is None or (row["time"] is not None and row["time"] < asked.until))
        for row in rows.to_pylist()
    ])  # fmt: skip
    query = cloud(1, 16, seed=7)[0]
    found = vectors.search("chunks", query, 10, asked, MODEL)
    assert {hit.id for hit in found} <= set(np.array(rows["id"].to_pylist())[keep])
    assert share(found, brute(rows, matrix, query, 10, keep)) >= 0.95 or not keep.any()


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
