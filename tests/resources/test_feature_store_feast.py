"""Feast on our declarations: from a clean start, joined in the past, and reading and writing the same bytes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy.engine import make_url

from forge_core.errors import UsageError
from forge_core.features import TABLES
from forge_resources.feature_store import FeatureStore, Skew
from forge_resources.feature_store.repository import configuration
from forge_resources.stores import Stores
from tests.resources.feature_rows import ADA, BOB, BY_NAME, day, make, on, ready

DAILY = BY_NAME["activity_daily"]
SERVED = sorted(table.name for table in TABLES if table.entity and table.served)


@pytest.fixture
def stores(home: Path) -> Stores:
    return ready()


@pytest.fixture
def features(stores: Stores) -> FeatureStore:
    """Two people with some days, registered in Feast."""
    rows = [day(ADA, 1, 5), day(ADA, 2, None, dwell_minutes=0.1), day(ADA, 4, 9), day(BOB, 1, 6)]
    make(stores.database, DAILY, rows)
    stores.feature_store.apply()
    return stores.feature_store


def labels(*rows: tuple[str, int]) -> pa.Table:
    subjects, days = zip(*rows, strict=True)
    return pa.table(
        {
            "subject": subjects,
            "source": ["s"] * len(rows),
            "event_timestamp": pa.array([on(d) for d in days], pa.timestamp("us", "UTC")),
            "label": range(len(rows)),
        }
    )


def test_applied_from_a_clean_start_it_lists_every_declared_view(stores: Stores) -> None:
    applied = stores.feature_store.apply()

    assert applied["views"] == SERVED
    assert applied["services"] == ["by_item", "by_subject_source"]
    view = stores.feature_store.repository.store.get_feature_view("activity_daily")
    assert view.description == DAILY.about
    assert view.tags["sensitivity"] == "personal"
    assert {f.name for f in view.features} == {c.name for c in DAILY.served}


def test_applied_again_it_changes_nothing_and_drops_what_is_no_longer_declared(
    stores: Stores, features: FeatureStore
) -> None:
    features.materialize(at=on(9))
    fewer = FeatureStore(
        stores.database, features.redis_url, stores.settings.home, features.project, [BY_NAME["items"]]
    )

    assert features.apply()["dropped"] == []
    assert fewer.apply()["views"] == ["items"]
    assert not any(
        row["known_at"] for row in features.online("activity_daily", [(ADA, "s")], fall_back=False)
    )


def test_two_who_apply_at_once_from_a_clean_start_both_succeed(stores: Stores) -> None:
    home, url = stores.settings.home, str(stores.settings.redis_url)
    both = [FeatureStore(stores.database, url, home, "forge_test") for _ in range(2)]

    with ThreadPoolExecutor(2) as pool:
        applied = [future.result() for future in [pool.submit(one.apply) for one in both]]

    assert [one["views"] for one in applied] == [SERVED, SERVED]


@pytest.mark.parametrize(
    ("url", "host", "port", "password"),
    [
        ("postgresql://me@/forge?host=/run/forge%20x", "/run/forge x", 5432, ""),
        ("postgresql://me:p%40s%2Fs@db.example:5433/forge?sslmode=require", "db.example", 5433, "p@s/s"),
    ],
)
def test_sockets_and_passwords_reach_feast(url: str, host: str, port: int, password: str) -> None:
    settings = configuration("forge", url, "rediss://:secret@cache.example:6380/2")

    offline, registry = settings["offline_store"], make_url(settings["registry"]["path"])
    assert (offline["host"], offline["port"], offline["password"]) == (host, port, password)
    assert (offline["user"], offline["database"]) == ("me", "forge")
    assert (registry.query["host"], registry.password or "") == (host, password)
    assert settings["online_store"]["connection_string"] == "rediss://:secret@cache.example:6380/2"


def test_f_d2_the_join_takes_only_what_was_known_by_the_label(features: FeatureStore) -> None:
    asked = labels((ADA, 1), (ADA, 2), (ADA, 4), (ADA, 9), (BOB, 9))

    joined = features.historical(asked, ["activity_daily:events", "activity_daily:dwell_minutes"])

    rows = joined.sort_by("label").to_pylist()
    assert [r["activity_daily__events"] for r in rows] == [None, 5, None, 9, 6]
    assert [r["activity_daily__dwell_minutes"] for r in rows] == [None, None, 0.1, None, None]


def test_entities_can_be_sql_and_nothing_of_them_stays(stores: Stores, features: FeatureStore) -> None:
    query = "select subject, source, timestamptz '2026-03-03' as event_timestamp from features.activity_daily"

    joined = features.historical(query, ["activity_daily"], full_names=False)
    features.historical(labels((ADA, 1)), ["activity_daily"])

    assert {c.name for c in DAILY.served} <= set(joined.column_names)
    left = "select count(*) from pg_tables where tablename like '%%entities\\_%%' or tablename like 'feast_entity%%'"
    assert stores.database.value(left) == 0


def test_f_d1_no_entities_join_to_no_rows_of_the_right_types(features: FeatureStore) -> None:
    names = ["activity_daily:events", "activity_daily:dwell_minutes"]

    for nobody in (
        labels((ADA, 1)).slice(0, 0),
        "select 'a' as subject, 's' as source, now() as event_timestamp limit 0",
    ):
        joined = features.historical(nobody, names)

        assert joined.num_rows == 0
        assert joined.schema.field("activity_daily__events").type == pa.int64()


def test_entities_without_a_column_or_features_of_one_name_are_wrong_usage(features: FeatureStore) -> None:
    with pytest.raises(UsageError, match="FORGE-FEATURE-ENTITIES"):
        features.historical(labels((ADA, 1)).drop_columns("source"), ["activity_daily"])
    with pytest.raises(UsageError, match="FORGE-FEATURE-NAMES"):
        features.historical(labels((ADA, 1)), ["activity_daily", "activity_hourly"], full_names=False)


def test_feast_reads_what_we_write(features: FeatureStore) -> None:
    features.materialize(at=on(9))
    names = [c.name for c in DAILY.served]

    told = features.repository.store.get_online_features(
        features=[f"activity_daily:{name}" for name in names],
        entity_rows=[{"subject": ADA, "source": "s"}, {"subject": "nobody", "source": "s"}],
    ).to_dict()

    ours = features.online("activity_daily", [(ADA, "s"), ("nobody", "s")])
    assert {name: told[name] for name in names} == {name: [r[name] for r in ours] for name in names}


def test_we_read_what_feast_writes(features: FeatureStore) -> None:
    features.repository.store.materialize(on(1), on(9), feature_views=["activity_daily"])
    theirs = features.online("activity_daily", [(ADA, "s"), (BOB, "s")], fall_back=False)
    features.materialize(at=on(9))

    assert theirs == features.online("activity_daily", [(ADA, "s"), (BOB, "s")], fall_back=False)


def test_skew_names_what_differs_is_missing_and_is_stale(stores: Stores, features: FeatureStore) -> None:
    features.materialize(at=on(9))
    clean = features.skew("activity_daily", at=on(9))
    with stores.database.transaction() as connection:
        connection.execute("update features.activity_daily set events = 1 where subject = %s", (BOB,))
        connection.execute(
            "insert into features.activity_daily (subject, source, day, known_at) values"
            " ('p_new', 's', '2026-03-01', '2026-03-02'), (%s, 's', '2026-03-06', '2026-03-07')",
            (ADA,),
        )

    assert clean == Skew("activity_daily", 2)
    assert clean.ok
    found = features.skew("activity_daily", at=on(9))
    assert found == Skew("activity_daily", 3, missing=1, stale=1, differing={"events": 1})
    assert not found.ok


def test_feasts_own_command_works_on_the_repository_and_calls_nobody(features: FeatureStore) -> None:
    code = (
        "import os, socket, sys\n"
        "def watch(event, arguments):\n"
        "    if event == 'socket.connect' and arguments[0].family != socket.AF_UNIX:\n"
        "        os._exit(77)\n"
        "sys.addaudithook(watch)\n"
        "from feast.cli.cli import cli\n"
        f"cli(['-c', {str(features.folder)!r}, 'feature-views', 'list'])"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))

    assert told.returncode == 0, told.stderr[-500:]
    assert all(name in told.stdout for name in SERVED)
    mode = stat.S_IMODE((features.folder / "feature_store.yaml").stat().st_mode)
    assert mode == 0o600, "it can hold passwords"
