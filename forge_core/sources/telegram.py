"""Telegram Desktop's machine-readable export: ``result.json`` of one chat or of the whole account.

A chat is ``{"name", "type", "id", "messages": [...]}``; an account holds many of them under ``chats`` and
``left_chats``. The file is cut where ``"messages": [`` stands, which cannot occur inside a string of valid JSON
(its quotation marks are escaped there), so an export of any size is read in bounded memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from forge_core.sources.base import Batch, Format, Sink, SplitReader, Table, cut
from forge_core.sources.chats import attachment
from forge_core.sources.encoding import chunks
from forge_core.sources.json_stream import Decoder, runs
from forge_core.times import UNKNOWN, Moment, parse_epoch, parse_iso

_STRING = rb'"(?:[^"\\]|\\.){0,2000}"'
_FIELD = rb'\s*"\w{1,40}"\s*:\s*(?:' + _STRING + rb"|-?\d{1,20}|true|false|null)\s*,"
_TYPE = (
    rb'"type"\s*:\s*"(?:personal_chat|bot_chat|saved_messages|replies|verification_codes|private_group|'
    rb'private_supergroup|public_supergroup|private_channel|public_channel)"'
)
_SECTIONS = (
    rb'"(?:personal_information|profile_pictures|profile_music|stories|contacts|frequent_contacts|sessions|'
    rb'web_sessions|other_data|chats|left_chats)"\s*:\s*[\[{]'
)
_ACCOUNT = re.compile(rb'\s*\{\s*(?:"about"\s*:\s*' + _STRING + rb"\s*,\s*)?" + _SECTIONS)
_OPENED = re.compile(rb'"messages"\s*:\s*\[')
_HEAD = re.compile(rb"\{((?:" + _FIELD + rb'){0,12})\s*"messages"\s*:\s*\[\Z')
HEAD_MAX = 8192  # bytes before ``"messages"`` in which a chat says what it is
ANCHOR = rb'"id"'


class Chat(msgspec.Struct):
    """The chat that a run of messages belongs to; ``bytes`` is how long the run is."""

    id: int | str | None = None
    name: str | None = None
    bytes: int = 0


class Entity(msgspec.Struct, gc=False):
    text: str = ""


class Message(msgspec.Struct, gc=False):
    """The fields that are read."""

    id: int | str | None = None
    type: str = "message"
    date: str | None = None
    date_unixtime: str | int | None = None
    sender: str | None = msgspec.field(default=None, name="from")
    from_id: str | int | None = None
    text: str | list[str | Entity] = ""
    photo: str | None = None
    photo_file_size: int | None = None
    file: str | None = None
    file_name: str | None = None
    file_size: int | None = None
    mime_type: str | None = None
    media_type: str | None = None


DECODE = Decoder(Message, ANCHOR)


class Telegram(SplitReader):
    name = "telegram"
    system = "telegram"
    formats = (
        Format("Telegram chat", "JSON", ("message",), "result.json of one chat"),
        Format("Telegram account", "JSON", ("message",), "result.json of a whole account"),
    )

    def recognise(self, head: bytes) -> bool:
        opened = _OPENED.search(head)
        if opened and (found := _HEAD.search(head[: opened.end()])):
            return bool(re.search(_TYPE, found[1]))
        return bool(_ACCOUNT.match(head))

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        waiting: list[bytes] = []
        size = 0
        for chat, run in _chats(stream, sink):
            framed = msgspec.json.encode(Chat(chat.id, chat.name, len(run))) + b"\n" + run
            if waiting and size + len(framed) > sink.options.part_bytes:
                yield b"".join(waiting)
                waiting, size = [], 0
            waiting.append(framed)
            size += len(framed)
        if waiting:
            yield b"".join(waiting)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        table, position, at = sink.table("message", "telegram"), 0, 0
        while at < len(part):
            end = part.index(b"\n", at)
            chat = msgspec.json.decode(part[at:end], type=Chat)
            at = end + 1 + chat.bytes
            for messages in DECODE(part[end + 1 : at], sink):
                for message in messages:
                    position += 1
                    _row(message, chat, sink.position(position), table, sink)
                yield from sink.full()
        yield from sink.rest()


class _Source:
    """The bytes of a file, chat by chat: ``messages`` gives those of one, up to the head of the next."""

    def __init__(self, stream: BinaryIO) -> None:
        self._pieces, self._buffer, self.head = chunks(stream), b"", b""

    def next(self) -> bool:
        """Go to the next list of messages; whether there is one. ``head`` is what stands before it."""
        for _ in self.messages():
            pass
        return bool(self.head)

    def messages(self) -> Iterator[bytes]:
        """The bytes up to the next ``"messages": [``, which becomes the ``head``."""
        self.head = b""
        while True:
            if found := _OPENED.search(self._buffer):
                self.head = self._buffer[max(found.end() - HEAD_MAX, 0) : found.end()]
                before, self._buffer = self._buffer[: found.start()], self._buffer[found.end() :]
                yield before
                return
            # the last bytes are kept: the next head may have begun in them
            ready, self._buffer = self._buffer[:-HEAD_MAX], self._buffer[-HEAD_MAX:]
            if ready:
                yield ready
            if not (piece := next(self._pieces, b"")):
                yield self._buffer
                self._buffer = b""
                return
            self._buffer += piece


def _chats(stream: BinaryIO, sink: Sink) -> Iterator[tuple[Chat, bytes]]:
    """Runs of whole messages with the chat they belong to."""
    source = _Source(stream)
    found = source.next()
    while found:
        chat = _chat(source.head)

        def messages() -> Iterator[bytes]:
            yield b'"messages":['
            yield from source.messages()

        rest = messages()
        for run in runs(rest, sink, b"messages", ANCHOR):
            if chat is not None:
                yield chat, run
        if chat is None:
            sink.quarantine("unknown chat")
        for _ in rest:  # what stands after the list
            pass
        found = bool(source.head)


def _chat(head: bytes) -> Chat | None:
    found = _HEAD.search(head)
    try:
        return msgspec.json.decode(b"{" + found[1].rstrip(b", \t\r\n") + b"}", type=Chat) if found else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _row(message: Message, chat: Chat, position: int, table: Table, sink: Sink) -> None:
    if message.type != "message":
        sink.pass_over("service message")  # somebody joined, a call, a new title
        return
    if message.id is None or chat.id is None:
        sink.quarantine("no item")
        return
    at = _when(message)
    if at is None:
        sink.quarantine("unknown date")
        return
    text = message.text
    if not isinstance(text, str):
        text = "".join(part if isinstance(part, str) else part.text for part in text)
    table.values.append((
        f"telegram:{chat.id}:{message.id}", *at, position, chat.name or f"telegram:{chat.id}",
        message.sender or (None if message.from_id is None else str(message.from_id)), None, None,
        cut(text, sink) or None, None, _files(message),
    ))  # fmt: skip


def _when(message: Message) -> Moment | None:
    """UTC where the export has it (since 2021), else the local time of the computer that made it, flagged."""
    if message.date_unixtime is not None:
        return parse_epoch(message.date_unixtime)
    return parse_iso(message.date) if message.date else UNKNOWN


def _files(message: Message) -> list[str] | None:
    """The attachment, by its name: not its path, which a later export numbers anew."""
    if message.file is not None or message.media_type:
        path = (
            message.file if message.file and not message.file.startswith("(") else None
        )  # "(File not included…"
        name = message.file_name or (path and path.rpartition("/")[2]) or message.media_type
        return [attachment(name, message.mime_type, message.file_size)]
    if message.photo is not None:
        return [attachment("photo", "image/jpeg", message.photo_file_size)]
    return None


READER = Telegram()
