"""A look into exports without writing anything: which paths are exports, and what is in each."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forge_cli.progress import ReadProgress
from forge_core.errors import ForgeError, UsageError

if TYPE_CHECKING:
    from forge_core.archives import Archive, Limits
    from forge_core.sources import Batch, Options, ReadReport, Survey


@dataclass
class Content:
    """Rows of one kind from one source, the days they are of, and the bytes of the files they are in."""

    rows: int = 0
    bytes: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, batch: Batch) -> None:
        import pyarrow.compute as pc

        self.rows += batch.rows.num_rows
        span = pc.min_max(batch.rows.column("time")).as_py()
        if span["min"] is not None:
            self.first = min(self.first or span["min"], span["min"])
            self.last = max(self.last or span["max"], span["max"])


@dataclass
class Look:
    """What one export holds, or why it cannot be read."""

    path: Path
    error: ForgeError | None = None
    bytes: int = 0
    account: str | None = None  # whose it is, as the archive says; never shown
    survey: dict[str, Any] = field(default_factory=dict)
    content: dict[tuple[str, str], Content] = field(default_factory=dict)  # by source and kind
    report: ReadReport | None = None

    @property
    def rows(self) -> dict[str, int]:
        """Rows by kind."""
        found: Counter[str] = Counter()
        for (_, kind), content in self.content.items():
            found[kind] += content.rows
        return dict(found)

    @property
    def quarantined(self) -> dict[str, int]:
        return dict(self.report.total("quarantined")) if self.report else {}

    def outcomes(self) -> dict[tuple[str, str], int]:
        """How many files fared how, and why."""
        members = self.report.members.values() if self.report else ()
        return dict(Counter((member.status, member.reason) for member in members))

    def as_dict(self) -> dict[str, Any]:
        base: dict[str, Any] = {"path": str(self.path)}
        if self.error is not None:
            return base | {"error": self.error.as_dict()}
        content = [
            {
                "source": source,
                "kind": kind,
                "rows": one.rows,
                "bytes": one.bytes,
                "first": _day(one.first),
                "last": _day(one.last),
            }
            for (source, kind), one in sorted(self.content.items())
        ]
        files = [
            {"outcome": status, "reason": reason, "files": count}
            for (status, reason), count in sorted(self.outcomes().items())
        ]
        records = {
            "rows": self.rows,
            "quarantined_rows": self.quarantined,
            "content": content,
            "files": files,
        }
        return base | self.survey | records | {"bytes": self.bytes}


def _day(time: datetime | None) -> str | None:
    return time.date().isoformat() if time else None


def exports_in(paths: tuple[Path, ...]) -> list[Path]:
    """A folder with archives at its top level is a folder of exports, any other path is one export."""
    from forge_core.archives.nesting import SUFFIXES

    found: list[Path] = []
    for path in paths:
        packed = []
        if path.is_dir():
            packed = sorted(p for p in path.iterdir() if p.is_file() and p.name.lower().endswith(SUFFIXES))
        found += packed or [path]
    return list(dict.fromkeys(found))


def look(path: Path, subject: str | None, count: bool) -> Look:
    """Survey one export; ``count`` reads it to the end, too."""
    from forge_core import archives, sources

    found = Look(path)
    limits, options = door()
    try:
        with archives.open_archive(path, limits) as archive:
            survey = sources.survey(archive, subject, options)
            found.survey, found.account = survey.as_dict(), survey.account
            claimed = {name for claim in survey.claims for name in claim.members}
            found.bytes = sum(member.size for member in archive.members if member.name in claimed)
            if not survey.claims:
                raise UsageError(
                    "FORGE-EXPORT-NOTHING-KNOWN",
                    "Nothing in this export is of a kind that Forge reads.",
                    f"{len(survey.skipped)} files were looked at.",
                    "See docs/sources.md for the exports it knows.",
                )
            if count:
                _count(found, archive, survey, subject, options)
    except ForgeError as error:
        found.error = error
    return found


def _count(found: Look, archive: Archive, survey: Survey, subject: str | None, options: Options) -> None:
    """Read all of it, on all cores; rows of files that prove damaged do not count."""
    from forge_core import sources

    found.report = report = sources.ReadReport()
    sources.begin(report, survey)
    by_member: dict[str, dict[tuple[str, str], Content]] = {}
    cores = len(os.sched_getaffinity(0))
    with ReadProgress(found.path.name, found.bytes) as progress:
        for part in sources.parts(archive, survey, subject, options, workers=cores):
            for batch in part.batches:
                content = by_member.setdefault(batch.member, {})
                content.setdefault((batch.source, batch.kind), Content()).add(batch)
            report.add(part.reports)
            progress.add(part.bytes, sum(sum(one.rows.values()) for one in part.reports))
    sources.settle(report, survey)
    size = {member.name: member.size for member in archive.members}
    for member, contents in by_member.items():
        if member not in report.broken:
            for key, one in contents.items():
                one.bytes = size.get(member, 0)
                _merge(found.content.setdefault(key, Content()), one)


def _merge(into: Content, other: Content) -> None:
    into.rows += other.rows
    into.bytes += other.bytes
    into.first = min(filter(None, (into.first, other.first)), default=None)
    into.last = max(filter(None, (into.last, other.last)), default=None)


def door() -> tuple[Limits, Options]:
    """What an archive may ask of this machine and where its readers stop, as the settings have it."""
    from forge_resources.settings import load_settings
    from forge_resources.stores import Stores

    # no database is opened before its first use, and looking never uses one
    exports = Stores(load_settings(postgres_url="postgresql:///unused")).exports
    return exports.limits, exports.options
