"""The feature store online: materialized in bulk, read in one round trip, erased; Feast's own bytes: _feast.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import redis

from forge_core.errors import ForgeError, UsageError
from forge_resources.feature_store import FeatureStore, Pushed, layout
from forge_resources.feature_store.skew import same
from forge_resources.settings import load_settings
from forge_resources.stores import Stores
from tests.resources.feature_rows import ADA, BOB, BY_NAME, add, day, make, on, ready, values

DAILY, LOGINS, ITEMS = BY_NAME["activity_daily"], BY_NAME["security_events"], BY_NAME["items"]


@pytest.fixture
def stores(home: Path) -> Stores:
    return ready()


def client() -> redis.Redis:
    return redis.Redis.from_url(str(load_settings().redis_url))


def daily(stores: Stores, *rows: dict) -> FeatureStore:
    make(stores.database, DAILY, rows)
    return stores.feature_store


@pytest.mark.parametrize(
    "value", [0, 1, -1, 300, 2**62, -(2**63), 0.0, -1.5, 1e300, True, False, "ü", "", None]
)
def test_a_value_is_read_as_it_was_written(value) -> None:
    read = layout.decode(layout.encode(value))

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("data", [b"\x29\x00", b"\x20\xff", b"\x20\x01\x01", b"\x12\x05a", b"nonsense"])
def test_f_o8_a_broken_value_is_refused_not_guessed(data: bytes) -> None:
    with pytest.raises(ValueError, match="of the feature store"):
        layout.decode(data)


@pytest.mark.parametrize("micros", [0, 1, 999_999, 1_772_323_200_000_000, -1, -1_500_000])
def test_a_moment_is_read_as_it_was_written(micros: int) -> None:
    assert layout.decode_timestamp(layout.timestamp(micros)) == micros


def test_the_newest_row_known_by_now_is_online(stores: Stores) -> None:
    features = daily(stores, day(ADA, 1, 5), day(ADA, 2, 7, dwell_minutes=1.5), day(ADA, 9, 99))

    features.materialize(at=on(5))

    (row,) = features.online("activity_daily", [(ADA, "s")], ["events", "dwell_minutes"], fall_back=False)
    assert row == {"events": 7, "dwell_minutes": 1.5, "known_at": on(3)}


def test_null_is_neither_zero_nor_unknown(stores: Stores) -> None:
    features = daily(stores, day(ADA, 1, None, watch=0))
    features.materialize(at=on(5))

    known, unknown = features.online(
        "activity_daily", [(ADA, "s"), {"source": "s", "subject": BOB}], ["events", "watch"]
    )

    assert known == {"events": None, "watch": 0, "known_at": on(2)}
    assert unknown == {"events": None, "watch": None, "known_at": None}


def test_only_what_changed_is_written_again(stores: Stores) -> None:
    features = daily(stores, day(ADA, 1, 5), day(BOB, 1, 6))
    first = features.materialize(at=on(5))
    again = features.materialize(at=on(5))
    with stores.database.transaction() as connection:  # an export of old events came: the past is built again
        connection.execute("update features.activity_daily set events = 8 where subject = %s", (BOB,))
    rebuilt = features.materialize(at=on(5))

    assert first == {"activity_daily": Pushed(2, 2, 0)}
    assert again == {"activity_daily": Pushed(2, 0, 0)}
    assert rebuilt == {"activity_daily": Pushed(2, 1, 0)}
    assert values(features.online("activity_daily", [(ADA, "s"), (BOB, "s")]), "events") == [5, 8]


def test_f_o8_an_emptied_redis_is_filled_again(stores: Stores) -> None:
    features = daily(stores, day(ADA, 1, 5))
    features.materialize(at=on(5))
    client().flushdb()

    assert values(features.online("activity_daily", [(ADA, "s")]), "events") == [5], "the table answers"
    assert features.materialize(at=on(5))["activity_daily"].written == 1


def test_an_entity_without_rows_is_taken_out_and_its_other_tables_stay(stores: Stores) -> None:
    features = daily(stores, day(ADA, 1, 5))
    make(
        stores.database,
        BY_NAME["sessions"],
        [{"subject": ADA, "source": "s", "started_at": on(1), "events": 3, "known_at": on(1, 2)}],
    )
    features.materialize(at=on(5))
    with stores.database.transaction() as connection:
        connection.execute("delete from features.activity_daily")

    assert features.materialize(at=on(5))["activity_daily"] == Pushed(0, 0, 1)
    both = features.online(["activity_daily", "sessions"], [(ADA, "s")], fall_back=False)[0]
    assert both["activity_daily__known_at"] is None
    assert both["sessions__events"] == 3


def test_of_rows_known_at_once_the_later_one_counts(stores: Stores) -> None:
    login = {"subject": ADA, "source": "s", "item": "i", "failed": False, "known_at": on(1)}
    ids = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(3)]
    make(
        stores.database,
        LOGINS,
        [login | {"event_id": ids[n], "time": on(1), "earlier": n} for n in (1, 2, 0)],
    )
    stores.feature_store.materialize(at=on(5))
    client_row = stores.feature_store.online("security_events", [(ADA, "s")], ["earlier"], fall_back=False)
    client().flushdb()
    table_row = stores.feature_store.online("security_events", [(ADA, "s")], ["earlier"])

    assert client_row[0]["earlier"] == 2
    assert table_row == client_row


def test_two_homes_on_one_redis_do_not_touch_each_other(stores: Stores) -> None:
    make(stores.database, ITEMS, [{"item": "youtube:x", "subjects": 2, "known_at": on(1)}])
    home, url = stores.settings.home, str(stores.settings.redis_url)
    other = FeatureStore(stores.database, url, home, project="other")
    stores.feature_store.materialize(at=on(5))
    other.materialize(at=on(5))
    with stores.database.transaction() as connection:
        connection.execute("delete from features.items")

    assert stores.feature_store.materialize(at=on(5))["items"].removed == 1
    (row,) = other.online("items", [["youtube:x"]], ["subjects"], fall_back=False)
    assert row["subjects"] == 2


def test_a_million_ids_do_not_matter_one_home_finds_and_erases_its_subject(stores: Stores) -> None:
    features = daily(stores, day(ADA, 1, 5), day(ADA, 1, 5, source="t"), day(BOB, 1, 6))
    features.materialize(at=on(5))

    assert features.find(subject=ADA) == {"online/subject_source": 2}
    assert features.find(subject=ADA, source="t") == {"online/subject_source": 1}
    assert features.erase(subject=ADA) == {"online/subject_source": 2}
    assert features.find(subject=ADA) == {}
    assert features.find(subject=BOB) == {"online/subject_source": 1}


def test_f_o8_without_redis_the_tables_answer(stores: Stores) -> None:
    daily(stores, day(ADA, 1, 5))
    gone = FeatureStore(stores.database, "unix:///nowhere/redis.sock", stores.settings.home)

    assert values(gone.online("activity_daily", [(ADA, "s")]), "events") == [5]
    with pytest.raises(ForgeError, match="FORGE-REDIS-DOWN"):
        gone.materialize()
    with pytest.raises(ForgeError, match="FORGE-REDIS-DOWN"):
        gone.online("activity_daily", [(ADA, "s")], fall_back=False)


def test_f_o8_a_poisoned_value_is_read_from_the_table(stores: Stores) -> None:
    features = daily(stores, day(ADA, 1, 5))
    features.materialize(at=on(5))
    (key,) = features.wire.keys(layout.key_prefix(DAILY.entity))
    client().hset(key, layout.field("activity_daily", "events"), b"\x20\xff")

    assert values(features.online("activity_daily", [(ADA, "s")], ["events"]), "events") == [5]


def test_online_reads_are_counted(stores: Stores) -> None:
    features = daily(stores, day(ADA, 1, 5))
    features.materialize(at=on(5))
    add(stores.database, DAILY, [day(BOB, 1, 6)])
    features.online("activity_daily", [(ADA, "s"), (BOB, "s")])

    counted = stores.cache.statistics()["feature"]
    assert (counted["hits"], counted["misses"], counted["hit_rate"]) == (1, 1, 0.5)


@pytest.mark.parametrize(
    ("table", "entities", "columns"),
    [
        ("nothing", [(ADA, "s")], None),
        ("activity_daily", [(ADA, "s")], ["nothing"]),
        ("activity_daily", [ADA], None),
        ("activity_daily", [(ADA,)], None),
        (["activity_daily", "items"], [(ADA, "s")], None),
    ],
)
def test_f_i3_a_wrong_question_is_wrong_usage(stores: Stores, table, entities, columns) -> None:
    with pytest.raises(UsageError) as refused:
        stores.feature_store.online(table, entities, columns)

    assert ADA not in str(refused.value)


@pytest.mark.parametrize(
    ("online", "offline", "equal"),
    [
        (0, None, False),
        (None, None, True),
        (0.1 + 0.2, 0.3, True),
        (1.0, 1.001, False),
        (float("nan"), float("nan"), True),
        (1, True, False),
    ],
)
def test_when_values_are_the_same(online, offline, equal: bool) -> None:
    assert same(online, offline) is equal


def test_reading_online_does_not_import_feast(home: Path) -> None:
    code = (
        "import sys\n"
        "from forge_resources.stores import Stores\n"
        "stores = Stores(); stores.database.ensure()\n"
        "stores.feature_store.online('items', [['x']])\n"
        "print(sorted({'feast', 'pandas', 'mlflow', 'torch', 'sqlalchemy'} & set(sys.modules)))"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said.strip() == "[]"
