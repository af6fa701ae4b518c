"""Documents: what is one, what is in it, and that a hostile one costs itself alone."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.archives.memory import MemoryArchive
from forge_core.sources import reader_named
from forge_core.sources.base import Context, ReadReport
from forge_core.sources.documents import when
from forge_core.sources.documents_kind import kind_of
from forge_core.sources.options import Options
from tests.core.documents import PNG, docx, encrypted_pdf, odt, packed, pdf, words
from tests.core.readers import data, folder, history, read_all, record

MODIFIED = datetime(2019, 1, 25, 14, 5, 12, tzinfo=UTC)
PROSE = "A line of prose, and more of it.\nAnother line: with words in it.\n"
ENTITIES = '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
PAGE = """<!DOCTYPE html><html><head><title>Tea &amp; cake</title><meta name="author" content="Ann">
<meta property="article:modified_time" content="2019-01-25T14:05:12Z"><style>p { color: red }</style></head>
<body><h1>Tea</h1><p>hot<script>alert(1)</script></p><iframe src="https://example.org"></iframe></body></html>"""


def one(tmp_path: Path, name: str, content: bytes | str, options: Options = Options()):  # noqa: B008
    """The report of one document, and its row if there is one."""
    started = time.monotonic()
    found = read_all(folder(tmp_path, {name: content}), options=options)
    assert time.monotonic() - started < 8  # the limit of 5 s and the start of a child
    rows = found.rows.get("document", [])
    assert len(rows) <= 1
    return found.report.members[name], rows[0] if rows else None


@pytest.mark.parametrize(
    ("name", "content", "body", "media", "flag"),
    [
        ("a.pdf", pdf("One page", "Two pages"), "One page\n\nTwo pages", "pdf", None),
        ("a.docx", docx(words("One", "Two")), "One\nTwo", "wordprocessingml.document", None),
        ("a.odt", odt("<text:h>One</text:h><text:p>T<text:span>w</text:span>o</text:p>"), "One\nTwo",
         "opendocument.text", "no_zone"),
    ],
)  # fmt: skip
def test_text_title_author_and_time_of_a_document(tmp_path, name, content, body, media, flag):
    _, row = one(tmp_path, f"Drive/Letters/{name}", content)

    assert row["body"] == body
    assert (row["title"], row["author"], row["labels"]) == ("A title", "Ann", ["Drive/Letters"])
    assert row["time"].replace(microsecond=0) == MODIFIED
    assert row["time_flag"] == flag
    assert row["media_type"].endswith(media)
    assert row["item"] == f"document:{hashlib.sha256(content).hexdigest()[:16]}"


def test_tabs_breaks_and_blanks_are_kept_and_what_was_deleted_is_not(tmp_path):
    word = (
        "<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r>"
        "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom></w:p>"
    )
    text = (
        '<text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:p>a<text:tab/>b'
        '<text:s text:c="2"/>c<text:s text:c="99999999999"/>d<text:s text:c="x"/></text:p>'
    )  # fmt: skip

    assert one(tmp_path / "a", "a.docx", docx(word))[1]["body"] == "a\tb\nc"
    assert one(tmp_path / "b", "a.odt", odt(text))[1]["body"] == "a\tb  c" + " " * 1000 + "d"


def test_F_P5_a_web_page_is_its_words_alone(tmp_path):
    _, row = one(tmp_path, "page.html", PAGE)

    assert (row["title"], row["author"], row["time"]) == ("Tea & cake", "Ann", MODIFIED)
    assert row["body"].split() == ["Tea", "hot"]


def test_F_P5_five_million_tags_take_no_time(tmp_path):
    report, row = one(tmp_path, "page.html", "<!doctype html><body>words" + "<b>" * 5_000_000)

    assert report.status == "imported"
    assert row["body"] == "words"


@pytest.mark.parametrize(
    ("name", "content", "title", "media"),
    [
        ("note.md", "# Plans #\n\nSome prose.", "Plans", "text/markdown"),
        ("note.md", "---\ntags: x\n---\n\n# Plans\n", "Plans", "text/markdown"),
        ("note.txt", PROSE, "note", "text/plain"),
        ("note.txt", PROSE.encode("utf-16"), "note", "text/plain"),
        ("note.rst", "Title\n=====\n\nSome prose.", "note", "text/x-rst"),
        ("note.txt", ("Grüße aus dem Süden, schöne Tage.\n" * 4).encode("cp1252"), "note", "text/plain"),
    ],
)
def test_plain_texts_have_no_time(tmp_path, name, content, title, media):
    _, row = one(tmp_path, name, content)

    assert (row["title"], row["media_type"]) == (title, media)
    assert (row["time"], row["time_flag"]) == (None, "unknown")
    assert "\ufffd" not in row["body"]


def test_the_same_content_is_the_same_document_anywhere(tmp_path):
    first = read_all(folder(tmp_path / "a", {"x/report.pdf": pdf("One")}))
    second = read_all(folder(tmp_path / "b", {"renamed.txt": pdf("One")}))

    assert first.ids() == second.ids()


@pytest.mark.parametrize(
    "content",
    [
        "user\titem\n1\t2\n3\t4\n",
        "a,b,c\n1,2,3\n4,5,6\n",
        "1::2::3\n4::5::6\n7::8::9\n",
        "0\n1\n1\n0\n",
        '{"a": 1}',
        '[{"a": 1}]',
        "<?xml version='1.0'?><kml/>",
        "From ann@example.org Thu Jan  1 00:00:00 1970\nSubject: x\n\nhi",
        "Return-Path: <a@b>\nFrom: a@b\nTo: c@d\nSubject: hello\n\nwords",
        "BEGIN:VCALENDAR\nEND:VCALENDAR\n",
        "2019-01-25T14:05:12 started\n2019-01-25T14:05:13 went on\n2019-01-25T14:05:14 ended\n",
        "Jan 25 14:05:12 host sshd[1]: x\nJan 25 14:05:13 host sshd[1]: y\nJan 25 14:05:14 host sshd[1]: z\n",
        "#!/bin/sh\necho words\n",
        b"words \0 and nothing",
        b"\x1f\x8b\x08\0",
        "   \n",
        "",
    ],
)
def test_data_logs_mail_and_markup_are_no_prose(content):
    head = content.encode() if isinstance(content, str) else content

    assert kind_of(head, "x.txt") is None


@pytest.mark.parametrize("name", ["x.py", "x.css", "x.ini", "x", "x.json"])
def test_prose_needs_a_name_that_says_so(name):
    assert kind_of(PROSE.encode(), name) is None


def test_activity_pages_overviews_and_readers_of_their_own_come_first(tmp_path):
    overview = '<!DOCTYPE html><html><body><div class="extracted-folder-name">x</div></body></html>'
    empty = '<html><head><style>.mdl-typography--title {}</style></head><body class="mdl-grid"></body></html>'
    members = {
        "archive_browser.html": overview,
        "h.html": empty,
        "h.json": history(record(1)),
        "n.txt": PROSE,
    }

    found = read_all(folder(tmp_path, members))

    assert [row["member"] for row in found.rows["document"]] == ["n.txt"]
    assert found.report.members["archive_browser.html"].status == "skipped"
    assert found.report.members["h.html"].status in ("skipped", "imported")
    assert found.survey.source == "takeout"


def test_texts_beside_a_public_set_are_no_documents(tmp_path):
    members = {"README.md": PROSE, "NOTICE.md": "# Notice\n\nWhere it is from."}

    alone = read_all(folder(tmp_path / "a", members))
    beside = read_all(
        folder(tmp_path / "b", members | {
            "x.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3\t881250949\n",
            "x.item": "item_id:token\tmovie_title:token_seq\n2\tx\n",
        })
    )  # fmt: skip

    assert len(alone.rows["document"]) == 2
    assert alone.survey.source == "documents"
    assert "document" not in beside.rows
    assert beside.survey.population.startswith("benchmark:")


def test_a_public_set_with_its_notices_is_one_population():
    found = read_all(data("rec-ml-100k"))

    assert found.survey.population.startswith("benchmark:")
    assert "document" not in found.rows


def test_the_expected_pages_of_the_keep_fixtures_are_documents():
    root = data("takeout-keep-obsidian")
    pages = [path for path in root.rglob("*.md") if path.stat().st_size]

    found = read_all(root)

    rows = [row for row in found.rows["document"] if row["source"] == "documents"]
    assert len(rows) == len(pages)
    assert {row["item"] for row in rows} == {
        f"document:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}" for path in pages
    }


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.pdf", encrypted_pdf(), "encrypted"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "encrypted"),
        ("a.odt", odt("", **{"META-INF/manifest.xml": "<manifest:encryption-data/>"}), "encrypted"),
        ("a.pdf", b"%PDF-1.4\nno more", "malformed"),
        ("a.docx", docx(words("x"))[:-40], "malformed"),
        ("a.docx", packed({"[Content_Types].xml": "<Types/>"}), "malformed"),
        ("a.docx", docx("<w:p><w:t>not closed"), "malformed"),
        ("a.docx", docx(words("&f;"), ENTITIES), "declares entities"),
        ("a.odt", odt("<text:p>&b;</text:p>", ENTITIES), "declares entities"),
    ],
)
def test_F_P5_a_document_that_cannot_be_read_is_set_aside(tmp_path, name, content, reason):
    report, row = one(tmp_path, name, content)

    assert row is None
    assert (report.status, report.reason) == ("quarantined", reason)
    assert report.quarantined == {reason: 1}


@pytest.mark.parametrize("name", ["photo.pdf", "photo.docx", "photo.txt", "photo.html"])
@pytest.mark.parametrize(
    "head",
    [
        PNG + (60_000).to_bytes(4, "big") * 2 + b"\x08\x06\0\0\0" + bytes(100),
        b"\xff\xd8\xff\xe1\xff\xffExif\0\0" + b"II*\0\x08\0\0\0" + b"\xff" * 600,
        b"GIF89a" + b"\xff\xff" * 50,
    ],
    ids=["60k x 60k", "EXIF", "GIF"],
)
def test_F_P8_an_image_under_the_name_of_a_document_is_set_aside_and_never_decoded(tmp_path, name, head):
    report, row = one(tmp_path, name, head)

    assert row is None
    assert (report.status, report.reason) == ("quarantined", "an image under the name of a document")


def test_F_P8_a_document_under_a_wrong_name_is_read_as_what_it_is(tmp_path):
    assert one(tmp_path / "a", "a.txt", pdf("One"))[1]["body"] == "One"
    assert one(tmp_path / "b", "a.pdf", docx(words("One")))[1]["body"] == "One"
    assert one(tmp_path / "c", "a.docx", PAGE)[1]["title"] == "Tea & cake"
    assert kind_of(PNG, "a.png") is None


def test_a_docx_bomb_is_set_aside(tmp_path):
    bomb = docx("<w:p>" + "<w:r/>" * 20_000_000 + "</w:p>")
    assert len(bomb) < 1_000_000

    report, row = one(tmp_path, "a.docx", bomb)

    assert row is None
    assert report.reason == "a decompression bomb"


def test_a_docx_larger_than_its_limit_is_set_aside(tmp_path):
    content = docx(
        "<w:p>" + "".join(f"<w:r><w:x w:a='{number * 7919 % 99991}'/></w:r>" for number in range(50_000))
    )

    assert one(tmp_path, "a.docx", content, Options(document_unpacked_bytes=100_000))[0].reason == "too large"


def test_a_pdf_that_tells_of_a_million_pages_gives_those_it_has(tmp_path):
    _, row = one(tmp_path, "a.pdf", pdf("One", count=1_000_000))

    assert row["body"] == "One"


def test_a_text_is_cut_at_the_limit(tmp_path):
    options = Options(text_chars=20)

    for number, (name, content) in enumerate(
        [
            ("a.txt", PROSE * 1000),
            ("a.docx", docx(words("One " * 100))),
            ("a.pdf", pdf("One " * 9, "Two " * 9)),
        ]
    ):
        report, row = one(tmp_path / str(number), name, content, options)
        assert len(row["body"]) <= 20
        assert report.passed_over == {"text cut": 1}


def test_a_document_beyond_the_limit_is_set_aside(tmp_path):
    assert one(tmp_path, "a.txt", PROSE * 1000, Options(document_bytes=1000))[0].reason == "too long"


def test_a_document_that_takes_too_long_costs_itself_alone(tmp_path, monkeypatch):
    """A child that never answers is ended, and the next document has a new one."""
    from forge_core.sources import documents

    documents._child.cache_clear()
    slow = documents.Child("time:sleep", 1.0)
    monkeypatch.setattr(documents, "_child", lambda seconds: slow)
    lost = one(tmp_path / "a", "a.pdf", pdf("One"))[0]
    monkeypatch.undo()

    assert lost.status == "quarantined"
    assert lost.reason in ("took too long", "broke the reader")
    assert one(tmp_path / "b", "a.pdf", pdf("One"))[1]["body"] == "One"


@pytest.mark.parametrize(
    ("text", "expected", "flag"),
    [
        ("2019-01-25T14:05:12Z", MODIFIED, None),
        ("D:20190125150512+01'00'", MODIFIED, None),
        ("D:20190125140512Z", MODIFIED, None),
        ("20190125140512", MODIFIED, "no_zone"),
        ("2019-01-25", datetime(2019, 1, 25, tzinfo=UTC), "no_zone"),
        ("D:20190125", datetime(2019, 1, 25, tzinfo=UTC), "no_zone"),
        ("D:2019", None, "unknown"),
        ("yesterday", None, "unknown"),
        ("", None, "unknown"),
        ("D:99991231235959Z", None, "implausible"),
        ("D:20191331000000Z", None, "unknown"),
    ],
)
def test_F_P9_times_of_documents_are_read_or_flagged(text, expected, flag):
    at = when(text)

    assert at.flag == flag
    assert (at.micros and datetime.fromtimestamp(at.micros / 1e6, UTC)) == expected


SEEDS = {
    "a.pdf": pdf("One", "Two"),
    "a.docx": docx(words("One", "Two")),
    "a.odt": odt("<text:p>One</text:p>"),
    "a.html": PAGE.encode(),
    "a.md": b"# One\n\nTwo",
}


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=80, deadline=8000)
@given(data=st.data())
def test_F_P8_a_damaged_document_is_one_row_or_a_reason(name, data):
    content = bytearray(SEEDS[name])
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=8))
    archive, report = MemoryArchive({name: bytes(content)}), ReadReport()

    batches = list(reader_named("documents").read(archive, archive.members, Context("me", report)))

    member = report.member(name)
    for batch in batches:
        batch.rows.validate(full=True)
    assert sum(batch.rows.num_rows for batch in batches) == member.rows["document"] <= 1
    assert member.rows["document"] or member.reason


def test_a_member_that_is_no_document_after_all_is_skipped():
    archive, report = MemoryArchive({"a.bin": b"\x00\x01" * 100}), ReadReport()

    assert not list(reader_named("documents").read(archive, archive.members, Context("me", report)))
    assert report.member("a.bin").status == "skipped"


@settings(max_examples=200, deadline=5000)
@given(st.binary(max_size=300), st.sampled_from(["a.txt", "a.md", "a.pdf", "a.docx", "a.odt", "a.html", "a"]))
def test_any_bytes_have_a_kind_or_none(content, name):
    kind_of(content, name)
