"""``forge profile`` where nothing is stated, and where something is; statements themselves: tests/models/profile."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from forge_core import keys
from forge_models.profile.feedback import statement_id
from forge_models.profile.telling import SCHEMA
from forge_resources.stores import Stores
from tests.cli.runner import forge

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def told(home: Path) -> list[str]:
    """Statements of two people, the likelier first; their ids."""
    stores = Stores()
    stores.database.ensure()
    stores.consent.grant_all("test")
    rows = [
        {
            "subject": stores.vault.token(name), "statement": statement_id(name, "interest", "channel:a"),
            "source": "youtube", "export": "e1", "task": "interests", "kind": "interest", "thing": "channel:a",
            "label": "a", "what": "watches a", "probability": chance, "low": 0.1, "high": 0.9, "trend": "steady",
            "events": 12, "weeks": 6, "weeks_of": 8, "first_seen": NOW, "last_seen": NOW, "half_life_weeks": 8.0,
            "weight": 3.0, "told_by": ["clean/watch"], "event_ids": [],
        }
        for name, chance in (("anna", 0.8), ("ben", 0.4))
    ]  # fmt: skip
    stores.database.write(keys.table(keys.PROFILE), pa.Table.from_pylist(rows, SCHEMA))
    return [row["statement"] for row in rows]


def test_f_i3_a_word_needs_an_id() -> None:
    assert forge("profile", "deny").code == 2
    assert forge("profile", "forget", "abcd").code == 2


def test_before_anything_was_stated_it_says_so(home: Path) -> None:
    Stores().database.ensure()
    ended = forge("profile", "--json")

    assert ended.code == 3
    assert ended.json["error"]["code"] == "FORGE-NO-STATEMENTS"


def test_statements_are_listed_of_all_or_of_one(told: list[str]) -> None:
    everybody, one = forge("profile", "--json"), forge("profile", "--subject", "ben", "--json")

    assert [row["statement"] for row in everybody.json["statements"]] == told
    assert [row["statement"] for row in one.json["statements"]] == told[1:]
    assert told[0] in forge("profile").out


def test_what_is_denied_is_off_the_list_until_it_is_allowed(told: list[str]) -> None:
    assert forge("profile", "deny", told[0], "--dry-run").code == 0
    assert told[0] in forge("profile").out.partition("denied:")[0]

    assert forge("profile", "deny", told[0][:6]).code == 0
    listed = forge("profile", "--json").json
    assert [row["statement"] for row in listed["statements"]] == told[1:]
    assert listed["denied"] == [told[0]]

    assert forge("profile", "allow", told[0]).code == 0
    assert len(forge("profile", "--json").json["statements"]) == 2


def test_an_id_of_nobody_is_wrong_usage(told: list[str]) -> None:
    ended = forge("profile", "deny", "nobody", "--json")

    assert ended.code == 2
    assert ended.json["error"]["code"] == "FORGE-STATEMENT-UNKNOWN"


def test_of_who_took_consent_back_nothing_is_listed(told: list[str]) -> None:
    stores = Stores()
    stores.consent.set("profile", "denied", "test", subject=stores.vault.token("anna"))

    assert [row["statement"] for row in forge("profile", "--json").json["statements"]] == told[1:]


def test_a_denial_holds_though_one_of_its_sources_is_erased(told: list[str]) -> None:
    stores = Stores()
    anna = stores.database.table(keys.table(keys.PROFILE)).slice(0, 1)
    other = anna.set_column(anna.column_names.index("source"), "source", pa.array(["chrome"]))
    stores.database.write(keys.table(keys.PROFILE), pa.concat_tables([anna, other]))

    assert forge("profile", "deny", told[0]).code == 0
    stores.database.erase(source="chrome")

    listed = forge("profile", "--json").json
    assert listed["statements"] == []
    assert listed["denied"] == [told[0]]
