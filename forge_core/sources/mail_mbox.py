"""Mail in an mbox of any size: Gmail's of a Takeout, and what other programs write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.encoding import chunks
from forge_core.sources.mail_box import FROM_LINE, boxes
from forge_core.sources.mail_message import mailbox

_GMAIL = re.compile(rb"\n(?:X-GM-THRID|X-Gmail-Labels):", re.I)
_BLANK = re.compile(rb"\n\r?\n")
# the patches of git look like an mbox and are nobody's mail: all have this date
_PATCH = re.compile(rb"From [0-9a-f]{40,64} Mon Sep 17 00:00:00 2001\r?\n")


def is_gmail(head: bytes) -> bool:
    """Whether the first message has the headers that Gmail adds."""
    blank = _BLANK.search(head)
    return bool(_GMAIL.search(head, 0, blank.start() + 1 if blank else len(head)))


class Mbox(SplitReader):
    """Any mbox but Gmail's."""

    name = "mbox"
    system = "mail"
    source = "mail"
    formats: tuple[Format, ...] = (
        Format(
            "mailbox",
            "mbox",
            ("message",),
            "an mbox of Thunderbird, Apple Mail, mutt, Dovecot, mailing lists",
        ),
    )

    def recognise(self, head: bytes) -> bool:
        head = head.lstrip(b"\r\n")
        return (
            bool(FROM_LINE.match(head))
            and not _PATCH.match(head)
            and is_gmail(head) == (self.source == "gmail")
        )

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return boxes(chunks(stream), sink.options)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        mailbox(part, sink, self.source)
        yield from sink.rest()


READER = Mbox()
