"""Export readers: which of them takes which member of an archive, and the rows they make of it.

    with open_archive(path) as archive:
        found = survey(archive)
        report = ReadReport()
        for batch in read(archive, found, subject, report): ...

Readers are found by themselves: a module of this package with a ``READER`` is one. What a member is,
is told by its first bytes and by what lies beside it, never by its name alone.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from forge_core.archives import Archive
from forge_core.sources.base import Batch, Context, Format, Head, MemberReport, Reader, ReadReport
from forge_core.sources.options import DEFAULTS, Options, TableMapping
from forge_core.sources.reading import begin, parts, read, settle
from forge_core.sources.survey import Claim, Survey, survey_with
from forge_core.sources.work import REST, Part

__all__ = [
    "REST", "Batch", "Claim", "Context", "Format", "Head", "MemberReport", "Options", "Part", "ReadReport", "Reader",
    "Survey", "TableMapping", "begin", "catalogue", "parts", "read", "reader_named", "readers", "settle",
    "survey",
]  # fmt: skip


@cache
def readers() -> tuple[Reader, ...]:
    """All readers, by name; those marked ``first`` are asked before all others, those marked ``last`` after."""
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    found: list[Reader] = [module.READER for module in modules if hasattr(module, "READER")]

    def order(reader: Reader) -> tuple[bool, bool, str]:
        return not getattr(reader, "first", False), getattr(reader, "last", False), reader.name

    return tuple(sorted(found, key=order))


def reader_named(name: str) -> Reader:
    """The reader of a claim."""
    return next(reader for reader in readers() if reader.name == name)


def survey(archive: Archive, subject: str | None = None, options: Options = DEFAULTS) -> Survey:
    """What is inside: which reader takes which members, whose data it is, what is skipped and why."""
    return survey_with(readers(), archive, subject, options)


def catalogue() -> list[dict[str, Any]]:
    """One row per reader and format: the table of docs/sources.md is made of it."""
    return [
        {
            "reader": reader.name,
            "format": form.name,
            "media": form.media,
            "kinds": ", ".join(form.kinds),
            "about": form.about,
            "languages": form.languages,
        }
        for reader in readers()
        for form in reader.formats
    ]
