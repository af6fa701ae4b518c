"""Mail as files of one message each: eml, Maildir, and folders or archives of such files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from forge_core.archives import Archive, Member
from forge_core.sources.base import Batch, Format, MemberReader, Sink
from forge_core.sources.encoding import chunks
from forge_core.sources.mail_box import one
from forge_core.sources.mail_message import message

_HEADER = re.compile(rb"([!-9;-~]{1,76})[ \t]*:(?:[ \t\r\n]|\Z|(?=\S))")
# a mail has some of these, and one that says whose it is
_WHOSE = {b"from", b"received", b"return-path", b"message-id", b"delivered-to"}
_USUAL = _WHOSE | {
    b"to", b"cc", b"subject", b"date", b"mime-version", b"reply-to", b"sender", b"content-type", b"references",
    b"in-reply-to", b"x-original-to", b"envelope-to", b"delivery-date", b"dkim-signature", b"x-mailer",
    b"authentication-results", b"received-spf", b"x-received", b"arc-seal",
}  # fmt: skip
_USUAL_MIN = 3
# a page that a browser saved as MHTML
_SAVED_PAGE = re.compile(rb"(?mi)^(?:From: <Saved by |Snapshot-Content-Location:)")
_FOLDER = re.compile(r"(?:\A|.*?)([^/]*)/(?:cur|new)/[^/]*\Z", re.S)
_FLAGS = re.compile(r"[:;!]2,([A-Za-z]*)\Z")  # ; and ! where a file system has no colons
_FLAG_NAMES = {"D": "Draft", "F": "Flagged", "P": "Passed", "R": "Replied", "S": "Seen", "T": "Trashed"}
_ROOTS = {"", "maildir", ".maildir", "mail", ".mail"}


class Mail(MemberReader):
    name = "mail"
    system = "mail"
    formats = (
        Format("message", "eml", ("message",), "one message per file, of any name"),
        Format(
            "Maildir", "eml", ("message",), "cur and new, with folders (.Sent) and flags (:2,RS) as labels"
        ),
    )

    def recognise(self, head: bytes) -> bool:
        return is_message(head)

    def rows(self, archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
        with archive.open(member) as stream:
            part = one(chunks(stream), sink.options)
        message(part, sink, "mail", place(member.name))
        yield from sink.rest()


def is_message(head: bytes) -> bool:
    """Whether a text begins with the headers of a mail: the first line is one, and three usual ones are there."""
    found = set()
    head = head.lstrip(b"\r\n")
    for number, line in enumerate(head.split(b"\n")):
        if line[:1] in (b" ", b"\t") and number:
            continue
        header = _HEADER.match(line)
        if not header:
            break
        found.add(header[1].lower())
    usual = found & _USUAL
    return len(usual) >= _USUAL_MIN and bool(usual & _WHOSE) and not _SAVED_PAGE.search(head)


def place(name: str) -> list[str]:
    """Labels by the place in a Maildir: the folder and the flags of the file's name."""
    folder = _FOLDER.match(name)
    if not folder:
        return []
    if folder[1].lower() in _ROOTS:
        box = "Inbox"
    else:
        box = folder[1][1:].replace(".", "/") if folder[1].startswith(".") else folder[1]
    flags = _FLAGS.search(name)
    return [box, *(_FLAG_NAMES[flag] for flag in (flags[1] if flags else "") if flag in _FLAG_NAMES)]


READER = Mail()
