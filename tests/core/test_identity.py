"""Identity of an event: the SQL that publishes and its twin in Python; row F-A6."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from forge_core import identity
from forge_core.events import TYPES, reader_columns

AT = datetime(2021, 9, 30, 1, 44, 33, tzinfo=UTC)


@pytest.fixture
def staging(home, monkeypatch):
    """An empty staging table for watch events on the real server."""
    with psycopg.connect(os.environ["POSTGRES_URL"]) as connection:
        make(connection, "watch")
        yield connection


def make(connection, kind):
    columns = ", ".join(f"{c.name} {TYPES[c.type]}" for c in reader_columns(kind))
    connection.execute(
        f"create temp table staging (event_id uuid generated always as ({identity.first_id(kind)}) stored,"
        f" member text, source text, label text, {columns})"
    )


def put(connection, member, item, time, sequence, subject="me"):
    connection.execute(
        "insert into staging (member, source, subject, item, time, sequence)"
        " values (%s, 'youtube', %s, %s, %s, %s)",
        (member, subject, item, time, sequence),
    )


def chosen(connection, kind="watch"):
    """(event_id, time) of each event once, as publishing puts them together."""
    connection.execute(f"create temp table contested as {identity.contested('staging')}")
    return connection.execute(
        "select event_id, time from staging where event_id not in (select event_id from contested)"
        " union all select c.event_id, s.time from staging s"
        f" join ({identity.chosen(kind, 'staging', 'contested')}) c on c.place = s.ctid"
    ).fetchall()


def ids(connection, kind="watch"):
    return [row[0] for row in chosen(connection, kind)]


def test_sql_and_python_agree(staging):
    events = [("a:1", AT), ("a:ü🎬", AT + timedelta(milliseconds=999)), ("a:3", None)]
    for number, (item, time) in enumerate(events):
        put(staging, "m", item, time, number)

    assert set(ids(staging)) == {identity.event_id("me", "watch", item, time) for item, time in events}


def test_F_A6_the_same_event_in_two_files_is_one(staging):
    put(staging, "history.json", "a:1", AT + timedelta(milliseconds=131), 0)
    put(staging, "history.html", "a:1", AT, 0)

    assert [time for _, time in chosen(staging)] == [AT + timedelta(milliseconds=131)]  # the finer time stays


def test_F_A6_the_same_second_twice_in_one_file_is_two(staging):
    for member in ("history.json", "history.html"):
        put(staging, member, "a:1", AT, -1)
        put(staging, member, "a:1", AT, -2)

    assert set(ids(staging)) == {identity.event_id("me", "watch", "a:1", AT, number) for number in (0, 1)}


def test_identity_tells_subject_kind_item_second_and_occurrence_apart():
    base = ("me", "watch", "a:1", AT, 0)
    others = [
        ("you", *base[1:]),
        ("me", "search", *base[2:]),
        ("me", "watch", "a:2", *base[3:]),
        ("me", "watch", "a:1", AT + timedelta(seconds=1), 0),
        ("me", "watch", "a:1", None, 0),
        ("me", "watch", "a:1", AT, 1),
    ]

    assert len({identity.event_id(*parts) for parts in (base, *others)}) == 7
    later = AT + timedelta(milliseconds=500)
    assert identity.event_id("me", "watch", "a:1", later) == identity.event_id(*base)


def test_F_A6_lines_of_logs_without_a_year_are_told_apart_by_their_message(home):
    with psycopg.connect(os.environ["POSTGRES_URL"]) as connection:
        make(connection, "security")
        lines = {"auth.log.1": ("for root", "for ann"), "auth.log": ("for ann", "for bob")}
        for member, messages in lines.items():
            for number, message in enumerate(messages):
                connection.execute(
                    "insert into staging (member, source, subject, item, sequence, message)"
                    " values (%s, 'sshd', 'me', 'login', %s, %s)",
                    (member, number, message),
                )
        found = set(ids(connection, "security"))

    expected = {
        identity.event_id("me", "security", "login", None, text=text)
        for text in ("for root", "for ann", "for bob")
    }
    assert found == expected
