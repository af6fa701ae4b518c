"""``forge event``: what is refused before anything is written, and what is said of what was."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_resources.stores import Stores
from tests.cli.runner import forge
from tests.resources.feature_rows import BY_NAME, make


@pytest.fixture
def known(mlflow_store: str, home: Path) -> Stores:
    stores = Stores()
    stores.database.ensure()
    me = stores.vault.pseudonyms.person("me")
    row = {"subject": me, "item": "yt:a", "position": 0, "count": 1, "source": "s", "export": "e"}
    make(stores.database, BY_NAME["interactions"], [row])
    make(stores.database, BY_NAME["items"], [{"item": "yt:b", "title": "Beta", "subjects": 1}])
    stores.consent.set("recommend", "granted", "test")
    return stores


def told(stores: Stores) -> int:
    return len(stores.online_events.since(stores.vault.pseudonyms.person("me"), 0))


def test_f_i3_a_subject_and_an_item_must_be_named() -> None:
    assert forge("event", "me").code == 2


def test_f_i3_what_is_no_time_is_wrong_usage() -> None:
    ended = forge("event", "me", "yt:b", "--time", "yesterday", "--json")

    assert ended.code == 2
    assert ended.json["error"]["code"] == "FORGE-EVENT-TIME"


def test_an_event_is_recorded_and_said(known: Stores) -> None:
    ended = forge("event", "me", "yt:b", "--time", "2026-03-01T20:15+01:00")

    assert ended.code == 0
    assert "Beta" in ended.out
    assert "2026-03-01T20:15:00+01:00" in ended.out
    assert told(known) == 1


def test_a_dry_run_writes_nothing(known: Stores) -> None:
    ended = forge("event", "me", "yt:b", "--dry-run", "--json")

    assert ended.code == 0
    assert ended.json["dry_run"] is True
    assert told(known) == 0


def test_somebody_unknown_is_wrong_usage_and_never_named(known: Stores) -> None:
    ended = forge("event", "nobody@example.test", "yt:b", "--json")

    assert ended.code == 2
    assert ended.json["error"]["code"] == "FORGE-SUBJECT-UNKNOWN"
    assert "nobody" not in ended.out


def test_f_p_without_consent_it_is_refused(known: Stores) -> None:
    known.consent.set("recommend", "denied", "test")

    assert forge("event", "me", "yt:b").code == 3
    assert told(known) == 0


@pytest.mark.parametrize("option", ["--diversity", "--recency"])
def test_shares_of_a_prediction_lie_between_0_and_1(option: str) -> None:
    assert forge("predict", "recommender", "--subject", "me", option, "1.5").code == 2
