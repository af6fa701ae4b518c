"""Feature tables: what a row says, what is built again when events come or go, and that none knows the future."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from forge_core.features import TABLES, FeatureTable, activity, movement, security, taste, texts
from forge_resources import chunking, features
from forge_resources.leakage import leakage
from forge_resources.postgres import Database
from forge_resources.stores import Stores
from tests.resources.lives import at, happened, lived

TRANSFORMS = {"chunks": chunking.chunks}


@pytest.fixture
def database(home: Path) -> Database:
    made = Stores().database
    made.ensure()
    return made


def build(database: Database, *tables: FeatureTable) -> dict[str, features.Build]:
    return {t.name: features.build(database, t, "1", TRANSFORMS.get(t.name)) for t in tables or TABLES}


def content(database: Database, table: FeatureTable) -> list[tuple]:
    order = ", ".join(str(n + 1) for n in range(len(table.columns)))
    names = ", ".join(column.name for column in table.columns)
    return database.rows(f"select {names} from {table.address} order by {order}")


def rows(database: Database, table: FeatureTable, columns: str, order: str = "1") -> list[tuple]:
    rests_on = {"activity_daily": [activity.HOURLY], "persons": [activity.HOURLY, activity.DAILY]}
    build(database, *rests_on.get(table.name, []), table)
    return database.rows(f"select {columns} from {table.address} order by {order}")


def test_without_an_event_every_table_is_there_and_empty(database: Database) -> None:
    for made in build(database).values():
        assert (made.rows, made.units) == (0, 0)
    for table in TABLES:
        assert content(database, table) == []
        if table.point_in_time:
            assert leakage(database, table).compared == 0


def test_what_comes_later_changes_only_what_it_touches(database: Database) -> None:
    for month, seed in enumerate((1, 2, 3, 4, 5, 6)):
        lived(database, seed, (30 * month, 30 * month + 30))
    lived(database, 7, (0, 180), subject="p_ben")
    first = build(database)
    assert all(made.full and made.rebuilt for made in first.values())
    assert not any(made.rebuilt or made.full for made in build(database).values())

    lived(database, 8, (178, 210))
    second = build(database)

    assert second["interactions"].rebuilt == 1  # Anna, not Ben
    assert second["activity_daily"].rebuilt < first["activity_daily"].units / 2
    assert second["items"].rebuilt <= 12
    for table in TABLES:
        incremental = content(database, table)
        with database.transaction() as connection:
            connection.execute(f"drop table {table.address}")
        made = features.build(database, table, "1", TRANSFORMS.get(table.name))
        assert made.full
        assert content(database, table) == incremental, table.name


def test_events_that_leave_take_their_rows_with_them(database: Database) -> None:
    lived(database, 1, (0, 90))
    lived(database, 2, (0, 90), subject="p_ben")
    build(database)
    with database.transaction() as connection:
        for kind in (
            "watch",
            "search",
            "browse",
            "message",
            "document",
            "security",
            "calendar",
            "place",
            "app_usage",
        ):
            connection.execute(f"delete from clean.{kind} where subject = 'p_ben'")
    build(database)
    for table in TABLES:
        if table.sensitivity == "personal":
            assert database.count(table.address, "subject = 'p_ben'") == 0
            assert database.count(table.address) > 0


def test_another_declaration_or_other_code_before_it_builds_all_again(database: Database) -> None:
    lived(database, 1, (0, 40))
    build(database, taste.INTERACTIONS)
    assert features.build(database, taste.INTERACTIONS, "2").full
    assert features.build(database, replace(taste.INTERACTIONS, version="9"), "2").full


def test_no_table_knows_the_future(database: Database) -> None:
    for seed in range(3):
        lived(database, seed, (0, 120), subject=f"p_{seed}")
    build(database)
    for table in TABLES:
        if table.point_in_time:
            found = leakage(database, table)
            assert found.compared > 10, table.name
            assert found.leaking == 0, table.name


@pytest.mark.parametrize(
    "leak",
    [
        "count(*) over (partition by subject, source)",  # of all time
        "sum(events) over (partition by subject, source order by day desc)",  # of what is to come
        "lead(events) over (partition by subject, source order by day)",  # tomorrow's
    ],
)
def test_f_d2_a_feature_that_knows_the_future_is_found(database: Database, leak: str) -> None:
    lived(database, 1, (0, 120))
    planted = replace(
        activity.PERSONS,
        name="planted",
        select=f"select subject, source, day, ({leak})::bigint as events_7d, 0::bigint as events_28d,"
        " 0::bigint as active_days_7d, 0::bigint as active_days_28d, 0::float8 as night_share_28d,"
        " 0::float8 as weekend_share_28d, 0::float8 as calendar_minutes_7d, 0::float8 as dwell_minutes_7d,"
        " 0::float8 as mean_silence_28d_h, 0::float8 as trend, export, day + interval '1 day' as known_at from $daily",
    )
    build(database, activity.HOURLY, activity.DAILY, planted)
    assert leakage(database, planted).leaking > 0


def test_f_d2_a_row_that_is_called_known_too_early_is_found(database: Database) -> None:
    lived(database, 1, (0, 120))
    early = replace(
        activity.SESSIONS,
        name="early",
        select=activity.SESSIONS.select.replace(
            f"max(time) + interval '{activity.SESSION_GAP}' as known_at", "min(time) as known_at"
        ),
    )
    happened(
        database, "watch", [{"time": at(20, minutes=20 * n), "item": f"youtube:{n}"} for n in range(200)]
    )
    build(database, early)
    assert leakage(database, early).leaking > 0


def test_interactions_count_and_keep_the_order(database: Database) -> None:
    happened(
        database,
        "watch",
        [
            {"item": "youtube:b", "time": at(2)},
            {"item": "youtube:a", "time": at(1)},
            {"item": "youtube:b", "time": at(3)},
        ],
    )
    found = rows(database, taste.INTERACTIONS, "item, position, count, first_time, known_at")
    assert found == [("youtube:a", 0, 1, at(1), at(1)), ("youtube:b", 1, 2, at(2), at(3))]


def test_half_an_hour_of_silence_ends_a_session(database: Database) -> None:
    happened(database, "watch", [{"time": at(1, minutes=m), "item": f"youtube:{m}"} for m in (0, 20, 50, 81)])
    happened(database, "search", [{"time": at(1, minutes=40), "item": "search:x"}])
    found = rows(database, activity.SESSIONS, "started_at, seconds, events, items, kinds")
    assert found == [(at(1), 3000.0, 4, 4, ["search", "watch"]), (at(1, minutes=81), 0.0, 1, 1, ["watch"])]


def test_an_hour_has_its_events_and_its_share_of_what_lasts(database: Database) -> None:
    happened(database, "watch", [{"time": at(0, 9, m)} for m in (5, 50)])
    happened(database, "calendar", [
        {"time": at(0, 9, 30), "end_time": at(0, 11, 15), "source": "youtube"},
        {"time": at(0, 0), "end_time": at(1), "all_day": True},
    ])  # fmt: skip
    happened(database, "place", [{"time": at(0, 10, 45), "end_time": at(0, 11)}])
    found = rows(database, activity.HOURLY, "hour, events, watch, calendar_minutes, dwell_minutes, known_at")
    assert found == [
        (at(0, 9), 2, 2, 30.0, 0.0, at(0, 10)),
        (at(0, 10), 0, 0, 60.0, 15.0, at(0, 11)),
        (at(0, 11), 0, 0, 15.0, 0.0, at(0, 12)),
    ]


def test_a_day_knows_the_silence_that_ended_on_it(database: Database) -> None:
    happened(
        database, "watch", [{"time": time} for time in (at(0, 22, 30), at(1, 7), at(1, 7, 30), at(40, 1))]
    )
    found = rows(
        database, activity.DAILY, "day, events, active_hours, night_events, first_hour, longest_silence_h"
    )
    assert found == [
        (at(0), 1, 1, 0, 22.5, None),
        (at(1), 2, 1, 0, 7.0, 8.5),
        (at(40), 1, 1, 1, 1.0, None),  # nothing is known of five weeks; they are no sleep
    ]


def test_a_person_is_the_weeks_before(database: Database) -> None:
    happened(database, "watch", [{"time": at(day, 3)} for day in (0, 1, 20, 27, 28)])
    found = rows(database, activity.PERSONS, "day, events_7d, events_28d, active_days_28d, night_share_28d")
    assert found[-1] == (at(28), 2, 4, 4, 1.0)


def test_a_visit_knows_the_one_before_it(database: Database) -> None:
    happened(
        database,
        "place",
        [
            {"item": "stay:home", "time": at(0, 0), "end_time": at(0, 8)},
            {"item": "point:52.5,13.4", "time": at(0, 8, 10)},
            {"item": "stay:work", "time": at(0, 9), "end_time": at(0, 17)},
            {"item": "stay:home", "time": at(60), "end_time": at(60, 1)},
        ],
    )
    found = rows(
        database, movement.PLACES, "arrived_at, place, seconds, hour_of_week, previous_place, gap_seconds"
    )
    assert found == [
        (at(0), "stay:home", 28800.0, 0, None, None),
        (at(0, 9), "stay:work", 28800.0, 9, "stay:home", 3600.0),
        (at(60), "stay:home", 3600.0, 96, None, None),
    ]


def test_a_login_is_judged_by_those_before_it(database: Database) -> None:
    abroad = {"device": "laptop", "address": "99.9.9.9", "country": "FR"}
    usual = {
        "item": "login:in",
        "device": "phone",
        "address": "10.1.2.3",
        "country": "DE",
        "outcome": "success",
    }
    happened(
        database,
        "security",
        [
            *({**usual, "time": at(day, 8), "sequence": day} for day in range(10)),
            {**usual, **abroad, "time": at(10, 3), "outcome": "failure"},
            {**usual, "time": at(10, 3, 20), "address": "10.1.2.77"},
            {"item": "login:in", "time": at(10, 4)},
        ],
    )  # fmt: skip
    columns = "time, new_device, new_network, new_country, impossible_travel, failures_24h, events_1h"
    found = rows(database, security.EVENTS, columns)
    assert found[0] == (at(0, 8), 0, 0, 0, 0, 0, 1)  # the first of all is nothing new
    assert found[10] == (at(10, 3), 1, 1, 1, 0, 1, 1)  # the last one from elsewhere was 19 hours before
    assert found[11] == (at(10, 3, 20), 0, 0, 0, 1, 1, 2)  # France and Germany within twenty minutes
    assert found[12] == (at(10, 4), None, None, None, None, 1, 3)  # nothing is known: unavailable
    rarity = dict(rows(database, security.EVENTS, "time, hour_rarity"))
    assert rarity[at(10, 3)] > rarity[at(9, 8)]


def test_letters_become_passages_with_language_author_and_time(database: Database) -> None:
    german = "Das ist ein langer Brief über das Wetter und die Ernte in diesem Jahr. " * 30
    happened(database, "message", [
        {"title": "Ernte", "body": german, "sender": "c_bob", "thread": "c_thread", "time": at(1)},
        {"title": "only a title", "body": None, "time": None},
        {"title": None, "body": "  "},
    ])  # fmt: skip
    happened(database, "document", [{"title": "Ernte", "body": german, "author": "c_eve", "time": at(2)}])
    found = rows(database, texts.CHUNKS, "kind, part, language, thread, author, time, hash", "event_id, part")
    letters = [row for row in found if row[0] == "message" and row[3]]
    assert [row[1] for row in letters] == [0, 1, 2]
    assert {row[2:6] for row in letters} == {("de", "c_thread", "c_bob", at(1))}
    assert sorted(r[6] for r in letters) == sorted(r[6] for r in found if r[0] == "document")  # the same text
    assert len(found) == 7  # the title alone is a passage, too; white space is none


def test_f_p9_what_has_no_time_is_left_out_of_what_needs_one(database: Database) -> None:
    unknown = {"time": None, "time_flag": "unknown"}
    happened(database, "watch", [{**unknown, "item": f"youtube:{n}", "sequence": n} for n in (2, 0, 1)])
    happened(database, "security", [{**unknown, "item": "login:in"}])
    happened(database, "place", [{**unknown, "item": "stay:52.5,13.4"}])
    made = build(database)
    kept = {name: one.rows for name, one in made.items() if one.rows}
    assert kept == {"interactions": 3, "items": 3, "subjects": 1}
    assert rows(database, taste.INTERACTIONS, "position, item, ordered_only, known_at") == [
        (n, f"youtube:{n}", True, None) for n in range(3)
    ]
    assert leakage(database, taste.INTERACTIONS).leaking == 0


def test_f_p10_a_visit_at_no_place_on_earth_has_no_coordinates_to_go_wrong(database: Database) -> None:
    nowhere = {"latitude": float("nan"), "longitude": 200.0, "time": at(1), "end_time": at(1, 2)}
    happened(
        database, "place", [nowhere, {"latitude": None, "longitude": None, "time": at(2), "end_time": at(1)}]
    )
    build(database)
    assert database.rows("select dwell_minutes from features.activity_hourly order by hour") == [
        (60.0,),
        (60.0,),
    ]
    broken = movement.PLACES.violations()["leaves_before_it_arrives"]
    assert database.count(movement.PLACES.address, broken) == 1  # which blocks the table: see its check


@pytest.mark.slow
def test_a_million_subjects(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(
            "insert into clean.watch (event_id, source, export, subject, item, time, sequence)"
            " select md5(n::text)::uuid, 'youtube', 'takeout-0123456789ab', 'p_' || n, 'youtube:' || n % 1000,"
            " timestamptz '2024-01-01Z' + n * interval '1 second', 0 from generate_series(1, 1000000) n"
        )
    made = build(database, taste.INTERACTIONS, activity.HOURLY)
    assert made["interactions"].units == made["interactions"].rows == 1_000_000
    happened(database, "watch", [{"subject": "p_7", "time": at(60)}])
    assert build(database, taste.INTERACTIONS)["interactions"].rebuilt == 1
    assert leakage(database, activity.HOURLY).leaking == 0
