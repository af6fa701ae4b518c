"""A part of an export: what another process can do by itself, and what comes of it.

A part is a piece of work that is whole in itself: a member, a piece of a long one, or the members that a
reader must see together. Whoever loads parts can keep note of them and need not have them read again.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from forge_core.archives import MemberError
from forge_core.archives.memory import MemoryArchive
from forge_core.errors import ForgeError
from forge_core.sources.base import Batch, MemberReport, Sink
from forge_core.sources.options import Options

REST = -1  # number of the part that holds what cutting a member into parts dropped


@dataclass
class Part:
    """Rows of one part. ``reports`` is about this part alone, and complete when ``batches`` is exhausted."""

    reader: str
    member: str
    number: int
    bytes: int
    batches: Iterable[Batch]
    reports: list[MemberReport]

    @property
    def key(self) -> tuple[str, int]:
        return self.member, self.number


@dataclass(frozen=True)
class Work:
    """A part that another process can do: a whole member, or a piece of one that is split."""

    reader: str
    module: str  # where the reader is
    member: str
    number: int
    whole: bool
    subject: str
    data: bytes


def do(work: Work, report: MemberReport, options: Options) -> Iterator[Batch]:
    """The rows of one part, from its bytes alone."""
    reader: Any = importlib.import_module(work.module).READER
    sink = Sink(report, work.subject, options)
    sink.part = work.number
    if work.whole:
        archive = MemoryArchive({work.member: work.data})
        return shielded(report, lambda: reader.rows(archive, archive.members[0], sink))
    return shielded(report, lambda: reader.parse(work.data, sink))


def shielded(report: MemberReport, read: Callable[[], Iterator[Batch]]) -> Iterator[Batch]:
    """Pass batches on; a member that is damaged, or that a reader stumbles over, is set aside and named."""
    try:
        yield from read()
    except MemberError as error:
        report.status, report.reason = "quarantined", f"{error.code}: {error.what}"
    except (ForgeError, OSError):
        raise
    except Exception as error:  # a fault of ours: this member is lost, the others are not
        report.status = "quarantined"
        report.reason = f"FORGE-READER-FAILED: {type(error).__name__} in reader {report.reader}."


def collected(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Make each batch with the cyclic collector off: rows hold no cycles, looking for them costs a third."""
    while True:
        was_on = gc.isenabled()
        gc.disable()
        try:
            batch = next(batches, None)
        finally:
            if was_on:
                gc.enable()
        if batch is None:
            return
        yield batch


def frugal() -> None:
    """Have pyarrow give memory back: the allocator it comes with keeps a third more, and reads no faster."""
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
