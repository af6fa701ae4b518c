"""Google's Access Log Activity: which services were accessed from where, and the devices that did it.

Column names and file names are localised: known names are taken by name, other tables by what their columns
hold. ``item`` is ``google:<product>``, ``google:device-first-seen`` or ``google:device-last-seen``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from forge_core.sources.activity import slug
from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.csv_parts import Record, csv_parts, first_records, records
from forge_core.sources.log_lines import visible
from forge_core.sources.syslog import address
from forge_core.times import UNKNOWN, parse_iso

_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? UTC")
_GAIA = re.compile(r"\d{6,24}\Z")
_AGENT = re.compile(r"(?:App ?:|Mozilla/|Dalvik/|Opera/|okhttp|com\.google\.|Android-|grpc-|curl/|iOS)")
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
_COUNTRY_IN = re.compile(r"\b(?:ISO)\b[^A-Z]{0,5}([A-Z]{2})\b")
ACCESS, DEVICES = (12, 24), (7, 16)  # columns there may be: 13 and 16, 9 and some more are known
# names of products as other languages write them
PRODUCTS = {"fotos": "photos", "kalender": "calendar", "calendario": "calendar", "agenda": "calendar",
            "foto": "photos", "kontakte": "contacts", "contactos": "contacts"}  # fmt: skip


class Access(NamedTuple):
    """Where the columns of accesses are."""

    account: int
    time: int
    address: int
    country: int
    agent: int
    product: int
    type: int


class Devices(NamedTuple):
    """Where the columns of devices are; ``location`` is the old free text with country and time."""

    times: tuple[int, ...]  # first and last activity, or the free text alone
    country: int | None
    described: tuple[int, ...]


class GoogleAccessLog(SplitReader):
    name = "google_access_log"
    formats = (
        Format("access log, services", "CSV", ("security",), "13 and 16 columns, in any language"),
        Format(
            "access log, devices",
            "CSV",
            ("security",),
            "old with a free text, new with first and last activity",
        ),
    )

    def recognise(self, head: bytes) -> bool:
        found = first_records(head)
        return len(found) > 1 and any(layout(found[0], row) for row in found[1:])

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return csv_parts(stream, sink)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        names: list[str] | None = None
        where: Access | Devices | None = None
        for record in records(part, sink):
            if names is None:
                names = [name.strip() for name in record.fields]
                continue
            where = where or layout(names, record.fields)
            position = sink.position(record.number)
            if isinstance(where, Access):
                _accessed(sink, record, where, position)
            elif isinstance(where, Devices):
                _seen(sink, record, where, position)
            else:
                sink.quarantine("malformed")
            yield from sink.full()
        yield from sink.rest()


def layout(names: list[str], row: list[str]) -> Access | Devices | None:
    """Where the columns are, judged by names and by a row; None where it is neither table."""
    row = [field.strip() for field in row]
    if len(names) != len(row) or not row or not _GAIA.match(row[0]):
        return None
    times = tuple(number for number, field in enumerate(row) if _STAMP.fullmatch(field))
    if ACCESS[0] <= len(row) <= ACCESS[1] and times == (1,) and address(row[2]):
        return _access(names, row)
    if DEVICES[0] <= len(row) <= DEVICES[1] and not any(map(address, row)):
        text = tuple(number for number, field in enumerate(row) if _STAMP.search(field))
        if text and text[0] >= 4:
            country = next((n for n in range(4, len(row)) if _COUNTRY.match(row[n])), None)
            last = min(number for number in (*text, country) if number is not None)
            return Devices(text[:2], country, tuple(range(1, last)))
    return None


def _access(names: list[str], row: list[str]) -> Access:
    known = {name: number for number, name in enumerate(names)}
    if {"Activity Country", "User Agent String", "Product Name", "Activity Type"} <= set(known):
        return Access(
            0, 1, 2, known["Activity Country"], known["User Agent String"], known["Product Name"],
            known["Activity Type"],
        )  # fmt: skip
    agent = next((n for n in range(3, len(row) - 3) if _AGENT.match(row[n])), 8)
    country = next((n for n in range(3, agent) if _COUNTRY.match(row[n])), 5)
    # the columns of a referring product came before the type in the newer layout
    return Access(0, 1, 2, country, agent, agent + 1, agent + (3 if len(row) < 15 else 5))


def _accessed(sink: Sink, record: Record, where: Access, position: int) -> None:
    fields = record.fields
    when, product = fields[where.time].strip(), fields[where.product].strip()
    at = parse_iso(when) if when else UNKNOWN
    if at is None:
        sink.quarantine("unknown date")
    elif not product:
        sink.quarantine("no item")
    else:
        sink.table("security", "google").values.append((
            f"google:{service(product)}", *at, position, fields[where.type].strip() or "access", "success",
            address(fields[where.address].strip()), fields[where.country].strip() or None,
            visible(fields[where.agent]) or None, fields[where.account], visible(record.raw),
        ))  # fmt: skip


def service(product: str) -> str:
    """``photos`` of ``Google Photos`` and ``Google Fotos``."""
    name = slug(product).removeprefix("google-")
    return PRODUCTS.get(name, name)


def _seen(sink: Sink, record: Record, where: Devices, position: int) -> None:
    fields = record.fields
    device = visible(" ".join(" ".join(fields[n] for n in where.described).split())) or None
    actions = ("device-last-seen",) if len(where.times) == 1 else ("device-first-seen", "device-last-seen")
    for number, action in zip(where.times, actions, strict=False):
        text = fields[number]
        if not (stamp := _STAMP.search(text)):
            sink.quarantine("unknown date")
            continue
        at = parse_iso(stamp[0])
        if at is None:
            sink.quarantine("unknown date")
            continue
        country = fields[where.country].strip() if where.country is not None else None
        if not country and (told := _COUNTRY_IN.search(text)):
            country = told[1]
        sink.table("security", "google").values.append((
            f"google:{action}", *at, position, action, "success", None, country or None, device,
            fields[0], visible(record.raw),
        ))  # fmt: skip


READER = GoogleAccessLog()
