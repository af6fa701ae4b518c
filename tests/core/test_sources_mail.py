"""Mail of real exports, field by field beside Python's own email package, and what single fields mean."""

from __future__ import annotations

import email
import mailbox
import tarfile
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from forge_core.sources import mail_headers as headers
from forge_core.sources.mail_dates import moment
from forge_core.sources.mail_files import is_message, place
from tests.core.mail_peer import fields, read_mbox
from tests.core.readers import data, folder, read_all

GMAIL = "Takeout/Mail/All mail Including Spam and Trash.mbox"
HEAD = (
    "Message-ID: <one@example.org>\nDate: Thu, 11 Jun 2020 02:38:38 +0200\n"
    'From: "Doe, Jane" <Jane@Example.org>\nTo: b@example.org\nSubject: Hello\n'
)


def differences(ours: dict[str, Any], peer: dict[str, Any]) -> set[str]:
    found = set()
    for name, value in peer.items():
        mine = ours[name]
        if name == "time" and value is not None:
            # a zone no place has (-1900), a year that cannot be: flagged here, believed there; no zone is UTC
            if ours["time_flag"] in ("unknown_zone", "implausible"):
                continue
            value = value if value.tzinfo else value.replace(tzinfo=UTC)
        if mine != value:
            found.add(name)
    return found


def test_gmails_mbox_is_read_as_python_reads_it() -> None:
    root = data("takeout-gmail-mbox-derived")
    found = read_all(root)
    rows, peers = found.rows["message"], list(read_mbox(root / GMAIL))
    assert len(rows) == len(peers) == 593
    assert not found.quarantined
    assert found.survey.source == "takeout"
    # two spams have broken lists of recipients, of which each makes what it can
    assert [differences(*pair) for pair in zip(rows, peers, strict=True) if differences(*pair)] == [
        {"recipients"}
    ] * 2


def test_labels_and_threads_are_gmails() -> None:
    root = data("takeout-gmail-mbox-derived")
    rows, box = read_all(root).rows["message"], list(mailbox.mbox(root / GMAIL))
    assert sum("Spam" in row["labels"] for row in rows) == 133
    assert [row["thread"] for row in rows] == [message["X-GM-THRID"] for message in box]
    assert [",".join(row["labels"]) for row in rows] == [message["X-Gmail-Labels"] for message in box]
    assert {row["source"] for row in rows} == {"gmail"}


# Message-IDs without brackets; addresses that hold encoded words, colons or raw Chinese; base64 with rubbish in it,
# which email leaves as it is; a border that is never met; blank lines of a delivery report
ODD = {
    "spam-1": {"recipients": 11, "sender": 4, "item": 2, "body": 2},
    "easy-ham-1": {"body": 1},
}


@pytest.mark.parametrize(("name", "count"), [("spam-1", 500), ("easy-ham-1", 2500)])
def test_single_messages_are_read_as_python_reads_them(name: str, count: int) -> None:
    path = data("text-email-spamassassin") / f"{name}.tar.gz"
    found = read_all(path)
    rows = {row["member"]: row for row in found.rows["message"]}
    assert len(found.rows["message"]) == len(rows) == count
    assert not found.quarantined
    assert not found.survey.skipped
    assert found.survey.source == "mail"
    odd: dict[str, int] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile():
                raw = tar.extractfile(member).read()  # type: ignore[union-attr]
                for field in differences(rows[member.name], fields(email.message_from_bytes(raw))):
                    odd[field] = odd.get(field, 0) + 1
    assert odd == ODD[name]


def test_malformed_mails_of_the_mail_parser_are_all_read() -> None:
    root = data("text-email-eml-mailparser")
    rows = {row["member"]: row for row in read_all(root).rows["message"]}
    assert set(rows) == {path.name for path in root.iterdir() if path.name.startswith("mail_")}
    assert len(rows) == 15
    assert all(row["body"] and row["sender"] and row["title"] for row in rows.values())
    assert rows["mail_test_18"]["sender"] == "comma.name@example.com"
    assert rows["mail_test_19"]["sender"] == "bob@example.com"


def test_an_mbox_and_its_messages_as_files_have_the_same_identities(tmp_path: Path) -> None:
    bare = "From: a@example.org\nDate: Fri, 12 Jun 2020 10:00:00 +0000\nSubject: no id\n\nText\n"
    box = f"From a@b Thu Jun 11 00:38:38 2020\n{HEAD}\nBody\n\nFrom a@b Thu Jun 11 00:38:38 2020\n{bare}\n"
    one = read_all(folder(tmp_path / "1", {"all.mbox": box.replace("\n", "\r\n")}))
    two = read_all(folder(tmp_path / "2", {"a.eml": HEAD + "\nBody\n", "sub/b": bare}))
    assert len(one.ids()) == 2
    assert one.ids() == two.ids()


def test_attachments_are_named_and_measured_and_never_kept(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Message-ID"] = "a@b.org", "c@d.org", "<one@b.org>"
    mail.set_content("The text")
    mail.add_alternative("<p>The page</p>", subtype="html")
    mail.add_attachment(content, maintype="application", subtype="pdf", filename="Übersicht 2020; neu.pdf")
    mail.add_attachment("a text\n", filename="notes.txt")
    row = read_all(folder(tmp_path, {"a.eml": mail.as_bytes()})).rows["message"][0]
    assert row["body"] == "The text"
    assert row["attachments"] == [
        "application/pdf; 2560; Übersicht 2020; neu.pdf",
        "text/plain; 7; notes.txt",
    ]


def test_a_page_is_read_where_there_is_no_plain_text(tmp_path: Path) -> None:
    page = "Content-Type: text/html; charset=iso-8859-1\n\n<style>p {}</style><p>Gr\xfc\xdfe</p>".encode(
        "latin-1"
    )
    row = read_all(folder(tmp_path, {"a.eml": HEAD.encode() + page})).rows["message"][0]
    assert row["body"] == "Grüße"


def test_places_in_a_maildir_are_labels() -> None:
    assert place("Maildir/cur/1.M1.host:2,RS") == ["Inbox", "Replied", "Seen"]
    assert place("Maildir/.Sent.2020/new/1.M1.host") == ["Sent/2020"]
    assert place("backup/Arbeit/cur/1;2,F") == ["Arbeit", "Flagged"]
    assert place("mails/a.eml") == []


@pytest.mark.parametrize(
    "text",
    [
        "From: <Saved by Blink>\nSnapshot-Content-Location: https://a\nSubject: x\nDate: y\nMIME-Version: 1.0\n\n",
        "From here on: text\n\nMore",
        "Date: today\nSubject: a memo\n\nText",
        "HTTP/1.1 200 OK\nDate: x\nContent-Type: y\n",
        "<p>From: a@b</p>",
        "",
    ],
)
def test_what_only_looks_like_mail_is_not_taken(text: str) -> None:
    assert not is_message(text.encode())


def test_patches_of_git_are_nobodys_mail(tmp_path: Path) -> None:
    patch = f"From {'a' * 40} Mon Sep 17 00:00:00 2001\n{HEAD}\n---\n"
    found = read_all(folder(tmp_path, {"0001.patch": patch}))
    assert "message" not in found.rows


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@B.org", ["a@b.org"]),
        ('"Doe, Jane" <Jane@B.org>, x@y.org (home)', ["jane@b.org", "x@y.org"]),
        ("=?utf-8?Q?Doe=2C_J?= <a@b.org>,\r\n\tc@d.org", ["a@b.org", "c@d.org"]),
        ("alice@example.com <bob@example.com>", ["bob@example.com"]),
        ("undisclosed-recipients:;", []),
        ("Friends: a@b.org, c@d.org;", ["a@b.org", "c@d.org"]),
        ('"john doe"@b.org', ['"john doe"@b.org']),
        ("root (Cron Daemon)", ["root"]),
        ("<>", []),
        ("", []),
    ],
)
def test_addresses(value: str, expected: list[str]) -> None:
    assert list(headers.addresses(value.encode())) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Inbox,Opened", ["Inbox", "Opened"]),
        ('"Bills, paid",Inbox', ["Bills, paid", "Inbox"]),
        ("=?UTF-8?Q?Posteingang,=22M=C3=BCnchen,_Arbeit=22?=", ["Posteingang", "München, Arbeit"]),
        ("Inbox,\r\n Category updates", ["Inbox", "Category updates"]),
        ('"a ""b"""', ['a "b"']),
        (",,", []),
    ],
)
def test_gmail_labels(value: str, expected: list[str]) -> None:
    assert headers.labels(value.encode()) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=?utf-8?b?R3LDvA==?= =?utf-8?q?=C3=9Fe?=", "Grüße"),
        ("=?utf-8?q?a=C3?= =?utf-8?q?=BC?=", "aü"),  # a character cut in two
        ("=?x-unknown?q?caf=C3=A9?=", "café"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("a =?broken", "a =?broken"),
        ("folded\r\n\tline", "folded line"),
        ("=?utf-8?q?a=0D=0ABcc:_evil@example.org?=", "a Bcc: evil@example.org"),
        ("=?utf-7?q?+2AA-x?=", "\ufffdx"),
        ("=?punycode?q?" + "a" * 3000 + "?=", "a" * 3000),
    ],
)
def test_words(value: str, expected: str) -> None:
    assert headers.line(value.encode()) == expected


JUNE = datetime(2020, 6, 11, 0, 38, 38, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected", "flag"),
    [
        ("Thu, 11 Jun 2020 02:38:38 +0200", JUNE, None),
        ("11 Jun 20 02:38:38 +0200 (CEST)", JUNE, None),
        ("Thu Jun 11 00:38:38 2020", JUNE, "no_zone"),
        ("Thu Jun 11 00:38:38 +0000 2020", JUNE, None),
        ("Wed, 10 Jun 2020 20:38:38 EDT", JUNE, None),
        ("Thu, 11 Jun 2020 00:38:38", JUNE, "no_zone"),
        ("Thu, 11 Jun 2020 00:38:38 XYZ", JUNE, "unknown_zone"),
        ("Thu, 11 Jun 2020 00:38:38 -1900", JUNE, "unknown_zone"),
        ("Thu, 11 Jun 2020 00:38:39.5 GMT", JUNE.replace(second=39), None),
        ("Sat, 31 Dec 2016 23:59:60 +0000", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC), "leap_second"),
        ("Thu, 11 Jun 99999 00:38:38 +0000", None, "implausible"),
        ("Thu, 11 Jun 2120 00:38:38 +0000", None, "implausible"),
        ("Thu, 31 Jun 2020 00:38:38 +0000", None, "unknown"),
        ("Thu, 11 Juin 2020 25:38:38 +0000", None, "unknown"),
        ("11 Jun 2020 10:38:38 PM", None, "unknown"),
        ("yesterday", None, "unknown"),
        ("", None, "unknown"),
    ],
)
def test_dates(value: str, expected: datetime | None, flag: str | None) -> None:
    found = moment(value.encode())
    assert found.flag == flag
    assert found.micros == (None if expected is None else expected.timestamp() * 1_000_000)


def test_a_mail_without_date_or_id_keeps_its_place_and_gets_a_name_that_lasts(tmp_path: Path) -> None:
    box = "From a@b Thu Jun 11 00:38:38 2020\nFrom: a@b.org\nTo: c@d.org\nSubject: x\n\nText\n"
    rows = read_all(folder(tmp_path, {"m": box})).rows["message"]
    assert rows[0]["time"] is None
    assert rows[0]["time_flag"] == "unknown"
    assert rows[0]["item"] == "mail:hash-" + rows[0]["item"][10:]
    assert len(rows[0]["item"]) == 42
    assert rows[0]["thread"] == rows[0]["item"][5:]


def test_a_thread_is_named_by_the_mail_that_began_it(tmp_path: Path) -> None:
    texts: dict[str, bytes | str] = {
        "a.eml": HEAD + "References: <root@a> <next@a>\nIn-Reply-To: <next@a>\n\nx",
        "b.eml": HEAD + "In-Reply-To: <root@a>\n\nx",
        "c.eml": HEAD + "\nx",
    }
    rows = {row["member"]: row["thread"] for row in read_all(folder(tmp_path, texts)).rows["message"]}
    assert rows == {"a.eml": "root@a", "b.eml": "root@a", "c.eml": "one@example.org"}
