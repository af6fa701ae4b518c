"""Chats as messages: Google Chat, Telegram and Signal. WhatsApp has a file of its own."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from forge_core.sources import reader_named
from forge_core.sources.base import MemberReport, Sink
from forge_core.sources.google_chat import Dates
from forge_core.sources.options import Options
from tests.core.chats import account, chat_message, frames, google_chat, telegram_chat, telegram_message
from tests.core.readers import folder, read_all

NOON = datetime(2016, 11, 3, 11, 59, 50, tzinfo=UTC)


def test_google_chat_messages_have_the_names_of_the_group_beside_them(tmp_path):
    found = read_all(folder(tmp_path, google_chat(chat_message(1), chat_message(2, text=None))))

    first, second = found.rows["message"]
    assert first["item"] == "google-chat:space1/t1/m1"
    assert first["time"] == NOON
    assert (first["thread"], first["sender"], first["recipients"]) == (
        "Walkers", "ann@example.org", ["bob@example.org"],
    )  # fmt: skip
    assert (first["body"], second["body"]) == ("text 1", None)
    assert found.survey.source == "takeout"
    assert found.survey.skipped == []


def test_google_chat_without_its_group_file_is_read(tmp_path):
    messages = google_chat(
        chat_message(1, attached_files=[{"original_name": "a.png", "export_name": "b.png"}])
    )
    only = {name: text for name, text in messages.items() if name.endswith("messages.json")}

    row = read_all(folder(tmp_path, only)).rows["message"][0]

    assert (row["thread"], row["recipients"]) == ("space1", None)
    assert row["attachments"] == ["image/png; ?; a.png"]


def test_google_chat_deleted_and_doubtful_messages_are_counted(tmp_path):
    messages = google_chat(
        chat_message(1),
        chat_message(2, message_state="DELETED"),
        chat_message(3, created_date="Unknown Date"),
        chat_message(4, message_id=None),
        {key: value for key, value in chat_message(5).items() if key != "created_date"},
    )

    found = read_all(folder(tmp_path, messages))

    assert [row["item"][-2:] for row in found.rows["message"]] == ["m1", "m5"]
    assert found.rows["message"][1]["time_flag"] == "unknown"
    assert found.passed_over == {"deleted message": 1}
    assert found.quarantined == {"unknown date": 1, "no item": 1}


@pytest.mark.parametrize(
    "text",
    [
        "Thursday, November 3, 2016 at 11:59:50 AM UTC",
        "Thursday, 3 November 2016 at 11:59:50 UTC",
        "Donnerstag, 3. November 2016 um 11:59:50 UTC",
        "jeudi 3 novembre 2016 à 11:59:50 UTC",
        "jueves, 3 de noviembre de 2016, 11:59:50 UTC",
        "quinta-feira, 3 de novembro de 2016 às 11:59:50 UTC",
        "giovedì 3 novembre 2016 alle ore 11:59:50 UTC",
        "donderdag 3 november 2016 om 11:59:50 UTC",
        "czwartek, 3 listopada 2016 11:59:50 UTC",
        "3 Kasım 2016 Perşembe 11:59:50 UTC",
        "2016年11月3日木曜日 11:59:50 UTC",
        "الخميس، 3 نوفمبر 2016 في 11:59:50 ص UTC",
        "2016年11月3日星期四 上午11:59:50 UTC",
    ],
)
def test_F_A8_a_google_chat_date_is_the_same_in_every_language(text):
    assert Dates().parse(text)[0] == NOON.timestamp() * 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Unknown Date",
        "Brumaire 3, 2016 at 11:59:50 AM UTC",
        "November 31, 2016 at 1:00:00 AM UTC",
        "9" * 300,
    ],
)
def test_a_google_chat_date_that_cannot_be_read_is_none(text):
    assert Dates().parse(text) is None


def test_telegram_chats_of_an_account_keep_their_own_messages(tmp_path):
    export = account(
        telegram_chat(
            11, telegram_message(1), telegram_message(2, text=["a ", {"type": "bold", "text": "b"}])
        ),
        telegram_chat(12),
        telegram_chat(13, telegram_message(1, text='"messages": ['), name=None),
        left=(telegram_chat(14, telegram_message(9), name='Say "messages": [{'),),
    )

    found = read_all(folder(tmp_path, {"result.json": export}))

    rows = found.rows["message"]
    assert [row["item"] for row in rows] == [
        "telegram:11:1",
        "telegram:11:2",
        "telegram:13:1",
        "telegram:14:9",
    ]
    assert [row["thread"] for row in rows] == ["Walkers", "Walkers", "telegram:13", 'Say "messages": [{']
    assert [row["body"] for row in rows] == ["text 1", "a b", '"messages": [', "text 9"]
    assert rows[0]["time"] == datetime.fromtimestamp(1673776201, UTC)
    assert found.quarantined == {}


def test_a_telegram_chat_alone_is_the_same_messages_as_in_the_account(tmp_path):
    chat = telegram_chat(11, telegram_message(1), telegram_message(2))

    alone = read_all(folder(tmp_path / "a", {"result.json": json.dumps(chat)}))
    within = read_all(folder(tmp_path / "b", {"result.json": account(chat)}))

    assert alone.ids() == within.ids()
    assert len(alone.ids()) == 2


def test_telegram_files_service_messages_and_old_local_times(tmp_path):
    old = telegram_message(3)
    del old["date_unixtime"]
    messages = (
        telegram_message(1, photo="photos/photo_1.jpg", photo_file_size=77),
        telegram_message(2, text="", file="files/a.pdf", mime_type="application/pdf", file_size=12),
        old,
        telegram_message(4, type="service", action="phone_call"),
        {"id": 5, "type": "unsupported"},
        telegram_message(6, date_unixtime="soon"),
    )

    found = read_all(folder(tmp_path, {"result.json": json.dumps(telegram_chat(1, *messages))}))

    rows = found.rows["message"]
    assert [row["attachments"] for row in rows] == [
        ["image/jpeg; 77; photo"], ["application/pdf; 12; a.pdf"], None,
    ]  # fmt: skip
    assert (rows[2]["time"], rows[2]["time_flag"]) == (datetime(2023, 1, 15, 10, 30, tzinfo=UTC), "no_zone")
    assert found.passed_over == {"service message": 2}
    assert found.quarantined == {"unknown date": 1}


def test_F_P1_a_broken_telegram_message_costs_itself_alone(tmp_path):
    broken = json.dumps(telegram_message(2))[:-1]
    chat = json.dumps(telegram_chat(1, telegram_message(1), telegram_message(3)))
    export = chat.replace(
        ", " + json.dumps(telegram_message(3)), f", {broken}, " + json.dumps(telegram_message(3))
    )

    found = read_all(folder(tmp_path, {"result.json": export}))

    assert {row["item"] for row in found.rows["message"]} >= {"telegram:1:1"}
    assert sum(found.quarantined.values()) >= 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_F_P1_telegram_in_another_encoding(tmp_path, encoding):
    export = json.dumps(telegram_chat(1, telegram_message(1, text="größer")), ensure_ascii=False)

    found = read_all(folder(tmp_path, {"result.json": export.encode(encoding)}))

    assert [row["body"] for row in found.rows["message"]] == ["größer"]


def test_signals_own_export_with_line_ends_inside_its_texts(tmp_path):
    found = read_all(folder(tmp_path, {"main.jsonl": frames("one<NL>two", "three")}))

    rows = found.rows["message"]
    assert [(row["thread"], row["sender"], row["body"]) for row in rows] == [
        ("Bob", "Bob", "one\ntwo"), ("Bob", "Bob", "three"),
    ]  # fmt: skip
    assert rows[0]["time"] == datetime.fromtimestamp(1700000000.123, UTC)
    assert found.passed_over == {"no message": 2}
    assert found.quarantined == {}


def test_the_numbers_of_records_make_no_other_signal_messages(tmp_path):
    first = frames("one")
    later = first.replace('"id":"2"', '"id":"7"').replace('"authorId":"2"', '"authorId":"7"')

    assert (
        read_all(folder(tmp_path / "a", {"main.jsonl": first})).ids()
        == read_all(folder(tmp_path / "b", {"main.jsonl": later})).ids()
    )


def test_signal_cli_messages_sent_and_received(tmp_path):
    received = {"source": "+1", "sourceNumber": "+1", "sourceUuid": "u", "timestamp": 1700000000123}
    data = {"timestamp": 1700000000123, "message": "hey", "groupInfo": {"groupId": "g="}}
    sent = {"destination": "+1", "destinationNumber": "+1", "timestamp": 1700000000999, "message": "out"}
    lines = [
        {"account": "+2", "envelope": received | {"dataMessage": data}},
        {"account": "+2", "envelope": received | {"typingMessage": {"action": "STARTED"}}},
        {"jsonrpc": "2.0", "method": "receive", "params": {
            "account": "+2", "envelope": {"source": "+2", "timestamp": 9, "syncMessage": {"sentMessage": sent}}}},
    ]  # fmt: skip

    found = read_all(folder(tmp_path, {"log.json": "\n".join(map(json.dumps, lines))}))

    rows = found.rows["message"]
    assert [(row["thread"], row["sender"], row["recipients"], row["body"]) for row in rows] == [
        ("g=", "+1", None, "hey"), ("+1", "+2", ["+1"], "out"),
    ]  # fmt: skip
    assert not any("+" in row["item"] for row in rows)
    assert found.passed_over == {"service message": 1}


def test_signal_export_of_a_chat(tmp_path):
    line = {"date": "2023-01-02T03:04:05.123000", "sender": "Me", "body": "hi  ", "quote": "", "sticker": "",
            "reactions": [], "attachments": [{"name": "a.png", "path": "media/a.png"}]}  # fmt: skip
    lines = [line, line | {"sender": "Bob", "attachments": []}, line | {"call": True}, line | {"date": "x"}]

    found = read_all(folder(tmp_path, {"Bob/data.json": "\n".join(map(json.dumps, lines))}))

    rows = found.rows["message"]
    assert [(row["thread"], row["sender"], row["body"], row["time_flag"]) for row in rows] == [
        ("Bob", "Me", "hi", "no_zone"), ("Bob", "Bob", "hi", "no_zone"),
    ]  # fmt: skip
    assert rows[0]["attachments"] == ["image/png; ?; a.png"]
    assert found.passed_over == {"service message": 1}
    assert sum(found.quarantined.values()) == 1


@pytest.mark.parametrize(
    "content",
    [
        '{"messages": [{"role": "user", "content": "hi"}]}',
        '{"participants": [], "messages": [{"sender_name": "x", "timestamp_ms": 1}]}',
        '{"name": "x", "type": "library", "id": 3, "messages": [{"id": 1}]}',
        '{"about": "a text", "chats": 3}',
        '{"account": "x", "amount": 3}',
        '{"date": "2023-01-02T03:04:05", "body": "x"}',
    ],
)
def test_other_json_is_no_chat(tmp_path, content):
    found = read_all(folder(tmp_path, {"x.json": content}))

    assert not {claim.reader for claim in found.survey.claims} & {"google_chat", "telegram", "signal"}


def test_parts_of_a_telegram_account_know_their_chats():
    export = account(
        *(telegram_chat(number, *map(telegram_message, range(1, 40))) for number in range(1, 20))
    )
    reader, sink = reader_named("telegram"), Sink(MemberReport("m"), "me", Options(part_bytes=10_000))

    parts = list(reader.split(io.BytesIO(export.encode()), sink))
    rows = [row for number, part in enumerate(parts) for row in _parsed(reader, part, number)]

    assert len(parts) > 5
    assert len({row["item"] for row in rows}) == 19 * 39
    assert len({row["sequence"] for row in rows}) == 19 * 39


def _parsed(reader: Any, part: bytes, number: int) -> list[dict[str, Any]]:
    sink = Sink(MemberReport("m"), "me")
    sink.part = number
    return [row for batch in reader.parse(part, sink) for row in batch.rows.to_pylist()]
