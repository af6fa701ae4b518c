"""Public sets of many people: rows with subjects of their own, named after the set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from forge_core.sources.base import Batch, Sink, texts
from forge_core.times import Moment

_NAME = re.compile(r"[^a-z0-9]+")


def stem(member: str) -> str:
    """``toys-and-games`` of ``…/Toys_and_Games.txt``: what names a set whose content does not."""
    base = member.rpartition("/")[2].casefold()
    return _NAME.sub("-", base.rpartition(".")[0] or base).strip("-") or "set"


def with_subjects(batch: Batch, subjects: Sequence[str] | Any) -> Batch:
    """The batch with these subjects in place of the archive's."""
    place = batch.rows.schema.get_field_index("subject")
    rows = batch.rows.set_column(place, batch.rows.schema.field(place), texts(subjects))
    return Batch(batch.kind, batch.source, batch.member, rows, batch.labels)


class Cohort:
    """``Sink.add`` with a subject for each row."""

    def __init__(self, sink: Sink, source: str) -> None:
        self.sink, self.source = sink, source
        self._subjects: dict[str, list[str]] = {}

    def add(self, subject: str, kind: str, item: str, at: Moment, position: int, **columns: Any) -> None:
        self.sink.add(kind, self.source, item, at, position, **columns)
        self._subjects.setdefault(kind, []).append(subject)

    def full(self) -> Iterator[Batch]:
        return self._told(self.sink.full())

    def rest(self) -> Iterator[Batch]:
        return self._told(self.sink.rest())

    def _told(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            yield with_subjects(batch, self._subjects.pop(batch.kind))


def rows_of(sink: Sink, kind: str, source: str, subjects: Sequence[str], columns: Mapping[str, Any]) -> Batch:
    """A batch in columns, with a subject for each row."""
    return with_subjects(sink.batch(kind, source, columns, len(subjects)), subjects)
