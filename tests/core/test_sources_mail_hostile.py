"""An mbox in parts, and mails that are made to break a reader: F-P3, long ones, any bytes."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.sources import MemberReport, Options
from forge_core.sources.base import Sink
from forge_core.sources.mail_box import boxes, one, unframed
from forge_core.sources.mail_mbox import READER
from forge_core.sources.mail_message import message
from tests.core.readers import folder, read_all

FROM = "From sender@example.org Thu Jun 11 00:38:38 2020\n"


def mail(number: int, body: str = "The text.", *headers: str) -> str:
    date = f"Date: Thu, 11 Jun 2020 01:{number // 60 % 60:02d}:{number % 60:02d} +0000\n"
    head = f"Message-ID: <{number}@example.org>\n{date}From: a@b.org\nSubject: s{number}\n"
    return FROM + head + "".join(f"{header}\n" for header in headers) + f"\n{body}\n\n"


def rows(box: str | bytes, options: Options = Options()) -> tuple[list[dict[str, Any]], dict[str, int]]:  # noqa: B008
    """All messages of an mbox, through parts as a long file has them; and what was quarantined."""
    report = MemberReport("box")
    sink = Sink(report, "me", options)
    found = []
    stream = io.BytesIO(box.encode() if isinstance(box, str) else box)
    for number, part in enumerate(READER.split(stream, sink)):
        sink.part = number
        for batch in READER.parse(part, sink):
            batch.rows.validate(full=True)
            found += batch.rows.to_pylist()
    return found, dict(report.quarantined)


def neighbours(middle: str, options: Options = Options()) -> tuple[dict[str, Any], dict[str, int]]:  # noqa: B008
    """The row of a mail between two others, which must come through whatever it is."""
    found, quarantined = rows(mail(1) + middle + mail(3), options)
    sound = [row for row in found if row["item"] in ("mail:1@example.org", "mail:3@example.org")]
    assert [row["body"] for row in sound] == ["The text."] * 2
    others = [row for row in found if row not in sound]
    assert len(others) + sum(quarantined.values()) == 1, "a phantom message, or a lost one"
    return (others[0] if others else {}), quarantined


@pytest.mark.parametrize(
    "line",
    [
        "From here on it gets better.",
        "From: me@example.org",
        "From me@example.org Thu Jun 11 00:38:38 2020\nno header follows",
        "From me Thursday evening\nNote: a line like a header",
        "text before\nFrom me@example.org Thu Jun 11 00:38:38 2020\nX-No: empty line before",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_F_P3_an_unescaped_from_line_is_no_message(line: str, end: str) -> None:
    found, quarantined = rows((mail(1) + mail(2, f"Before\n\n{line}\n\nafter") + mail(3)).replace("\n", end))
    assert [row["item"] for row in found] == [f"mail:{number}@example.org" for number in (1, 2, 3)]
    assert found[1]["body"] == f"Before\n\n{line}\n\nafter"
    assert not quarantined


def test_F_P3_escaped_from_lines_lose_one_mark() -> None:
    row, _ = neighbours(mail(2, "a\n\n>From me\n>>From you\n> From us\n>Fro"))
    assert row["body"] == "a\n\nFrom me\n>From you\n> From us\n>Fro"


@pytest.mark.parametrize(
    "line",
    [
        "From 1669160939957813740@xxx Thu Jun 11 00:38:38 +0000 2020",
        "From - Thu Jun 11 00:38:38 2020",
        "From user at example.org  Thu Jun  1 00:38:38 2020",
        "From a@b.org Thu Jun 11 00:38 EST 2020",
        "From a@b.org Thu, 11 Jun 2020 00:38:38 +0000",
    ],
)
def test_from_lines_of_many_programs(line: str) -> None:
    found, _ = rows((mail(1) + mail(2)).replace(FROM, line + "\n"))
    assert len(found) == 2
    assert READER.recognise((line + "\nSubject: x\n").encode())


def nested(depth: int, text: str) -> str:
    heads = "".join(
        f"--b{level}\n" * (level > 0) + f'Content-Type: multipart/mixed; boundary="b{level + 1}"\n\n'
        for level in range(depth)
    )
    head, _, body = heads.partition("\n\n")
    return mail(2, f"{body}--b{depth}\n\n{text}\n--b{depth}--", head)


def test_F_P3_a_multipart_of_three_thousand_levels_is_read() -> None:
    began = time.monotonic()
    row, _ = neighbours(nested(3000, "Deep down"))
    assert row["body"] == "Deep down"
    assert time.monotonic() - began < 5


def test_F_P3_mails_in_mails_end_somewhere() -> None:
    row, _ = neighbours(mail(2, "Content-Type: message/rfc822\n\n" * 5000, "Content-Type: message/rfc822"))
    assert row["attachments"][0].startswith("message/rfc822; ")


def test_F_P3_a_message_id_in_square_brackets_is_kept() -> None:
    assert neighbours(mail(2).replace("<2@example.org>", "<[x@y]>"))[0]["item"] == "mail:[x@y]"


@pytest.mark.parametrize(
    "name", ["x-nobody", "punycode", "idna", "hex", "../../etc", "utf-8\0", "undefined", '"']
)
@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable", "x-unknown"])
def test_F_P3_an_unknown_charset_is_read_as_what_it_looks_like(name: str, encoding: str) -> None:
    body = {"base64": "R3LDvMOfZQ==", "quoted-printable": "Gr=C3=BC=C3=9Fe"}.get(encoding, "Grüße")
    kind = f"Content-Type: text/plain; charset={name}"
    row, _ = neighbours(mail(2, body, kind, f"Content-Transfer-Encoding: {encoding}"))
    assert row["body"] == "Grüße"


def test_F_P3_the_year_99999_is_flagged() -> None:
    row, _ = neighbours(mail(2).replace("Jun 2020 01", "Jun 99999 01"))
    assert row["time"] is None
    assert row["time_flag"] == "implausible"


@pytest.mark.parametrize(
    "header",
    [
        "Subject: a\rMessage-ID: <evil@example.org>\rFrom: evil@example.org",
        "Subject: =?utf-8?q?a=0D=0A=0D=0AFrom_evil@x_Thu_Jun_11_00:38:38_2020=0D=0AX:_y?=",
        "Subject: a\0b\x0b\x0c\x1c\x85c",
        "Subject: " + "=?utf-8?q?" * 20_000,
        "References: " + "<" * 200_000,
        'To: "' + "(" * 100_000 + "@" * 1000,
        "Content-Type: text/plain" + "; " * 100_000,
        'Content-Type: multipart/mixed; boundary=""',
        "X-Gmail-Labels: " + '"' * 50_001,
        " continued",
        "no header at all",
    ],
)
def test_F_P3_headers_make_no_other_header_and_no_message(header: str) -> None:
    began = time.monotonic()
    row, _ = neighbours(mail(2).replace("Subject: s2", header))
    assert row["item"] == "mail:2@example.org"
    assert row["sender"] == "a@b.org"
    assert "\n" not in (row["title"] or "")
    assert "\0" not in (row["title"] or "")
    assert time.monotonic() - began < 5


def test_F_P3_too_many_parts_are_quarantined() -> None:
    bomb = mail(2, "--x\n\n\n" * 20_000, "Content-Type: multipart/mixed; boundary=x")
    assert neighbours(bomb) == ({}, {"too many parts": 1})


def test_a_mail_of_nothing_known_is_quarantined() -> None:
    assert neighbours(FROM + "X-Nothing: here\n\ntext\n\n") == ({}, {"malformed": 1})


class Endless(io.RawIOBase):
    """A stream of pieces that are made when they are asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces

    def read(self, size: int = -1) -> bytes:
        return next(self.pieces, b"")


def long_mail(line: bytes, count: int) -> Iterator[bytes]:
    """A mail with a text, an attachment of ``count`` MiB, a small one after it; and a mail behind."""
    head = mail(2, "--x\n\nThe text.\n--x", "Content-Type: multipart/mixed; boundary=x").rstrip("\n")
    yield (mail(1) + head).encode() + b"\nContent-Type: video/mp4; name=long.mp4\n"
    yield b"Content-Transfer-Encoding: base64\n\n"
    block = line * (2**20 // len(line))
    for _ in range(count):
        yield block
    yield b"\n--x\nContent-Type: image/png; name=small.png\nContent-Transfer-Encoding: base64\n\nAAAA\n--x--\n\n"
    yield mail(3).encode()


@pytest.mark.parametrize("megabytes", [40, 1024])
def test_F_P3_a_long_attachment_is_measured_and_not_held(megabytes: int) -> None:
    began = time.monotonic()
    options, line = Options(message_bytes=2**20, part_bytes=2**20), b"QUJD" * 15 + b"\nQUJ\n"  # 65 bytes
    report = MemberReport("box")
    sink = Sink(report, "me", options)
    found, longest = [], 0
    for part in READER.split(Endless(long_mail(line, megabytes)), sink):  # type: ignore[arg-type]
        longest = max(longest, len(part))
        for batch in READER.parse(part, sink):
            found += batch.rows.to_pylist()
    assert [row["item"] for row in found] == [f"mail:{number}@example.org" for number in (1, 2, 3)]
    assert found[1]["body"] == "The text."
    digits = 63 * (2**20 // len(line)) * megabytes
    assert found[1]["attachments"] == [f"video/mp4; {digits * 3 // 4}; long.mp4", "image/png; 3; small.png"]
    assert longest < 8 * 2**20
    assert not report.quarantined
    assert time.monotonic() - began < 30


def test_a_long_line_without_end_is_not_held() -> None:
    options = Options(message_bytes=2**20, part_bytes=2**20)
    pieces = iter([mail(1).encode(), mail(2).encode()[:-2], *[b"-" * 2**20] * 50, b"\n\n" + mail(3).encode()])
    parts = list(boxes(pieces, options))
    assert sum(map(len, parts)) < 8 * 2**20
    began, omitted = unframed(parts[1])
    assert began
    assert sum(size for _, size, _ in omitted) > 48 * 2**20


def test_a_long_text_is_cut_and_counted(tmp_path: Path) -> None:
    options = Options(text_chars=1000)
    found = read_all(folder(tmp_path, {"box": mail(1, "a" * 5000)}), options=options)
    assert len(found.rows["message"][0]["body"]) == 1000
    assert found.passed_over == {"text cut": 1}


def test_a_long_single_message_keeps_its_headers_and_first_text() -> None:
    pieces = [mail(1, "begin").encode(), *[b"word " * 1000 + b"\n"] * 3000]
    part = one(iter(pieces), Options(message_bytes=10_000))
    assert len(part) < 100_000
    sink = Sink(MemberReport("a.eml"), "me")
    message(part, sink, "mail")
    assert sink.table("message", "mail").values[0][0] == "mail:1@example.org"


@given(st.lists(st.integers(0, 900), min_size=1, max_size=30), st.integers(1, 3000), st.booleans())
def test_messages_do_not_depend_on_where_parts_are_cut(sizes: list[int], part: int, windows: bool) -> None:
    box = "".join(mail(number, "x\n\n" * size) for number, size in enumerate(sizes))
    box = box.replace("\n", "\r\n") if windows else box
    pieces = iter([box.encode()[at : at + 700] for at in range(0, len(box), 700)])
    cut = list(boxes(pieces, Options(part_bytes=part)))
    assert b"".join(piece[unframed(piece)[0] :] for piece in cut) == box.encode()
    found = []
    for piece in cut:
        for batch in READER.parse(piece, Sink(MemberReport("box"), "me")):
            found += batch.rows.to_pylist()
    assert [row["title"] for row in found] == [f"s{number}" for number in range(len(sizes))]
    assert [(row["body"] or "").count("x") for row in found] == sizes


PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([
        FROM.encode(), b"\n", b"\n\n", b"\r\n", b"--x\n", b"--x--\n", b"--",
        b"Content-Type: multipart/mixed; boundary=x\n",
        b"Content-Type: text/html; charset=utf-7\n", b"Content-Type: message/rfc822\n", b"From: a@b\n", b"Date: ",
        b"Thu, 11 Jun 2020 01:00:00 +0000\n", b"Subject: =?utf-16?b?2AA=?=\n", b"=", b"\0",
        b"Content-Transfer-Encoding: base64\n", b">From ",
        b"Content-Disposition: attachment; filename*0*=utf-8''%41%; filename*1=x\n", b"To: <\"(;:,>\n",
        b"Message-ID: <",
        b"X-Gmail-Labels: \"a, =?utf-8?q?=22?=\n", b"Content-Transfer-Encoding: quoted-printable\n",
    ]),
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map(b"".join), st.sampled_from([b"", FROM.encode() + b"From: a@b\n"]))
def test_any_bytes_are_messages_or_set_aside(data: bytes, before: bytes) -> None:
    found, quarantined = rows(before + data, Options(part_bytes=100, message_bytes=200, text_chars=50))
    assert len(found) + sum(quarantined.values()) <= (before + data).count(b"From ") + 1
    for row in found:
        json.dumps(row, default=str).encode()
    sink = Sink(MemberReport("a.eml"), "me")
    message(one(iter([before + data]), Options()), sink, "mail")
    assert sum(batch.rows.num_rows for batch in sink.rest()) + sum(sink.report.quarantined.values()) == 1
