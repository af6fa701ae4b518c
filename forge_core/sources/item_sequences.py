"""Sequences of items, one line per user in the order of time: ``user item item …`` (S3-Rec, SASRec).

Users are counted 1, 2, 3, …, as the authors write them. Times are not known and none is invented. Attributes of
items (``…_item2attributes.json``) become categories. Subjects and items are named after the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import msgspec

from forge_core.archives import Archive, Member
from forge_core.events import TimeFlag
from forge_core.sources.base import BATCH_ROWS, Batch, Context, Format, Head, Sink, guarded
from forge_core.sources.cohort import rows_of, stem
from forge_core.sources.log_lines import line_parts, lines
from forge_core.sources.options import MiB, Options

SOURCE = "sequences"
_LINES = re.compile(rb"1((?: \d{1,9}){3,})\r?\n2((?: \d{1,9}){3,})(?:\r?\n|\Z)")
_LINE = re.compile(rb"\d{1,9}(?: \d{1,9})+\Z")
_ATTRIBUTES = re.compile(rb'\s*\{\s*"\d{1,9}"\s*:\s*\[\s*\d')
BESIDE = "_item2attributes.json"
ATTRIBUTES_MAX = 64 * MiB

Categories = dict[str, list[str]]


class ItemSequences:
    name = "item_sequences"
    system = "sequences"
    formats = (
        Format("sequences of items", "text", ("watch",), "S3-Rec: one line per user, attributes beside"),
    )

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        found = [name for name, head in heads.items() if _LINES.match(head.data)]
        beside = [_attributes(name) for name in found]
        return [*found, *(name for name in beside if name in heads and _ATTRIBUTES.match(heads[name].data))]

    def population(self, members: Sequence[str]) -> str | None:
        return "benchmark:sequences"

    def read(self, archive: Archive, members: Sequence[Member], context: Context) -> Iterator[Batch]:
        by_name = {member.name: member for member in members}
        for member in members:
            if member.name.endswith(BESIDE):
                continue
            categories: Categories = {}
            if beside := by_name.get(_attributes(member.name)):
                categories = _categories(archive, beside, context, self.name)
            report = context.report.member(member.name, self.name)
            sink = Sink(report, context.subject, context.options)
            yield from guarded(report, partial(_rows, archive, member, sink, categories))


def _attributes(name: str) -> str:
    """The file of attributes that belongs to a file of sequences."""
    return (name.rpartition(".")[0] or name) + BESIDE


def _categories(archive: Archive, member: Member, context: Context, reader: str) -> Categories:
    report = context.report.member(member.name, reader)
    found: Categories = {}

    def read() -> Iterator[Batch]:
        with archive.open(member) as stream:
            data = stream.read(ATTRIBUTES_MAX)
        try:
            table = msgspec.json.decode(data, type=dict[str, list[int]])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            report.quarantined["malformed"] += 1
        else:
            found.update({item: [str(one) for one in attributes] for item, attributes in table.items()})
            report.passed_over["attributes of items"] += len(table)
        yield from ()

    list(guarded(report, read, lookup=True))
    return found


def _rows(archive: Archive, member: Member, sink: Sink, categories: Categories) -> Iterator[Batch]:
    name = stem(member.name)
    subjects: list[str] = []
    items: list[str] = []
    positions: list[int] = []
    with archive.open(member) as stream:
        for part in line_parts(stream, sink):
            for _, line in lines(part, sink):
                if not _LINE.match(line.rstrip()):
                    sink.quarantine("malformed")
                    continue
                user, *sequence = line.decode().split()
                subjects += [f"{name}:{user}"] * len(sequence)
                items += sequence
                positions += range(len(sequence))
                if len(items) >= BATCH_ROWS:
                    yield _batch(sink, name, subjects, items, positions, categories)
                    subjects, items, positions = [], [], []
    if items:
        yield _batch(sink, name, subjects, items, positions, categories)


def _batch(
    sink: Sink, name: str, subjects: list[str], items: list[str], positions: list[int], categories: Categories
) -> Batch:
    columns = {
        "item": [f"{name}:{item}" for item in items],
        "sequence": positions,
        "time_flag": [TimeFlag.UNKNOWN.value] * len(items),
        "categories": [categories.get(item) for item in items],
    }
    return rows_of(sink, "watch", SOURCE, subjects, columns)


READER = ItemSequences()
