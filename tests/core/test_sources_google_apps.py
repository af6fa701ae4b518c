"""Apps of the Play Store and of My Activity, products of My Activity, and the account's profile."""

from __future__ import annotations

import json

import pytest

from tests.core.readers import data, folder, read_all, record


def install(title: str, time: str | None = "2022-03-14T07:06:12.070725Z", kind: str = "Android Apps"):
    doc = {"documentType": kind, "title": title}
    return {"install": {"doc": doc, "firstInstallationTime": time, "lastUpdateTime": "2024-08-27T22:55:15Z"}}


def acquired(title: str, kind: str = "Android Apps"):
    return {
        "libraryDoc": {
            "doc": {"documentType": kind, "title": title},
            "acquisitionTime": "2020-01-02T03:04:05Z",
        }
    }


@pytest.mark.data
def test_the_install_of_the_parser_fixtures():
    found = read_all(data("takeout-gtp-fixtures") / "from_tests" / "Google Play Store")

    (row,) = found.rows["app_usage"]
    assert (row["item"], row["action"]) == ("app:clickup - manage teams & tasks", "installed")
    assert row["time"].isoformat() == "2022-03-14T07:06:12.070725+00:00"


@pytest.mark.parametrize("indent", [None, 2])
def test_installed_and_acquired_apps(tmp_path, indent):
    members = {
        "Installs.json": json.dumps([install("Maps"), install("Ünïcode  Notes", None), install("")], indent=indent),
        "Library.json": json.dumps([acquired("Maps"), acquired("A Book", "Ebooks"),
                                    acquired("Karten", "Android-Apps")], indent=indent),
    }  # fmt: skip

    found = read_all(folder(tmp_path, members))

    assert [(row["item"], row["action"], row["time_flag"]) for row in found.rows["app_usage"]] == [
        ("app:maps", "installed", None),
        ("app:ünïcode notes", "installed", "unknown"),
        ("app:maps", "acquired", None),
        ("app:karten", "acquired", None),
    ]
    assert found.quarantined == {"no item": 1}
    assert found.passed_over == {"not an app": 1}
    assert {row["source"] for row in found.rows["app_usage"]} == {"google_play"}


STORE = "https://play.google.com/store/apps/details?id="


def test_apps_used_are_known_by_their_package(tmp_path):
    records = [
        record(1, header="Android", title="Used Camera", titleUrl=STORE + "com.example.camera", subtitles=[]),
        record(2, header="Android", title="Used Some  Launcher", titleUrl=None, subtitles=[]),
        record(
            3,
            header="Google Play Store",
            title="Used Chess",
            titleUrl=STORE + "org.chess&hl=de",
            subtitles=[],
        ),
        record(4, header="Search", title="Used Search", titleUrl="https://www.google.com/", subtitles=[]),
        record(
            5, header="Android", title="Used Evil", titleUrl="https://evil.test/?id=com.evil", subtitles=[]
        ),
    ]

    found = read_all(folder(tmp_path, {"a": json.dumps(records)}))

    assert [(row["item"], row["title"], row["action"]) for row in found.rows["app_usage"]] == [
        ("app:com.example.camera", "Camera", "opened"),
        ("app:some launcher", "Some  Launcher", "opened"),
        ("app:org.chess", "Chess", "opened"),
        ("app:evil", "Evil", "opened"),
    ]
    assert found.passed_over == {"other activity": 1}


@pytest.mark.parametrize(
    ("header", "title", "item"),
    [
        ("Maps", "Searched for a lake", "search:maps:a lake"),
        ("Gmail", "Searched for invoice", "search:gmail:invoice"),
        ("Google Play Store", "Searched for chess", "search:google-play-store:chess"),
        ("Assistant", "Said set a timer", "search:assistant:set a timer"),
        ("Shopping", "Searched for shoes", "search:shopping:shoes"),
        ("Google Suche", "Gesucht nach: Wetter", "search:search:wetter"),
    ],
)
def test_searches_of_every_product(tmp_path, header, title, item):
    content = json.dumps(
        [record(1, header=header, title=title, titleUrl=None, subtitles=[], products=[header])]
    )

    found = read_all(folder(tmp_path, {"a": content}))

    assert [row["item"] for row in found.rows["search"]] == [item]
    assert found.rows["search"][0]["source"] == "google"


def test_a_member_of_several_products_is_sorted_by_record(tmp_path):
    records = [
        record(
            1, header="Search", title="Searched for cats", titleUrl="https://www.google.com/search?q=cats"
        ),
        record(2),
        record(3, header="Chrome", title="Visited A page", titleUrl="https://a.test/"),
        record(4, header="Discover", title="7 cards in your feed", titleUrl=None),
        record(5, header="Android", title="Used Camera", titleUrl=STORE + "com.example.camera"),
    ]

    found = read_all(folder(tmp_path, {"a": json.dumps(records)}))

    assert {kind: [row["source"] for row in rows] for kind, rows in found.rows.items()} == {
        "search": ["google"], "watch": ["youtube"], "browse": ["chrome"], "app_usage": ["google"],
    }  # fmt: skip
    assert found.passed_over == {"other activity": 1}


def test_a_header_may_be_escaped(tmp_path):
    """Google writes the apostrophe as \\u0027."""
    one = record(
        1, header="Recherche d'images", title="Vous avez recherché chats", titleUrl=None, subtitles=[]
    )
    content = json.dumps([one]).replace("'", "\\u0027")

    found = read_all(folder(tmp_path, {"a": content}))

    assert found.rows["search"][0]["item"] == "search:image-search:chats"


PROFILE = {
    "name": {"givenName": "Jo", "familyName": "Doe", "formattedName": "Jo Doe"},
    "displayName": "Jo Doe",
    "emails": [{"value": "jo@example.test"}],
    "gender": {"type": "female"},
    "birthday": "1990-01-02",
}


def test_the_profile_gives_attributes_and_settings(tmp_path):
    found = read_all(folder(tmp_path, {"Profile.json": json.dumps(PROFILE)}))

    values = {row["item"]: row["value"] for row in found.rows["preference"]}
    assert values["attribute:gender"] == "female"
    assert values["attribute:birthday"] == "1990-01-02"
    assert values["setting:google:profile:emails.0.value"] == "jo@example.test"
    assert {row["time_flag"] for row in found.rows["preference"]} == {"unknown"}


@pytest.mark.parametrize(
    ("content", "quarantined"),
    [
        (json.dumps(PROFILE)[:-1], {"malformed": 1}),
        (json.dumps(PROFILE | {"urls": ["x"] * 500}), {"too many values": 1}),
        (json.dumps(PROFILE | {"urls": "x" * 2_000_000}), {"too long": 1}),
    ],
)
def test_hostile_profiles_are_set_aside(tmp_path, content, quarantined):
    assert read_all(folder(tmp_path, {"Profile.json": content})).quarantined == quarantined


def test_other_objects_are_no_profile(tmp_path):
    found = read_all(
        folder(tmp_path, {"a.json": '{"name": "package", "version": "1.0"}', "b.json": '{"gender": 1}'})
    )

    assert "google_account" not in {claim.reader for claim in found.survey.claims}
