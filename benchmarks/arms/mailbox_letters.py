"""An mbox by Python's mailbox, with the fields that our reader has, as short as the standard library allows."""

from __future__ import annotations

import mailbox
import re
import sys
from collections.abc import Iterator
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from benchmarks.arms import measure

QUOTED = re.compile(r"(?m)^>(?=>*From )")


def letters() -> Iterator[tuple[Any, ...]]:
    for message in mailbox.mbox(sys.argv[1], create=False):
        senders = addresses(message, "from")
        told = addresses(message, "to") + addresses(message, "cc") + addresses(message, "bcc")
        body, attached = content(message)
        yield (
            "mail:" + message["message-id"].strip(" <>"),
            round(parsedate_to_datetime(message["date"]).timestamp() * 1000),
            message["x-gm-thrid"],
            senders[0] if senders else None,
            list(dict.fromkeys(told)),
            title(message["subject"]),
            body,
            [one.strip() for one in message["x-gmail-labels"].split(",")],
            attached,
        )


def addresses(message: Message, name: str) -> list[str]:
    value = message[name]
    return [address.lower() for _, address in getaddresses([value])] if value else []


def title(value: str) -> str:
    text = str(make_header(decode_header(value))) if "=?" in value else value
    return " ".join(text.split())


def content(message: Message) -> tuple[str | None, list[str]]:
    """The plain text, and what is attached. All generated mails have plain text."""
    texts, attached = [], []
    for part in message.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        if part.get_content_disposition() == "attachment" or kind not in ("text/plain", "text/html"):
            size = len(part.get_payload(decode=True))
            attached.append(f"{kind}; {size}; {part.get_filename()}")
        elif kind == "text/plain":
            data: Any = part.get_payload(decode=True)
            texts.append(data.decode(part.get_content_charset() or "ascii"))
    text = "\n".join(texts).replace("\r\n", "\n").strip()
    return (QUOTED.sub("", text) if ">From " in text else text) or None, attached


measure.count(letters())
