"""CERT's insider-threat sets: logons, removable devices, files, pages, mail and people of an invented company.

One CSV per kind of event, told apart by their columns. Events of different people, with subjects ``cert:<user>``;
the clock has no zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO

from forge_core.events import TimeFlag
from forge_core.sources.activity import domain, slug, web_address
from forge_core.sources.base import Batch, Format, Sink, SplitReader, cut
from forge_core.sources.cohort import Cohort
from forge_core.sources.csv_parts import csv_parts, first_records, records
from forge_core.sources.log_lines import visible
from forge_core.times import SECOND, UNKNOWN, Moment, plausible

SET = "cert"
_ID = re.compile(r"\{[A-Z0-9]{4}-[A-Z0-9]{8}-[A-Z0-9]{8}\}\Z")
_DATE = re.compile(r"(\d\d/\d\d/\d{4}) (\d\d):(\d\d):(\d\d)\Z")
EVENT = {"id", "date", "user", "pc"}
PEOPLE = {"employee_name", "user_id", "email", "role"}
ATTRIBUTES = ("role", "business_unit", "functional_unit", "department", "team")

Row = Mapping[str, str]


class CertInsider(SplitReader):
    name = "cert_insider"
    system = "cert"
    formats = (
        Format("CERT logons and devices", "CSV", ("security",), "logon.csv, device.csv and file.csv"),
        Format("CERT pages", "CSV", ("browse",), "http.csv"),
        Format("CERT mail", "CSV", ("message",), "email.csv"),
        Format("CERT people", "CSV", ("preference",), "users.csv: role and department"),
    )

    def recognise(self, head: bytes) -> bool:
        found = first_records(head)
        if len(found) < 2:
            return False
        names = set(found[0])
        return names >= PEOPLE or (bool(_ID.match(found[1][0])) and _kind(names) is not None)

    def population(self, members: Sequence[str]) -> str | None:
        return f"benchmark:{SET}"

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return csv_parts(stream, sink)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        cohort, names, add = Cohort(sink, SET), None, None
        for number, fields, raw in records(part, sink):
            if names is None or add is None:
                names, add = fields, _kind(set(fields))
                if add is None:
                    sink.quarantine("malformed")
                    return
                continue
            row = dict(zip(names, fields, strict=True))
            subject = row.get("user", row.get("user_id", ""))
            if not subject:
                sink.quarantine("no subject")
            elif (at := moment(row["date"]) if "date" in row else UNKNOWN) is None:
                sink.quarantine("unknown date")
            else:
                add(cohort, f"{SET}:{subject}", row, at, sink.position(number), raw)
            yield from cohort.full()
        yield from cohort.rest()


Add = Callable[[Cohort, str, Row, Moment, int, str], None]


def _kind(names: set[str]) -> Add | None:
    if names >= PEOPLE:
        return _person
    if not names >= EVENT:
        return None
    if names >= {"to", "from", "size"}:
        return _mail
    if "url" in names:
        return _page
    if "filename" in names:
        return _file
    return _logon if "activity" in names else None


@lru_cache(10_000)
def _day(text: str) -> int | None:
    try:
        return int(datetime.strptime(text, "%m/%d/%Y").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def moment(text: str) -> Moment | None:
    """``01/04/2010 19:08:00``: month, day and year, as the set's description has it."""
    found = _DATE.match(text)
    if not found or (day := _day(found[1])) is None:
        return None
    hour, minute, second = map(int, found.group(2, 3, 4))
    if hour > 23 or minute > 59 or second > 59:
        return None
    return plausible((day + hour * 3600 + minute * 60 + second) * SECOND, None, TimeFlag.NO_ZONE.value)


def _logon(cohort: Cohort, subject: str, row: Row, at: Moment, position: int, raw: str) -> None:
    if not row["activity"].strip():
        cohort.sink.quarantine("no item")
        return
    action = slug(row["activity"])
    cohort.add(
        subject, "security", f"{SET}:{action}", at, position,
        action=action, outcome="success", device=row["pc"], account=row["user"], message=visible(raw),
    )  # fmt: skip


def _file(cohort: Cohort, subject: str, row: Row, at: Moment, position: int, raw: str) -> None:
    action = slug(row.get("activity") or "file copy")  # older releases have no column for it: all are copies
    cohort.add(
        subject, "security", f"{SET}:{action}", at, position,
        action=action, outcome="success", device=row["pc"], account=row["user"], message=visible(row["filename"]),
    )  # fmt: skip


def _page(cohort: Cohort, subject: str, row: Row, at: Moment, position: int, raw: str) -> None:
    if (url := web_address(row["url"])) is None:
        cohort.sink.quarantine("no item")
        return
    cohort.add(subject, "browse", url, at, position, url=url, domain=domain(url), transition=None)


def _mail(cohort: Cohort, subject: str, row: Row, at: Moment, position: int, raw: str) -> None:
    others = [name for field in ("to", "cc", "bcc") for name in row.get(field, "").split(";") if name]
    files = [name for name in row.get("attachments", "").split(";") if name]
    cohort.add(
        subject, "message", f"{SET}:{row['id'].strip('{}')}", at, position,
        sender=row["from"] or None, recipients=others, body=cut(row.get("content"), cohort.sink),
        labels=[row["activity"]] if row.get("activity") else None, attachments=files or None,
    )  # fmt: skip


def _person(cohort: Cohort, subject: str, row: Row, at: Moment, position: int, raw: str) -> None:
    for name in ATTRIBUTES:
        if value := row.get(name):
            cohort.add(
                subject, "preference", f"attribute:{name.replace('_', '-')}", at, position, value=value
            )


READER = CertInsider()
