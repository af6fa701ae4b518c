"""Evidence: what becomes of events, who is a contact and who is not, what is held back, and what is not there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from forge_core import keys
from forge_models.profile import PROFILE
from forge_models.profile.evidence import SCHEMA
from forge_models.profile.gathering import gather, needed
from forge_models.profile.sensitive import category

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")
TYPES = {
    "time": TIME, "hour": TIME, "arrived_at": TIME, "week": TIME, "categories": pa.list_(pa.string()),
    "recipients": pa.list_(pa.string()), "attendees": pa.list_(pa.string()), "words": pa.list_(pa.string()),
    "texts": pa.int64(), "topic": pa.int64(), "part": pa.int64(), "score": pa.float64(), "all_day": pa.bool_(),
    **dict.fromkeys(("watch", "search", "browse", "message", "app_usage"), pa.int64()),
}  # fmt: skip


def table(key: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows of an input, with what they do not say left null."""
    own = {"subject": "p_a", "source": "src", "export": "e1"}
    schema = pa.schema([(name, TYPES.get(name, pa.string())) for name in needed()[key]])
    return pa.Table.from_pylist([{**own, "event_id": f"{n}", **row} for n, row in enumerate(rows)], schema)


def watched(channel: str, days: float = 0, **more: Any) -> dict[str, Any]:
    return {"time": MONDAY + timedelta(days=days), "channel": channel, "categories": [], **more}


def things(found: pa.Table) -> set[str]:
    return set(found["thing"].to_pylist())


def test_what_is_read_is_what_the_family_says_it_is_gathered_from() -> None:
    assert set(needed()) == set(PROFILE.gathered_from)


def test_events_of_a_day_are_one_row_with_their_number_and_one_of_their_ids() -> None:
    rows = [watched("Chess", 0.1), watched("Chess", 0.2), watched("Chess", 1)]
    found = gather({keys.clean("watch"): table(keys.clean("watch"), rows)}).table

    assert found.schema.equals(SCHEMA)
    assert found["events"].to_pylist() == [2, 1]
    assert found["event_id"].to_pylist() == ["0", "2"]
    assert set(found["told_by"].to_pylist()) == {"clean/watch"}


def test_two_spellings_of_a_category_are_one_thing() -> None:
    rows = [watched("A", categories=["Chess "]), watched("A", categories=["chess"])]
    found = gather({keys.clean("watch"): table(keys.clean("watch"), rows)}).table

    assert things(found) == {"channel:a", "category:chess"}


def test_an_empty_label_or_an_unknown_time_is_no_evidence() -> None:
    rows = [watched("  "), watched("A") | {"time": None}, watched("B", subject=None)]

    assert gather({keys.clean("watch"): table(keys.clean("watch"), rows)}).table.num_rows == 0


def test_without_a_table_there_is_no_evidence_and_no_error() -> None:
    assert gather({}).table.num_rows == 0
    assert gather({key: table(key, []) for key in needed()}).table.schema.equals(SCHEMA)


def letter(sender: str | None, *recipients: str, **more: Any) -> dict[str, Any]:
    return {"time": MONDAY, "sender": sender, "recipients": list(recipients), **more}


def test_contacts_are_pseudonyms_and_never_oneself() -> None:
    letters = [letter("c_me", "c_bo"), letter("c_bo", "c_me"), letter("c_me", "c_di"), letter("c_ed", "c_me")]
    found = gather({keys.clean("message"): table(keys.clean("message"), letters)}).table

    assert things(found) == {"to:c_bo", "to:c_di", "from:c_bo", "from:c_ed"}


def test_a_letter_to_a_crowd_is_to_nobody_in_particular() -> None:
    letters = [letter("c_me", *(f"c_{n}" for n in range(9))), letter("c_bo", "c_me"), letter("c_me", "c_bo")]
    found = gather({keys.clean("message"): table(keys.clean("message"), letters)}).table

    assert things(found) == {"from:c_bo", "to:c_bo"}


def test_ones_own_comments_are_no_contact() -> None:
    comments = [letter("c_channel", source="youtube") for _ in range(3)]

    assert gather({keys.clean("message"): table(keys.clean("message"), comments)}).table.num_rows == 0


def test_a_planned_entry_has_not_happened_yet() -> None:
    entries = [{"time": MONDAY + timedelta(days=7 * n), "title": "Choir"} for n in range(10)]
    tables = {
        keys.clean("calendar"): table(keys.clean("calendar"), entries),
        keys.clean("watch"): table(keys.clean("watch"), [watched("A", 15)]),
    }

    assert gather(tables).table.filter(pa.compute.field("kind") == "routine").num_rows == 3


def test_a_week_of_texts_says_topics_language_and_sound() -> None:
    week = {"week": MONDAY, "texts": 4}
    tables = {
        keys.TOPICS: table(keys.TOPICS, [week | {"topic": 3, "words": ["bees", "hive"], "name": "bees"}]),
        keys.SENTIMENT: table(keys.SENTIMENT, [week | {"score": 0.5}]),
        keys.CHUNKS: table(keys.CHUNKS, [{"time": MONDAY, "part": 0, "language": "de"}]),
    }
    found = gather(tables).table

    assert things(found) == {"topic:3", "mood:positive", "language:de"}
    assert {"bees, hive", "German", "positive"} == set(found["label"].to_pylist())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Leben mit Brustkrebs", "health"), ("Alcoólicos Anónimos", "health"), ("Sunday church choir", "religion"),
        ("мечеть и ислам", "religion"), ("Parteitag der CDU", "politics"), ("gay bar", "sexuality"),
        ("IG Metall Jugend", "union"), ("pornhub.com", "sexuality"), ("My bank", "money"), ("病院への道", "health"),
    ],
)  # fmt: skip
def test_sensitive_words_are_known_in_several_languages(text: str, kind: str) -> None:
    assert category(text) == kind


@pytest.mark.parametrize(
    "text", ["Chess openings", "Café Central", "Board games", "Weather", "Beekeeping", ""]
)
def test_plain_words_are_plain(text: str) -> None:
    assert category(text) is None


def test_sensitive_things_are_off_by_default_and_counted_without_their_words() -> None:
    rows = [watched("Chess"), watched("Living with diabetes"), watched("Bible study", 1)]
    tables = {keys.clean("watch"): table(keys.clean("watch"), rows)}
    held, everything = gather(tables), gather(tables, with_sensitive=True)

    assert things(held.table) == {"channel:chess"}
    assert held.held_back == {"health": 1, "religion": 1}
    assert everything.table.num_rows == 3


def test_a_site_is_sensitive_by_its_address() -> None:
    rows = [{"time": MONDAY, "domain": "www.grindr.com"}, {"time": MONDAY, "domain": "www.chess.test"}]
    found = gather({keys.clean("browse"): table(keys.clean("browse"), rows)})

    assert things(found.table) == {"site:chess.test"}
    assert found.held_back == {"sexuality": 1}
