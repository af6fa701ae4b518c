"""YouTube histories, JSON and HTML: real fixtures, both layouts alike, odd and broken records."""

from __future__ import annotations

import json
import zipfile

import pytest

from tests.core.readers import cell, data, folder, history, page, read_all, record


@pytest.mark.data
@pytest.mark.parametrize("user", ["user_13", "user_405", "user_655"])
def test_F_A6_json_and_html_of_one_person_are_the_same_events(user):
    root = data("takeout-replay-derived") / user
    if not root.exists():
        pytest.skip(f"{user} is not in this copy of the data")
    expected = len(json.loads(next(root.rglob("watch-history.json")).read_text()))

    found = read_all(root)

    assert found.survey.source == "takeout"
    assert len(found.rows["watch"]) == 2 * expected
    assert found.quarantined == {}
    assert found.ids("watch-history.json") == found.ids("watch-history.html")
    assert len(found.ids()) == expected
    by_format = [
        [
            (row["item"], row["title"], row["channel"], row["channel_id"], row["url"], row["sequence"])
            for row in found.rows["watch"]
            if row["member"].endswith(suffix)
        ]
        for suffix in (".json", ".html")
    ]
    assert by_format[0] == by_format[1]


@pytest.mark.parametrize("layout", ["json", "html"])
def test_a_watched_video_becomes_a_watch_event(tmp_path, layout):
    content = history(record(7)) if layout == "json" else page(cell(7))

    found = read_all(folder(tmp_path, {"any/name.bin": content}), "somebody")

    row = found.rows["watch"][0]
    assert row["item"] == "youtube:video000007"
    assert row["title"] == "Film 7"
    assert (row["channel"], row["channel_id"]) == ("Channel", "UC0123456789")
    assert row["url"] == "https://www.youtube.com/watch?v=video000007"
    assert row["time"].isoformat()[:19] == "2021-09-30T01:00:07"
    assert (row["zone"], row["time_flag"]) == ("UTC", None)
    assert (row["subject"], row["source"]) == ("somebody", "youtube")


@pytest.mark.parametrize("layout", ["json", "html"])
def test_newest_first_files_are_numbered_oldest_first(tmp_path, layout):
    numbers = [3, 2, 1]
    content = history(*map(record, numbers)) if layout == "json" else page(*map(cell, numbers))

    rows = read_all(folder(tmp_path, {"h": content})).rows["watch"]

    assert [row["item"] for row in sorted(rows, key=lambda row: row["sequence"])] == [
        "youtube:video000001",
        "youtube:video000002",
        "youtube:video000003",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://music.youtube.com/watch?v=video000001",
        "https://m.youtube.com/watch?feature=x&v=video000001&t=5",
        "https://www.youtube.com/shorts/video000001",
        "https://youtu.be/video000001",
    ],
)
def test_all_addresses_of_a_video_are_one_item(tmp_path, url):
    found = read_all(folder(tmp_path, {"h": history(record(header="YouTube Music", titleUrl=url))}))

    assert found.rows["watch"][0]["item"] == "youtube:video000001"


def test_a_search_becomes_a_search_event_in_both_layouts(tmp_path):
    url = "https://www.youtube.com/results?search_query=Ray+%26+Co"
    body = f'Searched for&nbsp;<a href="{url}">Ray  &amp; Co</a><br>'
    members = {
        "s.json": history(record(0, title="Searched for Ray  & Co", titleUrl=url, subtitles=[])),
        "s.html": page(cell(0, body=body)),
    }

    found = read_all(folder(tmp_path, members))

    assert [row["item"] for row in found.rows["search"]] == ["search:youtube:ray & co"] * 2
    assert found.rows["search"][0]["query"] == "Ray  & Co"
    assert found.ids("s.json") == found.ids("s.html")


@pytest.mark.parametrize("layout", ["json", "html"])
def test_advertisements_are_passed_over_and_counted(tmp_path, layout):
    ad = "<b>Products:</b><br>&emsp;YouTube<br><b>Details:</b><br>&emsp;From Google Ads<br>"
    content = (
        history(record(1), record(2, details=[{"name": "From Google Ads"}]))
        if layout == "json"
        else page(cell(1), cell(2, caption=ad))
    )

    found = read_all(folder(tmp_path, {"h": content}))

    assert len(found.rows["watch"]) == 1
    assert found.passed_over == {"advertisement": 1}


@pytest.mark.parametrize("layout", ["json", "html"])
def test_a_removed_video_without_address_is_no_item(tmp_path, layout):
    removed = record(2, title="Watched a video that has been removed")
    del removed["titleUrl"], removed["subtitles"]
    content = (
        history(record(1), removed)
        if layout == "json"
        else page(cell(1), cell(2, body="Watched a video that has been removed<br>"))
    )

    found = read_all(folder(tmp_path, {"h": content}))

    assert len(found.rows["watch"]) == 1
    assert found.quarantined == {"no item": 1}


@pytest.mark.parametrize("layout", ["json", "html"])
def test_a_removed_video_with_address_has_no_title(tmp_path, layout):
    url = "https://www.youtube.com/watch?v=video000002"
    content = (
        history(record(2, title=f"Watched {url}", subtitles=[]))
        if layout == "json"
        else page(cell(2, body=f'Watched&nbsp;<a href="{url}">{url}</a><br>'))
    )

    row = read_all(folder(tmp_path, {"h": content})).rows["watch"][0]

    assert (row["item"], row["title"], row["channel"]) == ("youtube:video000002", None, None)


def test_other_wordings_and_dates_are_set_aside_not_guessed(tmp_path):
    url = "https://www.youtube.com/watch?v=video000002"
    members = {
        "a.json": history(record(1), record(2, title="Film 2 katsottiin")),
        "b.html": page(cell(1), cell(2, body=f'<a href="{url}">Film 2</a> katsottiin<br>'),
                       cell(3, date="30. syysk. 2021 klo 01.00.03 EEST")),
    }  # fmt: skip

    found = read_all(folder(tmp_path, members))

    assert len(found.rows["watch"]) == 2
    assert found.quarantined == {"unknown wording": 2, "unknown date": 1}


def test_entities_are_resolved_and_no_script_is_kept(tmp_path):
    url = "https://www.youtube.com/watch?v=video000001"
    odd = f'Watched&nbsp;<a href="{url}">Caf&eacute; <b>&lt;live&gt;</b><script>alert(1)</script></a><br>'

    found = read_all(folder(tmp_path, {"h": page(cell(1, body=odd))}))

    assert found.rows["watch"][0]["title"] == "Café <live>"


@pytest.mark.parametrize(
    "url", ["data:text/html,x", "javascript:alert(1)", "file:///etc/passwd", "https://evil.test/"]
)
def test_F_P5_other_addresses_are_no_items(tmp_path, url):
    members = {
        "a.json": history(record(1), record(2, titleUrl=url)),
        "b.html": page(cell(1), cell(2, body=f'Watched&nbsp;<a href="{url}">x</a><br>')),
    }

    found = read_all(folder(tmp_path, members))

    assert {row["item"] for row in found.rows["watch"]} == {"youtube:video000001"}
    assert found.quarantined == {"no item": 2}


def test_style_sheets_before_the_first_cell_do_not_hide_it(tmp_path):
    found = read_all(folder(tmp_path, {"h": page(cell(1), styles=5000)}))

    assert len(found.rows["watch"]) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("layout", ["json", "html"])
def test_F_P1_byte_order_marks_and_utf_16_are_read(tmp_path, encoding, layout):
    content = history(record(1, title="Watched Café")) if layout == "json" else page(cell(1))

    found = read_all(folder(tmp_path, {"h": content.encode(encoding)}))

    assert found.rows["watch"][0]["item"] == "youtube:video000001"


def test_a_file_of_many_batches_keeps_every_row_once(tmp_path):
    count = 60_000
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("h.html", page(*map(cell, range(count))))

    found = read_all(path)

    assert len({row["item"] for row in found.rows["watch"]}) == len(found.rows["watch"]) == count


def test_a_member_with_a_bad_checksum_ends_quarantined(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("good.json", history(record(1)))
        packed.writestr("bad.json", history(*map(record, range(2000))))
    content = path.read_bytes()
    at = content.rfind(b"Film 1999")
    path.write_bytes(content[:at] + b"Fxlm" + content[at + 4 :])

    found = read_all(path)

    assert found.report.broken == ["bad.json"]
    assert found.report.members["bad.json"].reason.startswith("FORGE-ARCHIVE-CRC")
    assert found.report.members["good.json"].rows == {"watch": 1}
