"""WhatsApp's text exports: the layouts of its languages, day and month told by evidence, nothing invented."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.archives.memory import MemoryArchive
from forge_core.sources import reader_named
from forge_core.sources.base import Context, MemberReport, ReadReport
from forge_core.sources.options import Options
from forge_core.sources.whatsapp import chat_name, recognised, split_files
from forge_core.sources.whatsapp_lines import order_of, start
from tests.core.readers import folder, read_all

AFTERNOON = datetime(2019, 1, 25, 15, 5, tzinfo=UTC)
ANDROID = "WhatsApp Chat with Bob.txt"


def export(tmp_path, text: str, name: str = ANDROID):
    return read_all(folder(tmp_path, {name: text}))


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        ("[25.01.19, 15:05:12] ", 12),
        ("[25/01/2019, 15:05:12] ", 12),
        ("[25/1/19 15:05:12] ", 12),
        ("[1/25/19, 3:05:12\u202fPM] ", 12),
        ("\u200e[25/1/19, 3:05:12 p. m.] ", 12),
        ("[2019. 1. 25. 오후 3:05:12] ", 12),
        ("[2019/1/25 下午3:05:12] ", 12),
        ("[25-01-19 15:05:12] ", 12),
        ("25/01/2019, 15:05 - ", 0),
        ("25/01/2019 15:05 - ", 0),
        ("25.01.19, 15:05 - ", 0),
        ("25-01-2019 15:05 - ", 0),
        ("1/25/19, 3:05 PM - ", 0),
        ("1/25/19, 3:05\u202fPM - ", 0),
        ("25/1/19, 3:05 p. m. - ", 0),
        ("25.1.2019 klo 15.05 - ", 0),
        ("25/01/2019 à 15:05 - ", 0),
        ("2019-01-25 15:05 - ", 0),
        ("2019/01/25 15:05 - ", 0),
        ("2019/1/25 下午3:05 - ", 0),
        ("٢٥\u200f/١\u200f/٢٠١٩، ٣:٠٥ م - ", 0),
        ("25/1/19 15:05:12: ", 12),
    ],
)
def test_every_layout_of_a_date_is_the_same_local_time(tmp_path, head, seconds):
    found = export(tmp_path, f"{head}Ann: hello\n{head}Bob: hi\n")

    rows = found.rows["message"]
    assert [(row["sender"], row["body"]) for row in rows] == [("Ann", "hello"), ("Bob", "hi")]
    assert {(row["time"], row["time_flag"]) for row in rows} == {
        (AFTERNOON.replace(second=seconds), "no_zone")
    }
    assert found.quarantined == {}


def test_a_message_has_all_its_lines_and_a_quoted_message_in_it_is_no_other(tmp_path):
    text = (
        "25/01/2019, 15:05 - Ann: first\n\n[26/01/2019, 15:05:12] Bob: a quoted line\n  last\r\n"
        "25/01/2019, 15:06 - Bob: ok"
    )

    rows = export(tmp_path, text).rows["message"]

    assert [row["body"] for row in rows] == [
        "first\n\n[26/01/2019, 15:05:12] Bob: a quoted line\n  last", "ok",
    ]  # fmt: skip
    assert [row["sequence"] for row in rows] == [1, 2]
    assert {row["thread"] for row in rows} == {"Bob"}


def test_system_lines_are_passed_over(tmp_path):
    text = (
        "25/01/2019, 15:05 - Messages and calls are end-to-end encrypted.\n"
        '25/01/2019, 15:05 - Ann created group "Walkers: the second"\n'
        '25/01/2019, 15:05 - Ann changed the subject from "a: b" to "c"\n'
        "25/01/2019, 15:05 - Ann: hello\n"
        "25/01/2019, 15:05 - Ann: \u200eMissed voice call\n"
    )

    found = export(tmp_path, text)

    assert [row["body"] for row in found.rows["message"]] == ["hello"]
    assert found.passed_over == {"system line": 4}


@pytest.mark.parametrize(
    ("text", "files", "body"),
    [
        ("<Media omitted>", ["?; ?; unknown"], ""),
        ("<Medien ausgeschlossen>\na caption", ["?; ?; unknown"], "a caption"),
        ("<メディアは含まれていません>", ["?; ?; unknown"], ""),
        ("\u200e<attached: 00000012-PHOTO.jpg>", ["image/jpeg; ?; 00000012-PHOTO.jpg"], ""),
        ("\u200e<Anhang: 00000012-PHOTO.jpg>", ["image/jpeg; ?; 00000012-PHOTO.jpg"], ""),
        ("IMG-20190125-WA0001.jpg (file attached)\nlook", ["image/jpeg; ?; IMG-20190125-WA0001.jpg"], "look"),
        ("\u200eIMG-20190125-WA0001.jpg (Datei angehängt)", ["image/jpeg; ?; IMG-20190125-WA0001.jpg"], ""),
        ("\u200eimage omitted", ["?; ?; unknown"], ""),
        ("\u200eBild weggelassen", ["?; ?; unknown"], ""),
        ("plan.pdf • \u200e12 pages \u200edocument omitted", ["application/pdf; ?; plan.pdf"], ""),
        ("see notes.txt (the old ones)", [], "see notes.txt (the old ones)"),
        ("<3", [], "<3"),
        ("<grin>", [], "<grin>"),
        ("<b>bold</b>", [], "<b>bold</b>"),
    ],
)
def test_attachments_and_what_stands_for_them(text, files, body):
    assert split_files(text) == (body, files)


@pytest.mark.parametrize(
    ("dates", "order"),
    [
        (["25/01/19"], "dmy"),
        (["01/25/19"], "mdy"),
        (["05/04/19", "06/04/19", "01/05/19"], "dmy"),
        (["4/5/19", "4/6/19", "5/1/19"], "mdy"),
        (["19. 1. 25.", "19. 2. 5."], "ymd"),
        (["19. 1. 5."], None),
        (["05.04.19"], "dmy"),
        (["05-04-2019"], "dmy"),
        (["2019/04/05"], "ymd"),
        (["05/04/19"], None),
        (["05/04/19", "05/04/19", "06/04/19"], None),
        # a clock set back once among many days that tell
        (
            [f"{day:02d}/{month:02d}/19" for month in range(1, 12) for day in range(1, 28)] + ["01/02/19"],
            "dmy",
        ),
    ],
)
def test_day_and_month_are_told_by_the_whole_file_or_not_at_all(dates, order):
    begun = [start(f"{text}, 15:05 - Ann: x") for text in dates]

    assert order_of((one.date for one in begun), begun[0].layout) == order


def test_messages_whose_day_and_month_nothing_tells_are_set_aside(tmp_path):
    found = export(tmp_path, "05/04/19, 15:05 - Ann: hello\n06/04/19, 15:05 - Bob: hi\n")

    assert found.rows == {}
    assert found.quarantined == {"unknown date": 2}


def test_F_P9_impossible_and_implausible_times_are_quarantined_or_flagged(tmp_path):
    text = (
        "25/01/2019, 15:05 - Ann: good\n31/02/2019, 15:05 - Ann: no such day\n25/01/2019, 25:05 - Ann: no such hour\n"
        "25/01/2562, 15:05 - Ann: another era\n25/01/1960, 15:05 - Ann: before all\n"
    )

    month = "".join(f"{day}/01/2019, 15:05 - Bob: day {day}\n" for day in range(1, 25))

    found = export(tmp_path, month + text)

    rows = [row for row in found.rows["message"] if row["sender"] == "Ann"]
    assert [(row["body"], row["time"], row["time_flag"]) for row in rows] == [
        ("good", AFTERNOON, "no_zone"),
        ("another era", None, "implausible"),
        ("before all", None, "implausible"),
    ]
    assert found.quarantined == {"unknown date": 2}


def test_F_A6_a_newer_overlapping_export_adds_its_new_lines_alone(tmp_path):
    lines = [f"{day}/01/2019, 15:05 - {'Ann' if day % 2 else 'Bob'}: day {day}" for day in range(10, 31)]
    older = "\n".join([*lines[:15], "24/01/2019, 16:00 - Ann: <Media omitted>"])
    newer = "\n".join(
        [*lines[5:15], "24/01/2019, 16:00 - Ann: IMG-20190124-WA0001.jpg (file attached)", *lines[15:]]
    )

    first = export(tmp_path / "a", older)
    second = export(tmp_path / "b", newer, "WhatsApp Chat with Bob (1).txt")

    assert len(second.ids() - first.ids()) == len(lines) - 15
    assert len(first.ids() | second.ids()) == len(lines) + 1


def test_the_same_words_in_two_chats_are_two_messages(tmp_path):
    text = "25/01/2019, 15:05 - Ann: happy new year\n"

    found = read_all(
        folder(tmp_path, {"WhatsApp Chat with Bob.txt": text, "Chat de WhatsApp con Eve.txt": text})
    )

    assert len(found.ids()) == 2
    assert {row["thread"] for row in found.rows["message"]} == {"Bob", "Eve"}


@pytest.mark.parametrize(
    ("member", "archive", "name"),
    [
        ("WhatsApp Chat with Bob B.txt", "x", "Bob B"),
        ("a/WhatsApp Chat with Bob (2).txt", "x", "Bob"),
        ("Conversa do WhatsApp com Bob.txt", "x", "Bob"),
        ("Bob ile WhatsApp Sohbeti.txt", "x", "Bob"),
        ("_chat.txt", "WhatsApp Chat - Bob", "Bob"),
        ("WhatsApp Chat - Bob/_chat.txt", "x", "Bob"),
        ("_chat.txt", "export", None),
    ],
)
def test_a_chat_is_named_after_its_file_folder_or_archive(member, archive, name):
    assert chat_name(member, archive) == name


@pytest.mark.parametrize(
    "text",
    [
        "2019-01-25 15:05:12 - INFO: started\n2019-01-25 15:05:13 - INFO: done\n",
        "[2019-01-25 15:05:12] production.ERROR: broken\n",
        "25/01/2019 15:05:12 - ERROR: broken\n",
        "25/01/2019, 15:05 - no sender in it\n",
        "25/01/2019: went home\n",
        "Ann: hello\nBob: hi\n",
        "1.2.3, 4:05 of the list\n",
    ],
)
def test_logs_lists_and_prose_are_no_chat(text):
    assert not recognised(text.encode(), "notes.txt")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_F_P1_a_chat_in_another_encoding(tmp_path, encoding):
    found = read_all(folder(tmp_path, {ANDROID: "25/01/2019, 15:05 - Ann: größer\n".encode(encoding)}))

    assert [row["body"] for row in found.rows["message"]] == ["größer"]


def read_bytes(content: bytes, options: Options = Options()) -> MemberReport:  # noqa: B008
    report = ReadReport()
    archive = MemoryArchive({ANDROID: content})
    started = time.monotonic()
    for batch in reader_named("whatsapp").read(archive, archive.members, Context("me", report, options)):
        batch.rows.validate(full=True)
    assert time.monotonic() - started < 5
    return report.member(ANDROID)


HEAD = "25/01/2019, 15:05 - Ann: "


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "a" * 3_000_000,
        HEAD + "<" * 500_000,
        HEAD + "\u200e" * 500_000,
        HEAD + "•" * 500_000,
        HEAD + " " * 500_000 + ">",
        HEAD + "\n" * 1_000_000,
        (HEAD + "\n") * 50_000,
        "25/01/2019, 15:05 - " + "A" * 500_000,
        "[" * 500_000,
        "25/01/2019, " * 50_000,
        "\n".join(
            f"{day}/{month}/{year}, 1:05 - Ann: x"
            for year in range(99)
            for month in (1, 2, 3)
            for day in (5, 1)
        ),
    ],
    ids=str,
)
def test_F_P1_long_lines_and_odd_texts_take_no_time(text):
    read_bytes(text.encode(), Options(text_chars=10_000))


@settings(max_examples=200, deadline=5000)
@given(
    st.lists(
        st.sampled_from(
            [
                "25/01/2019, 15:05 - Ann: hi",
                "[25/01/2019, 15:05:12] Ann: hi",
                "\n",
                "<Media omitted>",
                ": ",
                " - ",
                "\0",
            ]
        )
        | st.text(max_size=20),
        max_size=20,
    )
)
def test_F_P1_any_text_is_messages_or_counted(pieces):
    text = "".join(pieces)

    assert read_bytes(text.encode("utf-8", "surrogatepass")).rows["message"] <= text.count("15:05")


@settings(max_examples=100, deadline=5000)
@given(st.binary(max_size=400))
def test_F_P1_any_bytes_are_no_phantom_message(content):
    assert not recognised(content, ANDROID) or start(
        content.decode("utf-8", "replace").lstrip().split("\n")[0]
    )
    read_bytes(content)
