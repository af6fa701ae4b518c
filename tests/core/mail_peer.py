"""The same fields of a mail as Python's own ``email`` reads them: the peer that tests and benchmarks compare with."""

from __future__ import annotations

import mailbox
import re
from collections.abc import Iterator
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path
from typing import Any

from forge_core.sources.text import html_text


def read_mbox(path: Path) -> Iterator[dict[str, Any]]:
    for message in mailbox.mbox(path):
        yield fields(message)


def fields(message: Message) -> dict[str, Any]:
    """The fields; those that ``email`` has no text for, only bytes of an unknown charset, are left out."""
    own = re.search(r"<([^<>]*)>", _raw(message["message-id"]))
    found = [address.lower() for _, address in getaddresses([_raw(message["from"])]) if address]
    told = [_raw(value) for name in ("to", "cc", "bcc") for value in message.get_all(name, [])[:1]]
    read = {
        "item": "mail:" + own[1] if own else None,
        "time": _date(_raw(message["date"])),
        "sender": found[0] if found else None,
        "recipients": list(dict.fromkeys(a.lower() for _, a in getaddresses(told) if a)),
        "title": _title(message["subject"]),
        "body": _body(message),
    }
    return {name: value for name, value in read.items() if "\ufffd" not in str(value)}


def _raw(value: Any) -> str:
    return " ".join(str(value or "").split())


def _title(value: Any) -> str | None:
    try:
        return None if value is None else " ".join(str(make_header(decode_header(value))).split())
    except UnicodeDecodeError:
        return "\ufffd"


def _date(value: str) -> Any:
    try:
        return parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None


def _body(message: Message) -> str | None:
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    for part in message.walk():
        kind = part.get_content_type()
        if kind in texts and part.get_content_disposition() != "attachment" and not part.is_multipart():
            data = re.sub(rb"(?m)^>(?=>*From )", b"", part.get_payload(decode=True))  # type: ignore[arg-type]
            try:
                texts[kind].append(data.decode(part.get_content_charset() or "ascii"))
            except (LookupError, UnicodeDecodeError):
                texts[kind].append("\ufffd")
    plain = "\n".join(texts["text/plain"]).replace("\r\n", "\n").strip()
    if plain or not texts["text/html"]:
        return plain or None
    return "\n".join(map(html_text, texts["text/html"])).strip() or None
