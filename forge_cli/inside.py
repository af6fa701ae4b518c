"""A look into exports without writing anything: which paths are exports, and what is in each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forge_core.errors import ForgeError, UsageError


@dataclass
class Look:
    """What one export holds, or why it cannot be read."""

    path: Path
    error: ForgeError | None = None
    survey: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        base: dict[str, Any] = {"path": str(self.path)}
        if self.error is not None:
            return base | {"error": self.error.as_dict()}
        return base | self.survey | {"rows": self.rows, "quarantined_rows": self.quarantined}


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
    try:
        with archives.open_archive(path, limits()) as archive:
            survey = sources.survey(archive, subject)
            found.survey = survey.as_dict()
            if not survey.claims:
                raise UsageError(
                    "FORGE-EXPORT-NOTHING-KNOWN",
                    "Nothing in this export is of a kind that Forge reads.",
                    f"{len(survey.skipped)} files were looked at.",
                    "See docs/quickstart.md for the exports it knows.",
                )
            if count:
                report = sources.ReadReport()
                for _ in sources.read(archive, survey, subject, report):
                    pass  # the report counts
                found.rows = dict(Counter(report.total("rows")))
                found.quarantined = dict(Counter(report.total("quarantined")))
    except ForgeError as error:
        found.error = error
    return found


def limits() -> Any:
    """What an archive may ask of this machine, as the settings have it."""
    from forge_resources.settings import load_settings
    from forge_resources.stores import Stores

    # no database is opened before its first use, and looking never uses one
    return Stores(load_settings(postgres_url="postgresql:///unused")).exports.limits
