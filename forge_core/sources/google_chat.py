"""Google Chat of a Takeout: ``Groups/*/messages.json`` with ``group_info.json`` beside it.

Dates are words in the language of the account (``Thursday, November 3, 2016 at 11:59:50 AM UTC``); those that
``forge_core.dates`` cannot read are set aside. A message is the same in every export by its ``message_id``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from forge_core.archives import Archive, Member, MemberError
from forge_core.dates import HtmlDates
from forge_core.locales import REGIONS
from forge_core.sources.base import Batch, Context, Format, Head, Sink, cut, guarded
from forge_core.sources.chats import attachment
from forge_core.sources.encoding import as_utf8
from forge_core.sources.json_parts import json_parts
from forge_core.sources.json_stream import ELEMENT_MAX, Decoder, one
from forge_core.sources.options import Options
from forge_core.times import UNKNOWN, Moment

_MESSAGES = re.compile(
    rb'\s*\{\s*"messages"\s*:\s*\[\s*\{\s*"(?:creator|created_date|message_id|topic_id)"\s*:'
)
_OWN = re.compile(rb'"(?:creator|created_date|message_id|topic_id)"\s*:')
_EMPTY = re.compile(rb'\s*\{\s*"messages"\s*:\s*\[\s*\]\s*\}\s*\Z')
_GROUP = re.compile(rb'\s*\{\s*(?:"name"\s*:\s*"(?:[^"\\]|\\.){0,1000}"\s*,\s*)?"members"\s*:\s*\[')
_USER = re.compile(rb'\s*\{\s*"user"\s*:\s*\{[^{}]{0,2000}\}\s*,\s*"membership_info"\s*:')
_USER_TYPE = b'"user_type"'
ANCHOR = rb'"(?:creator|created_date|topic_id|message_id)"'
_WEEKDAY = re.compile(r"\A[A-Z][a-z]+day, ")
# other languages: between a weekday and words like "um" or "à las" stand the day and the clock
_DATED = re.compile(
    r"\D{0,30}(?P<day>\d{1,2}\D[^:]{0,30}? \d{4})\b[^\d:]{0,30}(?P<clock>\d{1,2}:.{1,40})|"
    r"(?P<cjk>\d{4}年\d{1,2}月\d{1,2}日)(?:[月火水木金土日]曜日|星期[一二三四五六日]|\([月火水木金土日]\))?"
    r"(?P<rest> ?\D{0,4}\d{1,2}:.{1,40})"
)


class Person(msgspec.Struct, gc=False):
    name: str | None = None
    email: str | None = None


class File(msgspec.Struct, gc=False):
    original_name: str | None = None
    export_name: str | None = None


class Message(msgspec.Struct, gc=False):
    """The fields that are read."""

    creator: Person | None = None
    created_date: str | None = None
    text: str | None = None
    message_id: str | None = None
    message_state: str | None = None
    attached_files: list[File] | None = None


class Group(msgspec.Struct):
    """``group_info.json``: who was in the conversation when the export was made."""

    name: str | None = None
    members: list[Person] = []


DECODE = Decoder(Message, ANCHOR)


class GoogleChat:
    name = "google_chat"
    system = "takeout"
    formats = (
        Format(
            "Google Chat",
            "JSON",
            ("message",),
            "messages.json of a conversation, group_info.json beside it",
            tuple(REGIONS),
        ),
    )

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        infos = {name for name, head in heads.items() if is_group(head.data) or _USER.match(head.data)}
        folders = {_folder(name) for name in infos}
        chats = {
            name
            for name, head in heads.items()
            if (_MESSAGES.match(head.data) and len(set(_OWN.findall(head.data))) > 1)
            or (_EMPTY.match(head.data) and _folder(name) in folders)
        }
        return [name for name in heads if name in chats or name in infos]

    def population(self, members: Sequence[str]) -> str | None:
        return None

    def read(self, archive: Archive, members: Sequence[Member], context: Context) -> Iterator[Batch]:
        heads = {member.name: _head(archive, member) for member in members}
        groups: dict[str, Member] = {}
        for member in members:
            if is_group(heads[member.name]):
                groups[_folder(member.name)] = member
        for member in members:
            report = context.report.member(member.name, self.name)
            if is_group(heads[member.name]) or _USER.match(heads[member.name]):
                continue  # read for the sake of the messages
            sink = Sink(report, context.subject, context.options)
            group = _group(archive, groups.get(_folder(member.name)), context)
            yield from guarded(report, lambda m=member, g=group, s=sink: _rows(archive, m, g, s))  # type: ignore[misc]


def is_group(head: bytes) -> bool:
    return bool(_GROUP.match(head)) and _USER_TYPE in head


def _head(archive: Archive, member: Member) -> bytes:
    try:
        return as_utf8(archive.head(member, 4096))
    except MemberError:
        return b""  # damaged: named where it is read


def _group(archive: Archive, member: Member | None, context: Context) -> Group:
    """Name and members of a conversation; nobody where the file beside it does not say."""
    found: list[Group] = []
    if member is not None:
        report = context.report.member(member.name)

        def look() -> Iterator[Batch]:
            group, reason = one(as_utf8(archive.head(member, ELEMENT_MAX + 1)), Group)
            if group is None:
                report.quarantined[reason] += 1
            else:
                found.append(group)
            yield from ()

        for _ in guarded(report, look, lookup=True):
            pass
    return found[0] if found else Group()


def _rows(archive: Archive, member: Member, group: Group, sink: Sink) -> Iterator[Batch]:
    table, dates, position = sink.table("message", "google_chat"), Dates(), 0
    people = [name for person in group.members if (name := _who(person))]
    with archive.open(member) as stream:
        for part in json_parts(stream, sink, [b"messages"], ANCHOR, begin=ANCHOR):
            for messages in DECODE(part, sink):
                for message in messages:
                    position += 1
                    at = UNKNOWN if not message.created_date else dates.parse(message.created_date)
                    if message.message_state == "DELETED":
                        sink.pass_over("deleted message")
                    elif not message.message_id:
                        sink.quarantine("no item")
                    elif at is None:
                        sink.quarantine("unknown date")
                    else:
                        sender = _who(message.creator)
                        table.values.append((
                            f"google-chat:{message.message_id}", *at, position,
                            group.name or message.message_id.partition("/")[0], sender,
                            [name for name in people if name != sender] or None, None,
                            cut(message.text, sink) or None, None, _files(message.attached_files),
                        ))  # fmt: skip
                yield from sink.full()
    yield from sink.rest()


class Dates:
    """``Thursday, November 3, 2016 at 11:59:50 AM UTC``."""

    def __init__(self) -> None:
        self._dates = HtmlDates()

    def parse(self, text: str) -> Moment | None:
        """The moment, or None where the language or the layout is not known."""
        if len(text) > 100:
            return None
        if at := self._dates.parse(_WEEKDAY.sub("", text).replace(" at ", ", ", 1)):
            return at
        if not (found := _DATED.fullmatch(text)):
            return None
        if found["cjk"]:
            return self._dates.parse(f"{found['cjk']} {found['rest'].strip()}")
        return self._dates.parse(f"{found['day']}, {found['clock']}")


def _who(person: Person | None) -> str | None:
    """The address where there is one: a name is not one person's alone."""
    return (person.email or person.name or None) if person else None


def _files(files: list[File] | None) -> list[str] | None:
    return [attachment(file.original_name or file.export_name) for file in files] if files else None


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


READER = GoogleChat()
