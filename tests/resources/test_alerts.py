"""Incidents as they are listed and judged: what was said of one is kept, changes the next build, and can be erased."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from forge_core import keys
from forge_core.errors import Refused, UsageError
from forge_models.anomaly.telling import ALERTS, INCIDENTS
from forge_resources import alerts
from forge_resources.stores import Stores
from sensors.incidents import REMEMBERED, plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def stores(home: Path) -> Stores:
    made = Stores()
    made.database.ensure()
    return made


@pytest.fixture
def told(stores: Stores) -> Stores:
    """Two incidents of two people, each of one alert."""
    common = [
        {
            "subject": f"p_{n}",
            "source": "google",
            "export": "e",
            "task": "account",
            "time": NOW - timedelta(days=n),
        }
        for n in range(2)
    ]
    said = {"days": 90.0, "what": "new device", "reasons": ["new device"], "state": "open"}
    incidents = [
        {**row, **said, "incident": f"{n}" * 12, "last_time": row["time"], "alerts": 1}
        for n, row in enumerate(common)
    ]
    rows = [
        {**row, **said, "alert": f"a{n}" * 6, "incident": f"{n}" * 12, "event_id": None}
        for n, row in enumerate(common)
    ]
    stores.database.write(keys.table(keys.INCIDENTS), pa.Table.from_pylist(incidents, INCIDENTS))
    stores.database.write(keys.table(keys.ALERTS), pa.Table.from_pylist(rows, ALERTS))
    return stores


def test_open_incidents_are_listed_the_newest_first(told):
    assert [one["incident"] for one in alerts.incidents(told)] == ["0" * 12, "1" * 12]


@pytest.mark.parametrize(("verdict", "state"), [("ack", "closed"), ("false", "false")])
def test_a_word_on_an_incident_closes_it_and_is_a_new_version(told, verdict, state):
    before = told.feedback.version()

    said = alerts.judge(told, verdict, "0000")

    assert said["item"] == "0" * 12
    assert [one["incident"] for one in alerts.incidents(told)] == ["1" * 12]
    assert {one["incident"]: one["state"] for one in alerts.incidents(told, every=True)}["0" * 12] == state
    assert told.feedback.version() != before
    assert told.feedback.counts() == {f"alert {verdict}": 1}


def test_a_dry_run_names_the_incident_and_writes_nothing(told):
    assert alerts.judge(told, "ack", "1111", dry_run=True)["item"] == "1" * 12
    assert told.feedback.counts() == {}


def test_what_was_said_is_found_and_erased_with_its_subject(told):
    alerts.judge(told, "false", "0000")

    assert told.database.find("p_0")["governance.feedback"] == 1
    told.database.erase("p_0")

    assert told.feedback.counts() == {}


def test_an_unknown_id_and_a_home_without_alerts_are_refused(stores):
    with pytest.raises(Refused, match="FORGE-NO-ALERTS"):
        alerts.incidents(stores)


def test_an_id_that_nobody_has_is_refused(told):
    with pytest.raises(UsageError, match="FORGE-ALERT-UNKNOWN"):
        alerts.judge(told, "ack", "beef")


def test_the_sensor_speaks_of_each_incident_once():
    first = plan(["b", "a"], [])
    again = plan(["c", "b", "a"], first.said)

    assert first.new == ["b", "a"]
    assert again.new == ["c"]
    assert plan([], again.said).new == []
    assert len(plan([str(n) for n in range(2 * REMEMBERED)], []).said) == REMEMBERED
