"""Searches under a filter: by subject, source, time and consent, inside the query, and never a foreign row."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.errors import UsageError
from forge_resources.consent import Consent, allowed
from forge_resources.settings import load_settings
from forge_resources.stores import Stores
from forge_resources.vectors import Filter, Vectors, searching
from forge_resources.vectors.filters import Words, condition
from tests.resources.clouds import MODEL, START, brute, cloud, named, personal, share


@pytest.fixture
def vectors(home: Path) -> Vectors:
    made = Stores(load_settings()).vectors
    made.database.ensure()
    return made


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
