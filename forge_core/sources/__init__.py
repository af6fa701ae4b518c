"""Export readers: which of them takes which member of an archive, and the rows they make of it.

    with open_archive(path) as archive:
        found = survey(archive)
        report = ReadReport()
        for batch in read(archive, found, subject, report): ...

Readers are found by themselves: a module of this package with a ``READER`` is one. What a member is,
is told by its first 64 KiB and by what lies beside it, never by its name alone.
"""

from __future__ import annotations

import gc
import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache

from forge_core.archives import Archive
from forge_core.sources.base import Batch, Context, Format, Head, MemberReport, Reader, ReadReport
from forge_core.sources.survey import Claim, Survey, survey_with

__all__ = [
    "Batch", "Claim", "Format", "Head", "MemberReport", "ReadReport", "Reader", "Survey",
    "catalogue", "read", "readers", "survey",
]  # fmt: skip


@cache
def readers() -> tuple[Reader, ...]:
    """All readers, by name."""
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    found: list[Reader] = [module.READER for module in modules if hasattr(module, "READER")]
    return tuple(sorted(found, key=lambda reader: reader.name))


def survey(archive: Archive, subject: str | None = None) -> Survey:
    """What is inside: which reader takes which members, whose data it is, what is skipped and why."""
    return survey_with(readers(), archive, subject)


def read(
    archive: Archive, survey: Survey, subject: str | None = None, report: ReadReport | None = None
) -> Iterator[Batch]:
    """The rows of all members that a reader claimed, in batches; what became of each is in ``report``.

    Rows belong to ``subject``, else to whom the survey named; public cohorts bring their own subjects.
    """
    report = report if report is not None else ReadReport()
    for name, reason in survey.skipped:
        member = report.member(name)
        member.status, member.reason = "skipped", reason
    for name, reason in survey.quarantined:
        member = report.member(name)
        member.status, member.reason = "quarantined", reason
    context = Context(subject or survey.subject, report)
    by_name = {reader.name: reader for reader in readers()}
    members = {member.name: member for member in archive.members}
    for claim in survey.claims:
        taken = [members[name] for name in claim.members]
        yield from _without_collector(by_name[claim.reader].read(archive, taken, context))


def _without_collector(batches: Iterator[Batch]) -> Iterator[Batch]:
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


def catalogue() -> list[dict[str, str]]:
    """One row per reader and format: the table of docs/sources.md is made of it."""
    return [
        {
            "reader": reader.name,
            "format": form.name,
            "media": form.media,
            "kinds": ", ".join(form.kinds),
            "about": form.about,
        }
        for reader in readers()
        for form in reader.formats
    ]
