"""YouTube comments, live chats, subscriptions and playlists, of any age and language."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.sources import Options
from forge_core.sources.youtube_comments import Columns, body
from tests.core.readers import data, folder, read_all

ME = "UC" + "m" * 22
FIRST, REPLY = "Ugx0123456789ABCDEFGH", "Ugx0123456789ABCDEFGH.9abcdefghijkl"
HEADERS = {
    "en": "Comment ID,Channel ID,Comment Create Timestamp,Price,Parent Comment ID,Video ID,Comment Text",
    "de": "Kommentar-ID,Kanal-ID,Zeitstempel,Preis,Übergeordneter Kommentar,Video-ID,Kommentartext",
    "ja": "コメント ID,チャンネル ID,作成タイムスタンプ,価格,親コメント ID,動画 ID,テキスト",
    "ar": "معرّف التعليق,معرّف القناة,الطابع الزمني,السعر,التعليق الأصلي,معرّف الفيديو,نص التعليق",
}
NAMES = {language: header.split(",") for language, header in HEADERS.items()}


def table(*rows: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def words(*pieces: str) -> str:
    return json.dumps({"takeoutSegments": [{"text": piece} for piece in pieces]})


def comment(item: str, parent: str = "", video: str = "dQw4w9WgXcQ", text: str = "Well said") -> list[str]:
    return [item, ME, "2023-09-19T17:42:53.434647+00:00", "0", parent, video, words(text)]


@pytest.mark.data
def test_comments_of_the_parser_fixtures():
    root = data("takeout-gtp-fixtures") / "from_tests"

    found = read_all(root)

    assert [row["thread"] for row in found.rows["message"]] == [
        "0vGCh85obuI", "WtOskFeLmr4", "jH39c5-y6kg", "rWVAzS6duAs", "ZuvK-oe647c",
    ]  # fmt: skip
    assert {row["body"][:19] for row in found.rows["message"]} >= {
        '"think the right th',
        "coalowl the legend",
    }
    assert len(found.rows["app_usage"]) == len(found.rows["preference"]) == 1
    assert found.quarantined == {}


@pytest.mark.parametrize("language", NAMES)
def test_F_A8_columns_are_told_by_what_stands_in_them(tmp_path, language):
    rows = [comment(REPLY, FIRST), comment(FIRST, text='"quoted",\nof two lines')]

    found = read_all(folder(tmp_path, {"x": table(NAMES[language], *rows)}))

    assert [row["item"] for row in found.rows["message"]] == [
        f"youtube:comment:{REPLY}", f"youtube:comment:{FIRST}",
    ]  # fmt: skip
    row = found.rows["message"][1]
    assert (row["thread"], row["sender"], row["source"]) == ("dQw4w9WgXcQ", ME, "youtube")
    assert row["body"] == '"quoted",\nof two lines'
    assert row["time"].isoformat() == "2023-09-19T17:42:53.434647+00:00"
    assert found.quarantined == {}


def test_another_order_of_columns_is_the_same_comment(tmp_path):
    one, order = comment(FIRST), [1, 2, 3, 0, 4, 5, 6]
    members = {
        "a": table(NAMES["en"], one),
        "b": table([NAMES["en"][i] for i in order], [one[i] for i in order]),
    }

    found = read_all(folder(tmp_path, members))

    assert found.ids("a") == found.ids("b")
    assert len(found.ids()) == 1


def test_live_chats_are_messages(tmp_path):
    header = [
        "Live Chat ID",
        "Channel ID",
        "Live Chat Create Timestamp",
        "Price",
        "Video ID",
        "Live Chat Text",
    ]
    row = ["EsABCkcKG0NKaVc5XzZ", ME, "2021-01-02T03:04:05+00:00", "0", "dQw4w9WgXcQ", words("hello ", "all")]

    message = read_all(folder(tmp_path, {"x": table(header, row)})).rows["message"][0]

    assert message["item"] == "youtube:livechat:EsABCkcKG0NKaVc5XzZ"
    assert (message["thread"], message["body"], message["labels"]) == (
        "dQw4w9WgXcQ",
        "hello all",
        ["live chat"],
    )


def test_the_older_list_in_html(tmp_path):
    page = (
        "<html><body><ul><li>Sent at 2020-04-27 23:18:23 UTC while watching "
        '<a href="http://www.youtube.com/watch?v=dQw4w9WgXcQ">a video</a>.<br/>one &amp; two<script>x</script></li>'
        '<li>Am 2016-06-15T08:50:49Z zu <a href="https://www.youtube.com/watch?v=aaaaaaaaaaa&amp;lc='
        f'{FIRST}">einem Video</a><br>gut</li><li>no date <a href="https://youtu.be/bbbbbbbbbbb">v</a><br>x</li></ul>'
    )

    found = read_all(folder(tmp_path, {"x.html": page}))

    assert [(row["item"], row["body"]) for row in found.rows["message"]] == [
        ("youtube:comment:on:dQw4w9WgXcQ", "one & two"),
        (f"youtube:comment:{FIRST}", "gut"),
    ]
    assert found.quarantined == {"unknown date": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (words("a", "b"), "ab"),
        ('{"text":"> quoted"},{"text":"\n"},{"text":"answer"}', "> quoted\nanswer"),
        ('{"takeoutSegments":[{"text":""lost" marks"}]}', '"lost" marks'),
        ('{"takeoutSegments":[{"link":{"linkUrl":"https://a.test"}},{"text":5}]}', ""),
        ("no pieces", "no pieces"),
        ('{"takeoutSegments":5}', ""),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_the_words_of_a_comment(text, expected):
    assert body(text) == expected


def test_broken_comments_leave_their_neighbours_alone(tmp_path):
    late, lost = comment(FIRST), comment(REPLY)
    late[2], lost[1] = "yesterday", ""

    found = read_all(folder(tmp_path, {"x": table(NAMES["en"], comment(FIRST), late, lost, comment(REPLY))}))

    assert len(found.rows["message"]) == 2
    assert found.quarantined == {"unknown date": 1, "malformed": 1}


@pytest.mark.parametrize("header", [True, False])
def test_parts_of_a_long_table_have_each_comment_once(tmp_path, header):
    rows = [comment(f"Ugx{number:018d}") for number in range(2000)]
    content = table(*([NAMES["de"]] if header else []), *rows)

    found = read_all(folder(tmp_path, {"x": content}), options=Options(part_bytes=10_000))

    assert len({row["item"] for row in found.rows["message"]}) == len(found.rows["message"]) == 2000


SUBSCRIPTIONS = {
    "en": ["Channel Id", "Channel Url", "Channel Title"],
    "de": ["Kanal-ID", "Kanal-URL", "Kanaltitel"],
    "tr": ["Kanal kimliği", "Kanal URL'si", "Kanal başlığı"],
    "zh": ["频道 ID", "频道网址", "频道标题"],
}


@pytest.mark.parametrize("language", SUBSCRIPTIONS)
def test_F_A8_subscriptions_in_any_language(tmp_path, language):
    rows = [
        ["UC" + char * 22, f"http://www.youtube.com/channel/UC{char * 22}", f"Name {char}, Ä"]
        for char in "ab"
    ]

    found = read_all(folder(tmp_path, {"x": table(SUBSCRIPTIONS[language], *rows)}))

    assert [(row["item"], row["value"], row["time_flag"]) for row in found.rows["preference"]] == [
        ("subscription:youtube:UC" + "a" * 22, "Name a, Ä", "unknown"),
        ("subscription:youtube:UC" + "b" * 22, "Name b, Ä", "unknown"),
    ]
    assert found.quarantined == {}


def entry(kind: str, number: int, **snippet: object) -> dict[str, object]:
    return {
        "contentDetails": {"totalItemCount": 5}, "etag": "e", "id": str(number), "kind": f"youtube#{kind}",
        "snippet": {"title": f"Title {number}", "publishedAt": "2012-03-04T05:06:07.000Z", "channelId": ME, **snippet},
    }  # fmt: skip


def test_old_subscriptions_and_playlists(tmp_path):
    channel = {"channelId": "UC" + "a" * 22, "kind": "youtube#channel"}
    members = {
        "subscriptions.json": json.dumps([entry("subscription", 1, resourceId=channel), {"kind": 5}]),
        "likes.json": json.dumps(
            [entry("playlistItem", 2, playlistId="LLx", resourceId={"videoId": "dQw4w9WgXcQ"}),
             entry("playlistItem", 3, resourceId={"videoId": "dQw4w9WgXcQ"})]
        ),
    }  # fmt: skip

    found = read_all(folder(tmp_path, members))

    assert sorted((row["item"], row["value"]) for row in found.rows["preference"]) == [
        ("playlist:youtube:LLx:dQw4w9WgXcQ", "Title 2"),
        ("subscription:youtube:UC" + "a" * 22, "Title 1"),
    ]
    assert {row["time"].year for row in found.rows["preference"]} == {2012}
    assert found.quarantined == {"wrong type": 1, "no item": 1}


@pytest.mark.parametrize(
    "content",
    [
        "Channel Id,Channel Url,Channel Title\n",
        "a,b,c\n1,2,3\n",
        "name,homepage\nJo,https://www.youtube.com/channel/UCaaaaaaaaaaaaaaaaaaaaaa\n",
        '[{"kind": "books#volume", "snippet": {}}]',
    ],
)
def test_other_tables_are_left_to_other_readers(tmp_path, content):
    found = read_all(folder(tmp_path, {"x": content}))

    assert not {"youtube_lists", "youtube_comments"} & {claim.reader for claim in found.survey.claims}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.sampled_from(["", ME, FIRST, "0", "2023-09-19T17:42:53Z", "dQw4w9WgXcQ", words("x"), '"'])
        ),
        max_size=6,
    )
)
def test_any_table_is_read_or_quarantined(tmp_path, rows):
    Columns.of(rows)
    content = table(NAMES["en"], *[comment(FIRST)] * 7, *rows)  # most rows are sound

    found = read_all(folder(tmp_path, {"x": content}))

    assert f"youtube:comment:{FIRST}" in {row["item"] for row in found.rows["message"]}
