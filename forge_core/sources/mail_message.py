"""One mail out of its bytes as a row of ``message``."""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Any

from forge_core.sources.base import Sink, clean, cut
from forge_core.sources.mail_box import FROM_LINE, Omission, starts, unframed
from forge_core.sources.mail_dates import moment
from forge_core.sources.mail_headers import addresses, labels, line, message_id, split
from forge_core.sources.mail_mime import Leaf, TooManyParts, attachment, is_attachment, leaves, text, type_of
from forge_core.sources.text import HTML_MAX, html_text

ID_MAX = 512  # characters; a longer one is no id
_IDENTIFYING = 400  # characters of the body without blanks, where there is no id
_BYTES_PER_CHARACTER = 12  # of quoted-printable UTF-8, the most there is


def mailbox(part: bytes, sink: Sink, source: str) -> None:
    """Rows of a part of an mbox."""
    begin, omitted = unframed(part)
    values, end = sink.table("message", source).values, len(part)
    borders = [begin, *starts(part, begin, end), end]
    position = 0
    for start, stop in pairwise(borders):
        inside = [one for one in omitted if start < one[0] <= stop] if omitted else ()
        header = FROM_LINE.match(part, start, stop)
        if header is None:  # before the first message
            if part[start:stop].strip():
                sink.quarantine("malformed")
            continue
        position += 1
        found = row(part, header.end() - 1, stop, sink, sink.position(position), omitted=inside)
        if found is not None:
            values.append(found)


def message(part: bytes, sink: Sink, source: str, folder: Sequence[str] = ()) -> None:
    """The row of a part that is one mail; ``folder`` are labels that its place gives it."""
    begin, omitted = unframed(part)
    start = begin
    while part[start : start + 1] in (b"\n", b"\r"):
        start += 1
    if (header := FROM_LINE.match(part, start)) is not None:
        start = header.end()
    found = row(part, start - 1, len(part), sink, sink.position(0), folder, omitted)
    if found is not None:
        sink.table("message", source).values.append(found)


def row(
    data: bytes, start: int, end: int, sink: Sink, position: int,
    folder: Sequence[str] | None = None, omitted: Sequence[Omission] = (),
) -> tuple[Any, ...] | None:  # fmt: skip
    """The mail whose headers begin after the line end at ``start``; None where it is set aside.

    ``folder`` is None in an mbox, where lines that begin with ``From `` are quoted.
    """
    fields, body_start = split(data, start, end)
    get = fields.get
    raw_id, raw_from, raw_date, raw_subject = get(b"message-id"), get(b"from"), get(b"date"), get(b"subject")
    if raw_id is None and raw_from is None and raw_date is None and raw_subject is None:
        sink.quarantine("malformed")
        return None
    try:
        body, attached = _content(data, fields, body_start, end, sink, folder is None, omitted)
        at = moment(raw_date)
        senders = addresses(raw_from) if raw_from is not None else ()
        title = line(raw_subject, type_of(fields).charset) if raw_subject is not None else None
        recipients = [
            one
            for name in (b"to", b"cc", b"bcc")
            if (value := get(name)) is not None
            for one in addresses(value)
        ]
        own = message_id(raw_id) if raw_id is not None else ""
        if not own or len(own) > ID_MAX:
            own = _hashed(at.micros, raw_date, senders, title, body)
        tags = labels(value) if (value := get(b"x-gmail-labels")) is not None else []
    except TooManyParts:
        sink.quarantine("too many parts")
        return None
    except (binascii.Error, LookupError, ValueError):  # a codec that refuses in a way of its own
        sink.quarantine("malformed")
        return None
    if len(recipients) > 1:
        recipients = list(dict.fromkeys(recipients))
    return (
        "mail:" + own, *at, position, _thread(fields) or own, senders[0] if senders else None, recipients,
        cut(title, sink), cut(body, sink), [*tags, *folder] if folder else tags, attached,
    )  # fmt: skip


def _content(
    data: bytes, fields: dict[bytes, bytes], start: int, end: int,
    sink: Sink, unquote: bool, omitted: Sequence[Omission],
) -> tuple[str | None, list[str]]:  # fmt: skip
    """The text to read, and what is attached."""
    plain: list[Leaf] = []
    pages: list[Leaf] = []
    attached: list[str] = []
    whole = omitted[0][0] if omitted else end  # after that, text would have gaps
    for leaf in leaves(data, fields, start, end):
        if is_attachment(leaf):
            attached.append(attachment(data, leaf, omitted))
        elif leaf.start <= whole:
            leaf = leaf if leaf.end <= whole else leaf._replace(end=whole)
            (plain if leaf.type.media == b"text/plain" else pages).append(leaf)
    enough = sink.options.text_chars
    most = max(HTML_MAX, enough * _BYTES_PER_CHARACTER)
    body = _joined((text(data, leaf, most, unquote) for leaf in plain), enough)
    if not body and pages:
        body = _joined((html_text(text(data, leaf, most, unquote)) for leaf in pages), enough)
    return body or None, attached


def _joined(texts: Iterable[str], enough: int) -> str:
    """All of them, or as many as make more than ``enough`` characters."""
    found, size = [], 0
    for one in texts:
        found.append(one)
        size += len(one)
        if size > enough:
            break
    body = found[0] if len(found) == 1 else "\n".join(found)
    return (body.replace("\r\n", "\n") if "\r" in body else body).strip()


def _hashed(
    micros: int | None, date: bytes | None, senders: Sequence[str], title: str | None, body: str | None
) -> str:
    """A name for a mail without id: the same in an mbox and by itself, whatever its line ends."""
    when = str(micros) if micros is not None else line(date or b"")
    told = "\0".join((when, *senders, title or "", "".join((body or "").split())[:_IDENTIFYING]))
    return "hash-" + blake2b(clean(told).encode(), digest_size=16).hexdigest()


def _thread(fields: dict[bytes, bytes]) -> str | None:
    """Gmail's thread, else the mail that began it."""
    if value := fields.get(b"x-gm-thrid"):
        return line(value)[:ID_MAX]
    for name in (b"references", b"in-reply-to"):
        value = fields.get(name)
        if value is not None and (root := message_id(value)) and len(root) <= ID_MAX:
            return root
    return None
