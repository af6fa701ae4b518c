"""Keep notes: the fixtures of obsidian-importer, and what a note may be besides."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.archives.memory import MemoryArchive
from forge_core.sources import reader_named
from forge_core.sources.base import Context, ReadReport
from tests.core.readers import data, folder, read_all

EDITED = datetime(2023, 8, 1, 4, 29, 43, 842000, tzinfo=UTC)


def note(**changes: Any) -> str:
    fields = {
        "color": "DEFAULT",
        "isTrashed": False,
        "isPinned": False,
        "isArchived": False,
        "textContent": "some words",
        "title": "A title",
        "userEditedTimestampUsec": 1690864183842000,
        "createdTimestampUsec": 1690514467150000,
    } | changes
    return json.dumps({key: value for key, value in fields.items() if value is not None})


def test_the_public_notes_are_read_and_the_broken_ones_set_aside():
    """28 files: 13 notes with their 13 expected pages, one broken and one invalid note."""
    root = data("takeout-keep-obsidian")
    notes = [json.loads(path.read_text()) for path in sorted((root / "notes").glob("*.json"))]
    kept = {one["createdTimestampUsec"]: one for one in notes if not one["isTrashed"]}

    found = read_all(root)

    rows = [row for row in found.rows["document"] if row["source"] == "keep"]
    assert {row["item"] for row in rows} == {f"keep:{stamp}" for stamp in kept}
    assert len(rows) == len(kept) == 12
    assert found.passed_over["in the trash"] == len(notes) - len(kept) == 1
    assert found.report.total("quarantined") == {"malformed": 1, "unknown date": 1}
    for row in rows:
        expected = kept[int(row["item"].removeprefix("keep:"))]
        assert (row["title"] or "") == expected["title"]
        assert {label["name"] for label in expected.get("labels", [])} == set(row["labels"] or [])
        assert row["time"].timestamp() == expected["userEditedTimestampUsec"] / 1e6
        for item in expected.get("listContent", []):
            assert f"[ ] {item['text']}" in row["body"]


def test_text_checklist_labels_and_links_of_a_note(tmp_path):
    content = note(
        listContent=[{"text": "milk", "isChecked": True}, {"text": "bread", "isChecked": False}],
        labels=[{"name": "shopping"}],
        annotations=[{"title": "A page", "url": "https://example.org/a", "source": "WEBLINK"}],
    )

    row = read_all(folder(tmp_path, {"Takeout/Keep/A title.json": content})).rows["document"][0]

    assert row["body"] == "some words\n[x] milk\n[ ] bread\nA page https://example.org/a"
    assert (row["title"], row["labels"], row["time"]) == ("A title", ["shopping"], EDITED)


def test_the_page_of_a_note_is_passed_over_beside_its_json(tmp_path):
    page = (
        '<?xml version="1.0"?>\n<!DOCTYPE html><html><body><div class="note">some words</div></body></html>'
    )

    found = read_all(folder(tmp_path, {"Keep/a.json": note(), "Keep/a.html": page}))

    assert len(found.rows["document"]) == 1
    assert found.report.members["Keep/a.html"].status == "skipped"
    assert "JSON" in found.report.members["Keep/a.html"].reason


def test_an_edited_note_is_another_version_of_one_item(tmp_path):
    first = read_all(folder(tmp_path / "a", {"a.json": note()}))
    again = read_all(folder(tmp_path / "b", {"other name.json": note()}))
    later = read_all(
        folder(tmp_path / "c", {"a.json": note(textContent="x", userEditedTimestampUsec=1690864190000000)})
    )

    assert first.ids() == again.ids()
    assert first.ids() != later.ids()
    assert first.rows["document"][0]["item"] == later.rows["document"][0]["item"]


def test_a_note_from_before_2021_has_an_item_made_of_its_words(tmp_path):
    row = read_all(folder(tmp_path, {"a.json": note(createdTimestampUsec=None)})).rows["document"][0]

    assert row["item"].startswith("keep:")
    assert len(row["item"]) == len("keep:") + 16


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"title": 5}, "wrong type"),
        ({"userEditedTimestampUsec": None}, "unknown date"),
        ({"userEditedTimestampUsec": "soon"}, "unknown date"),
        ({"userEditedTimestampUsec": 1.5}, "wrong type"),
        ({"x": 0}, "too deep"),
        ({"textContent": "a" * 3_000_000}, "too long"),
    ],
)
def test_F_P1_a_broken_note_is_set_aside(tmp_path, changes, reason):
    content = note(**changes)
    if "x" in changes:
        content = content[:-1] + ',"y":' + "[" * 100_000 + "]" * 100_000 + "}"

    found = read_all(folder(tmp_path, {"a.json": content}))

    assert found.rows == {}
    assert found.quarantined == {reason: 1}
    assert found.report.members["a.json"].status == "quarantined"


def test_F_P1_what_can_be_mended_in_a_note_is_read(tmp_path):
    content = note(title="lone \ud83c end", textContent="a\0b")

    row = read_all(folder(tmp_path, {"a.json": content.encode("utf-16")})).rows["document"][0]

    assert (row["title"], row["body"]) == ("lone \ufffd end", "ab")


@pytest.mark.parametrize("stamp", [10**18 * 5, -5, 1])
def test_F_P9_an_implausible_time_is_flagged(tmp_path, stamp):
    row = read_all(folder(tmp_path, {"a.json": note(userEditedTimestampUsec=stamp)})).rows["document"][0]

    assert (row["time"], row["time_flag"]) == (None, "implausible")


@settings(max_examples=150, deadline=5000)
@given(at=st.integers(0, 300), cut=st.integers(0, 30), new=st.binary(max_size=8))
def test_F_P1_a_damaged_note_is_a_row_or_a_quarantine(at, cut, new):
    content = note().encode()
    archive, report = MemoryArchive({"a.json": content[:at] + new + content[at + cut :]}), ReadReport()

    batches = list(reader_named("keep").read(archive, archive.members, Context("me", report)))

    member = report.member("a.json")
    assert sum(batch.rows.num_rows for batch in batches) == member.rows["document"] <= 1
    assert member.rows["document"] + sum(member.quarantined.values()) + sum(
        member.passed_over.values()
    ) >= 1 or (member.status == "skipped")
