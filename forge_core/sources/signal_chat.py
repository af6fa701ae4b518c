"""Signal's messages as JSON lines, in the three layouts that are public.

- Signal's own plaintext export (``main.jsonl``): frames of its backup, ``recipient`` and ``chat`` before the
  ``chatItem`` that name them. Line ends inside a text stand in it as they are, which is no valid JSON.
- signal-export (``<chat>/data.json``): one message per line, with a local time.
- signal-cli ``receive`` with JSON output, also as JSON-RPC notifications.

An item is made of sender and time of sending where there are ids, else of chat, sender and text: no telephone
number stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from forge_core.sources.base import Batch, Format, Sink, SplitReader, cut
from forge_core.sources.chats import attachment, digest
from forge_core.sources.encoding import chunks
from forge_core.sources.json_stream import one
from forge_core.sources.signal_frames import Envelope, Exported, Frame, Lookup, Person, Sent
from forge_core.times import UNKNOWN, Moment, parse_epoch, parse_iso

_FRAMES = re.compile(
    rb'\s*\{"(?:version"\s*:\s*"?\d+"?\s*,\s*"(?:backupTimeMs|mediaRootBackupKey)"|account"\s*:\s*\{|recipient"\s*:\s*\{\s*"id"|'
    rb'chat"\s*:\s*\{\s*"id"|chatItem"\s*:\s*\{\s*"chatId")'
)
_CLI = re.compile(
    rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*"method"\s*:\s*"receive"\s*,\s*"params"\s*:\s*\{\s*)?'
    rb'(?:"account"\s*:\s*"[^"\n]{1,64}"\s*,\s*)?"envelope"\s*:\s*\{\s*"source'
)
_EXPORTED = re.compile(
    rb'\s*\{"date"\s*:\s*"\d{4}-\d\d-\d\dT[^"\n]{5,30}"\s*,\s*"sender"\s*:\s*(?:"(?:[^"\\\n]|\\.){0,300}"|null)\s*,\s*"body"'
)
_RECORD = re.compile(rb'\n(?=\{\s*")')  # a quotation mark that follows a brace in a text is escaped
_MESSAGE = re.compile(rb'\{"chatItem"')
RECORD_MAX = 1 << 20


class Signal(SplitReader):
    name = "signal"
    system = "signal"
    formats = (
        Format("Signal export", "JSON lines", ("message",), "main.jsonl of the app's own plaintext export"),
        Format("signal-export", "JSON lines", ("message",), "data.json of a chat"),
        Format("signal-cli", "JSON lines", ("message",), "what signal-cli received, with JSON output"),
    )

    def recognise(self, head: bytes) -> bool:
        return any(pattern.match(head) for pattern in (_FRAMES, _CLI, _EXPORTED))

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        """Parts that begin with the names met so far, as one line of JSON."""
        names, chat = Lookup(), digest(sink.report.member.rpartition("/")[0].rpartition("/")[2])
        names.folder = chat
        waiting: list[bytes] = []
        size = 0
        for record in _records(stream, sink):
            if _MESSAGE.match(record) or not names.learn(record):
                waiting.append(record)
                size += len(record) + 1
            if size >= sink.options.part_bytes:
                yield b"\n".join([msgspec.json.encode(names), *waiting])
                waiting, size = [], 0
        if waiting:
            yield b"\n".join([msgspec.json.encode(names), *waiting])

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        header, _, records = part.partition(b"\n")
        names = msgspec.json.decode(header, type=Lookup)
        for number, record in enumerate(_RECORD.split(records), 1):
            position = sink.position(number)
            if record.startswith(b'{"date"'):
                _exported(record, names.folder, position, sink)
            elif _CLI.match(record):
                _received(record, position, sink)
            else:
                _frame(record, names, position, sink)
            yield from sink.full()
        yield from sink.rest()


def _records(stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
    """Records, each of one line or, where a text has line ends in it, of several."""
    rest, skipping = b"", False
    for piece in chunks(stream):
        *whole, rest = _RECORD.split(rest + piece)
        for record in whole:
            if skipping or len(record) > RECORD_MAX:
                skipping = False
                sink.quarantine("too long")
            elif record.strip():
                yield record.strip()
        if len(rest) > RECORD_MAX:
            rest, skipping = rest[-2:], True
    if skipping:
        sink.quarantine("too long")
    elif rest.strip():
        yield rest.strip()


def _frame(record: bytes, names: Lookup, position: int, sink: Sink) -> None:
    frame, reason = one(record.replace(b"\r", b"").replace(b"\n", rb"\n"), Frame)
    if frame is None:
        sink.quarantine(reason)
        return
    item = frame.chatItem
    if item is None or item.standardMessage is None:
        sink.pass_over("no message" if item is None else "service message")
        return
    at = None if item.dateSent is None else parse_epoch(item.dateSent)
    if at is None:
        sink.quarantine("unknown date")
        return
    sent = item.standardMessage
    author = names.people.get(str(item.authorId), Person())
    files = [
        attachment(one.pointer.fileName, one.pointer.contentType) for one in sent.attachments if one.pointer
    ]
    chat = names.people.get(names.chats.get(str(item.chatId), ""), Person())
    _add(
        _sent_by(author.id, item.dateSent), at, position, sink, chat.name or chat.number, author.name or author.number,
        sent.text.body if sent.text else None, files,
    )  # fmt: skip


def _exported(record: bytes, folder: str, position: int, sink: Sink) -> None:
    message, reason = one(record, Exported)
    if message is None:
        sink.quarantine(reason)
    elif message.call or message.deleted:
        sink.pass_over("service message" if message.call else "deleted message")
    elif (at := parse_iso(message.date)) is None:
        sink.quarantine("unknown date")
    else:
        body = message.body.rstrip()  # two blanks end each text
        files = [attachment(one.name) for one in message.attachments]
        chat = sink.report.member.rpartition("/")[0].rpartition("/")[2] or None
        item = f"signal:{digest(folder, message.sender, body, *(one.name for one in message.attachments))}"
        _add(item, at, position, sink, chat, message.sender, body, files)


def _received(record: bytes, position: int, sink: Sink) -> None:
    found, reason = one(record, Envelope)
    if found is None:
        sink.quarantine(reason)
        return
    envelope = (found.params or found).envelope
    if envelope is None:
        sink.quarantine("no item")
        return
    sent: Sent | None = envelope.dataMessage
    to = found.account or (found.params.account if found.params else None)
    if envelope.syncMessage is not None:
        sent = envelope.syncMessage.sentMessage
        to = sent and (sent.destinationNumber or sent.destinationUuid or sent.destination)
    if sent is None or (sent.message is None and not sent.attachments):
        sink.pass_over("service message")  # typing, a receipt, a call, a reaction
        return
    stamp = sent.timestamp or envelope.timestamp
    at: Moment | None = UNKNOWN if stamp is None else parse_epoch(stamp)
    sender = envelope.sourceNumber or envelope.sourceUuid or envelope.source
    if at is None:
        sink.quarantine("unknown date")
        return
    group = sent.groupInfo
    thread = (group.groupName or group.groupId) if group else (to if envelope.syncMessage else sender)
    files = [attachment(one.filename, one.contentType, one.size) for one in sent.attachments or ()]
    item = _sent_by(envelope.sourceUuid or sender, stamp)
    _add(item, at, position, sink, thread, sender, sent.message, files, [to] if to and not group else None)


def _sent_by(author: str | None, stamp: int | str | None) -> str:
    """Signal's own identity of a message: who sent it and when, to the millisecond."""
    return f"signal:{digest(author, str(stamp))}"


def _add(
    item: str, at: Moment, position: int, sink: Sink, thread: str | None, sender: str | None, body: str | None,
    files: list[str], recipients: list[str] | None = None,
) -> None:  # fmt: skip
    if not body and not files:
        sink.pass_over("empty message")
        return
    sink.add(
        "message", "signal", item, at, position,
        thread=thread, sender=sender, recipients=recipients, body=cut(body, sink) or None, attachments=files or None,
    )  # fmt: skip


READER = Signal()
