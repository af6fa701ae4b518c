"""What readers have in common: the protocol, the report of what became of each member, batches of rows.

A reader is one module of this package with a ``READER`` in it; nothing else names it. It recognises
members by their first bytes and turns them into rows of the event contract. What it cannot read it
sets aside by reason, never by value, and goes on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from forge_core.archives import Archive, Member, MemberError
from forge_core.events import KINDS, arrow_schema, reader_columns
from forge_core.sources.options import DEFAULTS, Options
from forge_core.times import Moment

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 50_000
HEAD = 64 * 1024
_NUL = re.compile(b"\0")
PART_POSITIONS = 1 << 32  # positions of records in one part of a member


@dataclass(frozen=True)
class Batch:
    """Rows of one kind from one member; ``source`` is the exporting system of all of them.

    ``labels`` is what a public set says of its rows (anomaly or not): kept apart, for evaluation only.
    """

    kind: str
    source: str
    member: str
    rows: pa.RecordBatch
    labels: pa.Array | None = None


@dataclass
class MemberReport:
    """What became of one member."""

    member: str
    reader: str | None = None
    status: str = "imported"  # imported, skipped or quarantined
    reason: str = ""
    rows: Counter[str] = field(default_factory=Counter)  # by kind
    quarantined: Counter[str] = field(default_factory=Counter)  # broken records, by reason
    passed_over: Counter[str] = field(default_factory=Counter)  # sound records that are no event, by reason
    mended: Counter[str] = field(
        default_factory=Counter
    )  # rows whose values were put right, by what was wrong

    def as_dict(self) -> dict[str, Any]:
        return {
            "member": self.member,
            "reader": self.reader,
            "status": self.status,
            "reason": self.reason,
            "rows": dict(self.rows),
            "quarantined": dict(self.quarantined),
            "passed_over": dict(self.passed_over),
            "mended": dict(self.mended),
        }

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> MemberReport:
        """The report that ``as_dict`` wrote."""
        counts = {name: Counter(found[name]) for name in ("rows", "quarantined", "passed_over", "mended")}
        return cls(found["member"], found["reader"], found["status"], found["reason"], **counts)

    def add(self, other: MemberReport) -> None:
        """What another part of the same member reports."""
        self.reader = other.reader or self.reader
        if other.status != "imported":
            self.status, self.reason = other.status, other.reason
        self.rows += other.rows
        self.quarantined += other.quarantined
        self.passed_over += other.passed_over
        self.mended += other.mended


@dataclass
class ReadReport:
    """What became of each member of an export. Complete when ``read`` is exhausted.

    Rows of a member whose status ends as ``quarantined`` must not be published: its archive is damaged
    there, which may come to light only after some of its rows were yielded.
    """

    members: dict[str, MemberReport] = field(default_factory=dict)

    def member(self, name: str, reader: str | None = None) -> MemberReport:
        found = self.members.setdefault(name, MemberReport(name))
        found.reader = reader or found.reader
        return found

    def add(self, reports: Iterable[MemberReport]) -> None:
        """What one part reports of its members."""
        for report in reports:
            self.member(report.member).add(report)

    def total(self, what: str) -> Counter[str]:
        """Sum over members of ``rows``, ``quarantined``, ``passed_over`` or ``mended``."""
        return sum((getattr(member, what) for member in self.members.values()), Counter())

    @property
    def broken(self) -> list[str]:
        """Members whose rows must not be published."""
        return [found.member for found in self.members.values() if found.status == "quarantined"]

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": dict(self.total("rows")),
            "quarantined": dict(self.total("quarantined")),
            "passed_over": dict(self.total("passed_over")),
            "mended": dict(self.total("mended")),
            "members": [member.as_dict() for member in self.members.values()],
        }


@dataclass(frozen=True)
class Head:
    """The first 64 KiB of a member, as UTF-8 where it is text."""

    member: Member
    data: bytes


@dataclass(frozen=True)
class Format:
    """One layout a reader knows, for the catalogue."""

    name: str
    media: str  # JSON, HTML, text
    kinds: tuple[str, ...]
    about: str
    languages: tuple[str, ...] = ()  # whose words and dates must be known; empty: nothing in it is worded


@dataclass(frozen=True)
class Context:
    """What a reader is given besides the archive: whose rows they are, where to report, where to stop."""

    subject: str
    report: ReadReport
    options: Options = DEFAULTS


class Reader(Protocol):
    """One export format, or a family of formats that share a layout."""

    name: str
    system: str  # what the partition key is named after: takeout, movielens, …
    formats: tuple[Format, ...]

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        """The names of the members this reader takes, judged by content and structure."""

    def population(self, members: Sequence[str]) -> str | None:
        """``benchmark:<set>`` for a public set, None for a person's data."""

    def read(self, archive: Archive, members: Sequence[Member], context: Context) -> Iterator[Batch]:
        """The rows of these members."""


class MemberReader:
    """Base of readers that read each member by itself: subclasses say ``recognise`` and ``rows``.

    ``rows`` sees one member and nothing beside it: it may be called in another process, for an archive that
    holds that member alone. A reader that needs more overrides ``claim`` and ``read`` instead.
    """

    name: str
    system = "takeout"
    formats: tuple[Format, ...]

    def recognise(self, head: bytes) -> bool:
        raise NotImplementedError

    def rows(self, archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
        raise NotImplementedError

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        return [name for name, head in heads.items() if self.recognise(head.data)]

    def population(self, members: Sequence[str]) -> str | None:
        return None

    def read(self, archive: Archive, members: Sequence[Member], context: Context) -> Iterator[Batch]:
        for member in members:
            report = context.report.member(member.name, self.name)
            sink = Sink(report, context.subject, context.options)
            yield from guarded(report, lambda m=member, s=sink: self.rows(archive, m, s))  # type: ignore[misc]


class SplitReader(MemberReader):
    """Base of readers whose members can be long: cut into parts that are parsed by themselves.

    ``split`` goes through the stream once, cheaply, and yields parts of about ``options.part_bytes``, each of
    whole records (a CSV part repeats the header line, and so on). What it drops it counts in the sink.
    ``parse`` makes rows of one part, in any process; positions of records start again in each part, and
    ``sink.position`` makes one order of them. Neither keeps state on the reader.
    """

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        raise NotImplementedError

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        raise NotImplementedError

    def rows(self, archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
        with archive.open(member) as stream:
            for number, part in enumerate(self.split(stream, sink)):
                sink.part = number
                yield from self.parse(part, sink)


def guarded(
    report: MemberReport, read: Callable[[], Iterator[Batch]], lookup: bool = False
) -> Iterator[Batch]:
    """Pass batches on; a member that proves damaged on the way is quarantined, the others go on.

    ``lookup`` is for tables that are read for the sake of other rows and yield none.
    """
    try:
        yield from read()
    except MemberError as error:
        report.status, report.reason = "quarantined", f"{error.code}: {error.what}"
    if report.status == "imported" and not lookup and not report.rows and report.quarantined:
        report.status, report.reason = "quarantined", "no record in it could be read"


class Sink:
    """Collects rows column by column and hands them over as batches, by kind and source."""

    def __init__(self, report: MemberReport, subject: str, options: Options = DEFAULTS) -> None:
        self.report, self.subject, self.options = report, subject, options
        self.part = 0
        self._tables: dict[tuple[str, str], Table] = {}

    def position(self, number: int) -> int:
        """The place of record ``number`` of this part among all records of the member."""
        return self.part * PART_POSITIONS + number

    def table(self, kind: str, source: str) -> Table:
        key = (kind, source)
        if key not in self._tables:
            self._tables[key] = Table(kind, source)
        return self._tables[key]

    def add(
        self, kind: str, source: str, item: str, at: Moment, position: int,
        label: str | None = None, **columns: Any,
    ) -> None:  # fmt: skip
        """One row by column names; ``Table.values`` is there for readers of millions."""
        table = self.table(kind, source)
        table.values.append((item, *at, position, *map(columns.pop, table.own, [None] * len(table.own))))
        if columns:
            raise KeyError(f"{kind} has no column {', '.join(columns)}")
        if label is not None or table.labels:
            table.labels += [None] * (len(table.values) - 1 - len(table.labels))
            table.labels.append(label)

    def quarantine(self, reason: str, count: int = 1) -> None:
        if count:
            self.report.quarantined[reason] += count

    def pass_over(self, reason: str, count: int = 1) -> None:
        self.report.passed_over[reason] += count

    def mend(self, reason: str, count: int = 1) -> None:
        """A row stays, with a value put right that could be nothing else."""
        if count:
            self.report.mended[reason] += count

    def full(self) -> Iterator[Batch]:
        """The batches that are due."""
        for table in self._tables.values():
            if len(table.values) >= BATCH_ROWS:
                yield self._batch(table)

    def rest(self) -> Iterator[Batch]:
        """All that is left."""
        for table in self._tables.values():
            if table.values:
                yield self._batch(table)

    def batch(self, kind: str, source: str, columns: Mapping[str, Any], count: int) -> Batch:
        """A batch of ``count`` rows at once, for readers that work in columns.

        A column is an Arrow array or a sequence; ``time`` is microseconds since 1970, what is left out is null.
        """
        names = tuple(column.name for column in reader_columns(kind))
        if unknown := set(columns) - set(names):
            raise KeyError(f"{kind} has no column {', '.join(sorted(unknown))}")
        rows = arrow_rows(kind, columns, count, self.subject)
        self.report.rows[kind] += count
        return Batch(kind, source, self.report.member, rows)

    def _batch(self, table: Table) -> Batch:
        values, table.values = table.values, []
        labels, table.labels = table.labels, []
        rows = to_arrow(table.kind, table.names, values, self.subject)
        self.report.rows[table.kind] += rows.num_rows
        told = texts(labels + [None] * (len(values) - len(labels))) if labels else None
        return Batch(table.kind, table.source, self.report.member, rows, told)


class Table:
    """Rows waiting to become a batch. ``values`` holds tuples in the order of ``names``.

    The order is (item, micros, zone, flag, sequence, *columns of the kind).
    """

    def __init__(self, kind: str, source: str) -> None:
        self.kind, self.source = kind, source
        self.own = tuple(c.name for c in KINDS[kind].columns)
        self.names = ("item", "time", "zone", "time_flag", "sequence", *self.own)
        self.values: list[tuple[Any, ...]] = []
        self.labels: list[str | None] = []  # beside ``values``, where a set has labels


def to_arrow(kind: str, names: Sequence[str], values: list[tuple[Any, ...]], subject: str) -> pa.RecordBatch:
    """Rows as Arrow, in the contract's types, free of what PostgreSQL or UTF-8 refuse."""
    by_name = dict(zip(names, zip(*values, strict=True), strict=True))
    return arrow_rows(kind, by_name, len(values), subject)


def arrow_rows(kind: str, columns: Mapping[str, Any], count: int, subject: str) -> pa.RecordBatch:
    """Columns as Arrow, as ``to_arrow`` makes them of rows; those left out are null."""
    import pyarrow as pa

    schema = arrow_schema(kind)
    arrays = []
    for column in reader_columns(kind):
        wanted, values = schema.field(column.name).type, columns.get(column.name)
        if column.name == "subject":
            array = pa.repeat(pa.scalar(subject, wanted), count)
        elif values is None:
            array = pa.nulls(count, wanted)
        elif column.type == "text":
            array = texts(values)
        elif column.type == "time":
            array = pa.array(values, pa.int64()).cast(wanted)
        else:
            array = pa.array(values, wanted)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def texts(values: Sequence[str | None] | pa.Array) -> pa.Array:
    """A text column without NUL characters and lone surrogates, checked in bulk, mended one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        array = pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if value is None else clean(value) for value in values], pa.string())
    content = array.buffers()[2]
    if content is not None and _NUL.search(content):
        array = pc.replace_substring(array, "\0", "")
    return array


def cut(text: str | None, sink: Sink) -> str | None:
    """The text, as far as ``options.text_chars`` goes; a cut is counted."""
    if text is None or len(text) <= sink.options.text_chars:
        return text
    sink.pass_over("text cut")
    return text[: sink.options.text_chars]


def clean(text: str) -> str:
    """Without NUL characters; lone surrogates become U+FFFD."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
