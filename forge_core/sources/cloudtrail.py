"""AWS CloudTrail: ``{"Records": […]}``, one record per call of an API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.json_parts import json_parts
from forge_core.sources.json_stream import Decoder
from forge_core.sources.log_lines import visible
from forge_core.sources.syslog import address
from forge_core.times import UNKNOWN, parse_iso

ANCHOR = (
    rb'"(?:eventVersion|userIdentity|eventTime|eventSource|eventName|awsRegion|sourceIPAddress|userAgent|eventID|'
    rb'requestID|eventType|recipientAccountId|errorCode|requestParameters|responseElements|eventCategory)"'
)
_TOP = re.compile(rb'\s*\{\s*"Records"\s*:\s*\[\s*(?:\]|\{\s*' + ANCHOR + rb"\s*:)")
_HOST = re.compile(r"\.amazonaws\.com(?:\.cn)?\Z")


class Identity(msgspec.Struct, gc=False):
    type: str | None = None
    arn: str | None = None
    userName: str | None = None
    principalId: str | None = None
    accountId: str | None = None
    invokedBy: str | None = None


class Call(msgspec.Struct, gc=False):
    """The fields that are read."""

    eventTime: str | None = None
    eventSource: str | None = None
    eventName: str | None = None
    sourceIPAddress: str | None = None
    userAgent: str | None = None
    errorCode: str | None = None
    errorMessage: str | None = None
    userIdentity: Identity | None = None
    responseElements: Any = None


DECODE = Decoder(msgspec.Raw, ANCHOR)


class CloudTrail(SplitReader):
    name = "cloudtrail"
    system = "cloudtrail"
    formats = (Format("AWS CloudTrail", "JSON", ("security",), "log files, unpacked or in an archive"),)

    def recognise(self, head: bytes) -> bool:
        return bool(_TOP.match(head))

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return json_parts(stream, sink, [b"Records"], ANCHOR)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        decode, position = msgspec.json.Decoder(Call).decode, 0
        for records in DECODE(part, sink):
            for raw in records:
                position += 1
                try:
                    call = decode(raw)
                except msgspec.ValidationError:
                    sink.quarantine("wrong type")
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    sink.quarantine("malformed")
                else:
                    _add(sink, call, sink.position(position), bytes(raw))
                yield from sink.full()
        yield from sink.rest()


def _add(sink: Sink, call: Call, position: int, raw: bytes) -> None:
    service = visible(_HOST.sub("", call.eventSource or "")).lstrip(": ")
    if not service or not call.eventName:
        sink.quarantine("no item")
        return
    at = parse_iso(call.eventTime) if call.eventTime else UNKNOWN
    if at is None:
        sink.quarantine("unknown date")
        return
    who = call.userIdentity or Identity()
    sink.table("security", "cloudtrail").values.append((
        visible(f"{service}:{call.eventName}"), *at, position, visible(call.eventName),
        _outcome(call), address(call.sourceIPAddress), None, call.userAgent and visible(call.userAgent),
        who.arn or who.userName or who.principalId or who.invokedBy or who.accountId,
        visible(raw.decode("utf-8", "replace")),
    ))  # fmt: skip


def _outcome(call: Call) -> str:
    """A console login fails without an error code: its answer says so."""
    if call.errorCode or call.errorMessage:
        return "failure"
    answer = call.responseElements.get(call.eventName) if isinstance(call.responseElements, dict) else None
    return "failure" if answer == "Failure" else "success"


READER = CloudTrail()
