"""Browsers' databases: three schemas, in place and from an archive, and F-P11."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.sources import Options
from tests.core.readers import folder, read_all

MICROS = 1_710_050_146_123_456  # 2024-03-10 05:55:46 UTC
WEBKIT = MICROS + 11_644_473_600_000_000
CORE_DATA = MICROS / 1e6 - 978_307_200
PAGES = [
    ("https://example.org/a?b=c", "A page"),
    ("http://example.net/", None),
    ("file:///home/me/secret", "x"),
]


def database(path, *statements, many=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
        for statement, rows in many:
            connection.executemany(statement, rows)
    connection.close()
    return path


def chrome(path, visits=None, *more):
    return database(
        path,
        "create table urls (id integer primary key, url longvarchar, title longvarchar, visit_count integer)",
        "create table visits (id integer primary key, url integer not null, visit_time integer not null, "
        "transition integer default 0, visit_duration integer default 0)",
        *more,
        many=[
            ("insert into urls values (?, ?, ?, 1)", [(n, *page) for n, page in enumerate(PAGES, 1)]),
            (
                "insert into visits (url, visit_time, transition, visit_duration) values (?, ?, ?, ?)",
                visits
                or [(1, WEBKIT, 0x30000001, 2_500_000), (2, WEBKIT + 1_000_000, 8, 0), (3, WEBKIT, 0, 0)],
            ),
        ],
    )


def firefox(path):
    return database(
        path,
        "create table moz_places (id integer primary key, url text, title text)",
        "create table moz_historyvisits (id integer primary key, from_visit integer, place_id integer, "
        "visit_date integer, visit_type integer)",
        many=[
            ("insert into moz_places values (?, ?, ?)", [(n, *page) for n, page in enumerate(PAGES, 1)]),
            (
                "insert into moz_historyvisits values (?, 0, ?, ?, ?)",
                [(1, 1, MICROS, 2), (2, 2, MICROS + 1_000_000, 1)],
            ),
        ],
    )  # fmt: skip


def safari(path):
    return database(
        path,
        "create table history_items (id integer primary key, url text)",
        "create table history_visits (id integer primary key, history_item integer, visit_time real, title text)",
        many=[
            ("insert into history_items values (?, ?)", [(n, page[0]) for n, page in enumerate(PAGES, 1)]),
            (
                "insert into history_visits values (?, ?, ?, ?)",
                [(1, 1, CORE_DATA, "A page"), (2, 2, CORE_DATA + 1, None)],
            ),
        ],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "source", "how", "seconds"),
    [(chrome, "chrome", "typed", 2.5), (firefox, "firefox", "typed", None), (safari, "safari", None, None)],
)
@pytest.mark.parametrize("packed", [False, True])
def test_three_browsers_in_place_and_in_an_archive(tmp_path, make, source, how, seconds, packed):
    path = make(tmp_path / "History")
    if packed:
        with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
            archive.write(path, "History")
        path = tmp_path / "export.zip"

    found = read_all(path)

    first, second = found.rows["browse"]
    assert (first["item"], first["url"]) == ("https://example.org/a?b=c", "https://example.org/a?b=c")
    assert (first["title"], first["domain"], first["source"]) == ("A page", "example.org", source)
    assert (first["transition"], first["seconds"]) == (how, seconds)
    assert first["time"].isoformat(timespec="seconds") == "2024-03-10T05:55:46+00:00"
    assert second["time"].isoformat(timespec="seconds") == "2024-03-10T05:55:47+00:00"
    assert found.survey.source == "browser"
    assert not found.quarantined


def test_database_and_takeout_of_one_browser_are_one_history(tmp_path):
    chrome(tmp_path / "History")
    takeout = {
        "Browser History": [
            {"url": url, "time_usec": MICROS + n * 1_000_000} for n, (url, _) in enumerate(PAGES[:2])
        ]
    }

    assert (
        read_all(tmp_path / "History").ids()
        == read_all(folder(tmp_path / "takeout", {"BrowserHistory.json": json.dumps(takeout)})).ids()
    )


def test_F_P11_a_database_in_write_ahead_mode_without_its_log_is_read(tmp_path):
    path = chrome(tmp_path / "browser" / "History")
    with sqlite3.connect(path) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("insert into visits (url, visit_time) values (2, ?)", (WEBKIT + 2_000_000,))
    connection.close()
    assert path.read_bytes()[18:20] == b"\2\2"
    assert not path.with_name("History-wal").exists()
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(path, "History")

    assert len(read_all(path).rows["browse"]) == 3
    assert len(read_all(tmp_path / "export.zip").rows["browse"]) == 3


def test_F_P11_changes_in_a_log_beside_the_database_are_named_as_not_read(tmp_path):
    path = chrome(tmp_path / "live" / "History")
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode = wal")
    connection.execute("insert into visits (url, visit_time) values (2, ?)", (WEBKIT,))
    connection.commit()
    shutil.copytree(tmp_path / "live", tmp_path / "copy", ignore=shutil.ignore_patterns("*-shm"))
    connection.close()
    before = {file.name: file.read_bytes() for file in (tmp_path / "copy").iterdir()}

    alone = read_all(tmp_path / "copy" / "History")
    both = read_all(tmp_path / "copy")

    for found in (alone, both):
        assert len(found.rows["browse"]) == 2
        assert found.passed_over["changes not yet written into the database"] >= 1
    log = both.report.members["History-wal"]
    assert (log.status, log.reason.split(":")[0]) == ("skipped", "changes not yet written into the database")
    assert {file.name: file.read_bytes() for file in (tmp_path / "copy").iterdir()} == before


HOSTILE = {
    "a trigger": ["create trigger t after insert on visits begin delete from urls; end"],
    "a view of the same name": [
        "drop table urls",
        "create view urls as with recursive c(x) as (select 1 union all select x + 1 from c) "
        "select x as id, 'https://evil.example/' || x as url, '' as title from c",
    ],
    "a virtual table": ["drop table urls", "create virtual table urls using fts5(id, url, title)"],
    "a generated column": [
        "drop table urls",
        "create table urls (id integer primary key, title text, url text generated always as (hex(zeroblob(99))))",
    ],
    "an index on an expression": ["create index i on visits (abs(url))"],
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("packed", [False, True])
def test_F_P11_what_is_no_plain_table_is_not_read(tmp_path, what, packed):
    path = chrome(tmp_path / "History")
    with sqlite3.connect(path) as connection:
        for statement in HOSTILE[what]:
            connection.execute(statement)
    connection.close()
    if packed:
        with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
            archive.write(path, "History")
        path = tmp_path / "export.zip"

    found = read_all(path)

    plain = what in ("a trigger", "an index on an expression")
    assert len(found.rows.get("browse", [])) == (2 if plain else 0)
    if not plain:
        assert found.report.members["History"].reason == "no browser history in it"


def test_F_P11_a_broken_page_costs_what_stands_on_it(tmp_path):
    visits = [(1, WEBKIT + n * 1_000_000, 0, 0) for n in range(20_000)]
    path = chrome(tmp_path / "History", visits)
    data = bytearray(path.read_bytes())
    at = len(data) - 6 * 4096  # among the last visits
    data[at : at + 4096] = random.Random(7).randbytes(4096)
    path.write_bytes(data)

    found = read_all(path)

    rows = found.rows["browse"]
    assert 10_000 <= len(rows) < 20_000
    assert found.quarantined == {"damaged": 1}
    assert {row["item"] for row in rows} == {"https://example.org/a?b=c"}


@pytest.mark.parametrize(
    "data", [b"SQLite format 3\0", b"SQLite format 3\0" + b"\0" * 4080, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_F_P11_what_only_begins_like_a_database_is_set_aside(tmp_path, data):
    found = read_all(folder(tmp_path, {"History": data}))

    assert found.report.members["History"].status in ("quarantined", "skipped")
    assert not found.rows


def test_a_database_of_something_else_is_skipped_with_a_reason(tmp_path):
    path = database(tmp_path / "notes.db", "create table visits (patient text)")

    found = read_all(path)

    assert found.report.members["notes.db"].reason == "no browser history in it"


def test_a_database_in_an_archive_beyond_the_limit_is_set_aside(tmp_path):
    path = chrome(tmp_path / "History")
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(path, "History")

    found = read_all(tmp_path / "export.zip", options=Options(database_bytes=4096))

    assert found.report.members["History"].reason.startswith("too large for memory")


def test_F_P9_values_of_other_types_are_set_aside(tmp_path):
    path = chrome(
        tmp_path / "History",
        [
            (1, "soon", 0, 0),
            (1, -5, 0, 0),
            (99, WEBKIT, 0, 0),
            (1, WEBKIT, "typed", b"\xff"),
            (1, 2**62, 0, 0),
        ],
    )

    found = read_all(path)

    assert [(row["time_flag"], row["transition"]) for row in found.rows["browse"]] == [
        ("implausible", "link"), (None, None),
    ]  # fmt: skip
    assert found.quarantined == {"unknown date": 2, "no item": 1}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2**16), st.binary(min_size=1, max_size=40)), min_size=1, max_size=6))
def test_F_P11_any_damage_is_rows_or_a_reason(tmp_path, damage):
    path = tmp_path / "sound" / "History"
    if not path.exists():
        chrome(path)
    data = bytearray(path.read_bytes())
    for at, noise in damage:
        at = 16 + at % (len(data) - 16)
        data[at : at + len(noise)] = noise
    broken = tmp_path / "History"
    broken.write_bytes(data)

    found = read_all(broken)

    assert len(found.rows.get("browse", [])) < 1000
