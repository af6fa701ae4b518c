"""WhatsApp's text export of a chat: ``_chat.txt`` (iOS) and ``WhatsApp Chat with X.txt`` (Android).

The export has local times without a zone, and day and month in the order of the phone's language: which one,
the dates of the whole file must tell, or its messages are set aside. An item is made of the chat, the sender and
the text, so that a newer export of the same chat adds its new messages alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from forge_core.archives import Archive, Member
from forge_core.sources.base import (
    Batch,
    Context,
    Format,
    Head,
    MemberReader,
    MemberReport,
    Sink,
    cut,
    guarded,
)
from forge_core.sources.chats import UNNAMED, attachment, digest, lines
from forge_core.sources.options import Options
from forge_core.sources.whatsapp_lines import LANGUAGES, MARKS, SENDER, Layout, Start, moment, order_of, start

# what stands around the other's name in a file name, in the languages of the app that are known
_NAMES = re.compile(
    r"(?:WhatsApp Chat (?:with|mit|-)|Chat de WhatsApp con|Chat WhatsApp con|Conversa do WhatsApp com|"
    r"Discussion WhatsApp avec|WhatsApp-chat met|Czat WhatsApp z) (?P<name>.+)|(?P<turkish>.+) ile WhatsApp Sohbeti"
)
_COPY = re.compile(r" ?\(\d{1,3}\)\Z")
_NAMED = re.compile(r"whatsapp|_chat\b", re.I)
LRM = "\u200e"  # before what the app writes itself
_ATTACHED = re.compile(r"\u200e?<[^<>:\n]{2,40}: ?(?P<name>[^<>\n]{1,255}\.\w{1,5})>")  # iOS
_FILE = re.compile(  # Android
    r"(?:\u200e(?P<name>[^\n]{1,255}\.\w{1,5})|(?P<media>[A-Z]{3}-\d{8}-WA\d{4,}\.\w{1,5})) \([^()\n]{3,60}\)(?:\n|\Z)"
)
_LEFT_OUT = re.compile(r"\u200e?<(?=[^<>\n]*[ \u0080-\uffff])[^<>\n]{3,60}>(?:\n|\Z)")
_OMITTED = re.compile(  # iOS: "image omitted"; the words of ten languages
    r"(?P<name>[^\n]*?)(?: ?•[^\n]*)?\u200e[^\n]{0,40}(?:omitted|weggelassen|omitid[ao]|absente?|omess[ao]|weggelaten|"
    r"ocultad[ao]|omis[e]?|pominięt|dahil edilmedi|省略|含まれていません|忽略|تم استبعاد)[^\n]{0,20}\Z"
)
_EDITED = re.compile(r"\u200e<[^<>\n]{5,60}>|<This message was edited\.?>")
NOTICE = 400  # characters; what the app writes itself is no longer


class WhatsApp(MemberReader):
    name = "whatsapp"
    system = "whatsapp"
    formats = (
        Format(
            "WhatsApp chat",
            "text",
            ("message",),
            "_chat.txt of iOS, WhatsApp Chat with ….txt of Android",
            LANGUAGES,
        ),
    )

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        return [name for name, head in heads.items() if recognised(head.data, name)]

    def read(self, archive: Archive, members: Sequence[Member], context: Context) -> Iterator[Batch]:
        for member in members:
            report = context.report.member(member.name, self.name)
            sink = Sink(report, context.subject, context.options)
            yield from guarded(report, lambda m=member, s=sink: self.rows(archive, m, s))  # type: ignore[misc]

    def rows(self, archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
        chat = chat_name(member.name, archive.path.stem)
        with archive.open(member) as stream:
            # looked through for its dates alone: what it counts on the way counts below
            layout, order = _orders(lines(stream, Sink(MemberReport(member.name), "", sink.options)))
        with archive.open(member) as stream:
            for position, (begun, text) in enumerate(_messages(lines(stream, sink), layout, sink), 1):
                _row(begun, text, order, chat, position, sink)
                yield from sink.full()
        yield from sink.rest()


def recognised(head: bytes, name: str) -> bool:
    """Whether a file begins with a message, as no log writes it, and has a sender in its first lines."""
    *text, _ = head.decode("utf-8", "replace").lstrip("\ufeff\r\n").splitlines() or [""]
    text = text or head.decode("utf-8", "replace").splitlines()
    first = start(text[0]) if text else None
    if first is None:
        return False
    layout = first.layout
    usual = layout.seconds != (layout.end == "-") and len(first.date[0]) < 3
    if not usual and not _NAMED.search(name.rpartition("/")[2]):
        return False  # 2019-01-05 15:05:12 - INFO: …
    begun = (start(line) for line in text)
    return any(one and one.layout == layout and SENDER.match(one.rest) for one in begun)


def chat_name(member: str, archive: str) -> str | None:
    """Whose chat it is, by the name of the file, of its folder or of the archive; None where none tells."""
    path = PurePath(member)
    for name in (path.stem, path.parent.name, archive):
        if found := _NAMES.fullmatch(_COPY.sub("", name)):
            return str(found["name"] or found["turkish"])
        if "whatsapp" in name.lower():
            return _COPY.sub("", name)
    return None


def _orders(text: Iterator[bytes]) -> tuple[Layout | None, str | None]:
    """The layout of the first message, and the order of day and month in all that have it."""
    layout: Layout | None = None

    def dates() -> Iterator[tuple[str, str, str]]:
        nonlocal layout
        for line in text:
            if begun := start(line.decode("utf-8", "replace")):
                layout = layout or begun.layout
                if begun.layout == layout:
                    yield begun.date

    known = dates()
    first = next(known, None)
    if first is None or layout is None:
        return None, None

    def again() -> Iterator[tuple[str, str, str]]:
        yield first
        yield from known

    return layout, order_of(again(), layout)


def _messages(text: Iterator[bytes], layout: Layout | None, sink: Sink) -> Iterator[tuple[Start, str]]:
    """Each message with its lines joined, as far as ``text_chars`` goes."""
    begun: Start | None = None
    waiting: list[str] = []
    size = 0
    for raw in text:
        line = raw.decode("utf-8", "replace")
        found = start(line)
        if found and found.layout == layout:
            if begun:
                yield begun, "\n".join(waiting)
            begun, waiting, size = found, [found.rest], len(found.rest)
        elif begun is None:
            if line.strip():
                sink.quarantine("unknown date")
        elif size <= sink.options.text_chars:
            waiting.append(line)
            size += len(line) + 1
    if begun:
        yield begun, "\n".join(waiting)


def _row(begun: Start, text: str, order: str | None, chat: str | None, position: int, sink: Sink) -> None:
    written = SENDER.match(text)
    if not written:
        sink.pass_over("system line")
        return
    at = moment(begun, order) if order else None
    if at is None:
        sink.quarantine("unknown date")
        return
    sender, body = written["name"].strip(), text[written.end() :].rstrip()
    body, files = split_files(_unmarked(body))
    if body.startswith(LRM) and not files and "\n" not in body and "://" not in body:
        sink.pass_over("system line")  # a missed call, a deleted message, a notice
        return
    body = (body if body.isascii() else MARKS.sub("", body)).strip()
    if not body and not files:
        sink.pass_over("empty message")
        return
    # what stands for an attachment differs with the language and with the kind of export: it tells nothing
    item = digest(chat, sender, body, "file" if files else "")
    sink.add(
        "message", "whatsapp", f"whatsapp:{item}", at, position,
        thread=chat, sender=MARKS.sub("", sender), body=cut(body, sink) or None, attachments=files or None,
    )  # fmt: skip


def _unmarked(body: str) -> str:
    """Without the mark of an edited message at its end."""
    begin = max(body.rfind("<", len(body) - 70), 0)
    begin -= body[begin - 1 : begin] == LRM
    return body[:begin].rstrip() if body.endswith(">") and _EDITED.fullmatch(body, begin) and begin else body


def split_files(body: str) -> tuple[str, list[str]]:
    """The text a person wrote, and the attachments the app names in it."""
    if "<" not in body and LRM not in body and "-WA" not in body:
        return body, []
    if found := _FILE.match(body):
        return body[found.end() :], [attachment(MARKS.sub("", found["name"] or found["media"]))]
    if found := _LEFT_OUT.match(body):
        if named := _ATTACHED.match(body):
            return body[named.end() :].strip(), [attachment(named["name"].strip())]
        return body[found.end() :], [attachment(UNNAMED)]
    if names := [found["name"].strip() for found in _ATTACHED.finditer(body)]:
        return _ATTACHED.sub("", body).strip(), [attachment(name) for name in names]
    if len(body) < NOTICE and (found := _OMITTED.fullmatch(body)):
        return "", [attachment(MARKS.sub("", found["name"]).strip() or UNNAMED)]
    return body, []


READER = WhatsApp()
