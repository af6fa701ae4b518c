"""My Activity and Chrome histories, what a survey says of an archive, and the catalogue."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from forge_core.errors import ForgeError
from forge_core.events import KINDS
from forge_core.sources import catalogue, readers
from tests.core.readers import cell, data, folder, history, page, read_all, record


@pytest.mark.data
def test_my_activity_fixture_has_two_visits_and_a_search():
    found = read_all(data("takeout-gtp-fixtures") / "HtmlTakeout")

    visits = [(row["item"], row["domain"], row["time_flag"]) for row in found.rows["browse"]]
    assert visits == [
        ("https://productforums.google.com/forum/", "productforums.google.com", "no_zone"),
        ("http://www.adobe.com/creativecloud.html", "www.adobe.com", "no_zone"),
    ]
    assert [row["query"] for row in found.rows["search"]] == ["adobe creative cloud"]
    assert {row["source"] for row in found.rows["search"]} == {"google"}


@pytest.mark.data
def test_all_parser_fixtures_are_read_or_skipped_with_a_reason():
    root = data("takeout-gtp-fixtures")

    found = read_all(root)

    assert {kind: len(found.rows[kind]) for kind in ("browse", "search")} == {"browse": 3, "search": 1}
    assert found.quarantined == {}
    assert found.passed_over == {"other activity": 1}  # "7 cards in your feed"
    everything = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert set(found.report.members) == everything
    assert dict(found.survey.skipped)["RecentTakeout/Chrome/BrowserHistory.json"] == "empty"


@pytest.mark.data
def test_old_my_activity_fixtures():
    found = read_all(data("takeout-promnesia-dogsheep") / "dogsheep")

    assert {kind: len(found.rows[kind]) for kind in ("search", "browse")} == {"search": 2, "browse": 2}
    assert found.passed_over == {"other activity": 1}  # "Viewed area around …"
    visited = {row["item"] for row in found.rows["browse"]}
    assert any(url.startswith("https://webapps.stackexchange.com/questions/95560/") for url in visited)
    assert {row["product"] for row in found.rows["search"]} == {"Search", "Maps"}


@pytest.mark.data
def test_a_zip_and_its_folder_give_the_same_events(tmp_path):
    archive = next((data("takeout-promnesia-dogsheep") / "promnesia").glob("*.zip"))
    folder_ = tmp_path / "unpacked"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder_)
    shutil.make_archive(str(tmp_path / "again"), "gztar", folder_)

    outcomes = [read_all(path) for path in (archive, folder_, tmp_path / "again.tar.gz")]

    assert len(outcomes[0].rows["browse"]) == 3
    assert outcomes[0].ids() == outcomes[1].ids() == outcomes[2].ids()


VISITS = [
    {"favicon_url": "https://a.test/i", "page_transition": "LINK", "title": "A", "url": "https://a.test/x?y=1",
     "client_id": "c", "time_usec": 1617404690134513},
    {"page_transition_qualifier": "CLIENT_REDIRECT", "title": "", "url": "http://b.test",
     "time_usec": 1617404680134513},
    {"title": "n", "url": "chrome://settings", "time_usec": 1617404670134513},
    {"title": "f", "url": "https://c.test/", "time_usec": 13261878290134513},
]  # fmt: skip


OTHERS = [{"url": "https://typed.test", "title": "t"}]


@pytest.mark.parametrize(
    "members",
    [
        {"Browser History": VISITS},
        {"Browser History": VISITS, "Typed Url": OTHERS, "Session": []},
        {"Typed Url": OTHERS, "Browser History": VISITS, "Session": OTHERS},
    ],
    ids=["old", "new", "another order"],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_chrome_history_old_and_new(tmp_path, members, indent):
    found = read_all(folder(tmp_path, {"history.json": json.dumps(members, indent=indent)}))

    rows = found.rows["browse"]
    columns = ("item", "domain", "title", "transition", "sequence")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("https://a.test/x?y=1", "a.test", "A", "link", 0),
        ("http://b.test", "b.test", None, "client_redirect", -1),
        ("https://c.test/", "c.test", "f", None, -3),
    ]
    assert rows[0]["time"].isoformat() == "2021-04-02T23:04:50.134513+00:00"
    assert (rows[2]["time"], rows[2]["time_flag"]) == (None, "implausible")
    assert found.passed_over == {"not a web address": 1}
    assert {row["source"] for row in rows} == {"chrome"}


def test_youtube_in_my_activity_is_the_same_history(tmp_path):
    members = {
        "My Activity/YouTube/MyActivity.html": page(cell(1), cell(2)),
        "YouTube/history/watch-history.json": history(record(1), record(2)),
    }

    found = read_all(folder(tmp_path, members))

    assert len(found.ids()) == 2
    assert {row["source"] for row in found.rows["watch"]} == {"youtube"}


OVERVIEW = "<!DOCTYPE html><html><title>Takeout</title><h1>Archive for <b>Jo.Doe@example.test</b></h1>"


def test_the_subject_is_asked_for_then_the_account_then_me(tmp_path):
    members = {"h.json": history(record(1))}
    assert read_all(folder(tmp_path, members)).rows["watch"][0]["subject"] == "me"

    path = folder(tmp_path, members | {"Takeout/overview.html": OVERVIEW})

    assert read_all(path).survey.account == "jo.doe@example.test"
    assert read_all(path).rows["watch"][0]["subject"] == "jo.doe@example.test"
    assert read_all(path, "jo").rows["watch"][0]["subject"] == "jo"


def test_a_page_with_many_addresses_names_nobody(tmp_path):
    text = "<html><title>Takeout</title>a@example.test b@example.test</html>"

    assert read_all(folder(tmp_path, {"h.json": history(record(1)), "p.html": text})).survey.account is None


@pytest.mark.parametrize(
    ("mark", "population"),
    [('{"synthetic": true, "seed": 7}', "synthetic"), ('{"synthetic": 0}', "personal"), ("x", "personal")],
)
def test_the_mark_of_our_generator_makes_an_archive_synthetic(tmp_path, mark, population):
    members = {"Takeout/forge-synthetic.json": mark, "h.json": history(record(1))}

    assert read_all(folder(tmp_path, members)).survey.population == population


def test_every_member_is_claimed_or_skipped_with_a_reason(tmp_path):
    members = {"h.json": history(record(1)), "photo.jpg": b"\xff\xd8\0", "empty.json": "", "list.json": "[]",
               "inner.zip": b"PK\x03\x04junk", "thing.bin": b"\x01\x02"}  # fmt: skip

    found = read_all(folder(tmp_path, members))

    assert dict(found.survey.skipped) == {
        "photo.jpg": "no reader for it",
        "empty.json": "empty",
        "list.json": "an empty list",
        "inner.zip": "an archive inside the archive: give it by itself",
        "thing.bin": "no reader for it",
    }
    assert {name: member.status for name, member in found.report.members.items()} == {
        "h.json": "imported",
    } | dict.fromkeys(dict(found.survey.skipped), "skipped")


def test_F_A3_nested_archives_are_found_by_content_too(tmp_path):
    inner = tmp_path / "inner.zip"
    content = b"[]"
    for name in ("a", "b", "c"):
        with zipfile.ZipFile(inner, "w") as packed:
            packed.writestr(name, content)
        content = inner.read_bytes()

    with pytest.raises(ForgeError) as caught:
        read_all(folder(tmp_path, {"photo.jpg": content, "h.json": history(record(1))}))

    assert caught.value.code == "FORGE-ARCHIVE-NESTED"


def test_the_catalogue_lists_every_reader_with_kinds_of_the_contract():
    rows = catalogue()

    assert {row["reader"] for row in rows} == {reader.name for reader in readers()}
    assert {"youtube", "my_activity", "chrome", "movielens"} <= {row["reader"] for row in rows}
    assert all(kind in KINDS for row in rows for kind in row["kinds"].split(", ") if row["kinds"])
    assert not any(Path(row["about"]).is_absolute() for row in rows)
