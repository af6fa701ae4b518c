"""The exports of a home: registered with a copy named by content, published once, never half.

Registering is what ``forge ingest`` and the inbox sensor do; publishing is what the raw assets do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forge_core.errors import ForgeError, UsageError
from forge_resources.postgres import Database

if TYPE_CHECKING:
    from forge_core.archives import Limits, SetPart
    from forge_core.sources import Options

PARTITION_KEY = re.compile(r"[a-z0-9]{1,24}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Export:
    """A registered export: its partition key, whose it is, and where its copy lies."""

    partition: str
    source: str
    subject: str
    path: Path
    bytes: int
    status: str
    population: str
    name: str | None = None  # what the file was called when it was given
    new: bool = False


@dataclass(frozen=True)
class ExportSet:
    """An export in several archives: the number of each partition, and those that did not come."""

    name: str
    parts: dict[str, int]
    missing: list[int]


class Exports:
    """The registry ``forge.exports`` and the folder ``FORGE_HOME/exports``."""

    def __init__(
        self,
        database: Database,
        home: Path,
        limits: Limits | None = None,
        options: Options | None = None,
    ) -> None:
        from forge_core.archives import Limits
        from forge_core.sources import Options

        self.database, self.folder = database, Path(home) / "exports"
        self.limits, self.options = limits or Limits(), options or Options()

    def register(self, path: Path, subject: str | None = None, account: str | None = None) -> Export:
        """Check an archive, keep a copy, guard the population; the same archive again is the same export.

        ``account`` is whose it is by another part of its set, where this one does not say. A part that comes
        later belongs to whom the set belongs to.
        """
        from forge_core import archives, sources

        with archives.open_archive(path, self.limits) as archive:
            found = sources.survey(archive, subject, self.options)
        if not found.claims:
            raise UsageError(
                "FORGE-EXPORT-NOTHING-KNOWN",
                "Nothing in this export is of a kind that Forge reads.",
                f"{len(found.skipped)} files were looked at.",
                "See docs/quickstart.md for the exports it knows.",
            )
        self.database.ensure()
        self._guard_population(found.population)
        digest = archives.digest(path)
        partition = check_partition_key(f"{found.source}-{digest[:12]}")
        part = archives.set_part(Path(path).name)
        owner = subject or self._owner_of_set(part) or found.account or account or "me"
        known = self.get(partition)
        if known is not None:
            if known.subject != owner and subject is not None:
                raise UsageError(
                    "FORGE-EXPORT-OTHER-SUBJECT",
                    "This export is already registered under another subject.",
                    "One export belongs to one subject.",
                    "Leave --as out, or erase the first registration.",
                )
            self._join_set(partition, part)
            return known
        copy = archives.preserve(path, self.folder)
        with self.database.transaction() as connection:
            connection.execute(
                "insert into forge.exports (partition, sha256, source, subject, file, bytes, name)"
                " values (%s,%s,%s,%s,%s,%s,%s)"
                " on conflict (partition) do nothing",
                (partition, digest, found.source, owner, copy.name, copy.stat().st_size, Path(path).name),
            )
        self._join_set(partition, part)
        export = self.get(partition)
        assert export is not None  # inserted by us or by whoever was faster
        return Export(**{**export.__dict__, "new": True})

    def _owner_of_set(self, part: SetPart | None) -> str | None:
        if part is None:
            return None
        return self.database.value(
            "select subject from forge.exports join forge.sets using (partition) where sets.name = %s limit 1",
            (part.name,),
        )

    def _join_set(self, partition: str, part: SetPart | None) -> None:
        if part is not None:
            with self.database.transaction() as connection:
                connection.execute(
                    "insert into forge.sets values (%s, %s, %s, %s) on conflict (partition) do nothing",
                    (partition, part.name, part.part, part.total),
                )

    def sets(self) -> list[ExportSet]:
        """Exports that arrived in several archives, and which parts between the known ones are missing."""
        from forge_core.archives import missing

        rows = self.database.rows(
            "select name, array_agg(partition order by part), array_agg(part order by part), max(total)"
            " from forge.sets group by name order by name"
        )
        return [
            ExportSet(name, dict(zip(partitions, numbers, strict=True)), missing(numbers, total))
            for name, partitions, numbers, total in rows
        ]

    def _guard_population(self, population: str) -> None:
        with self.database.transaction() as connection:
            connection.execute(
                "insert into forge.home (population) values (%s) on conflict (only_row) do nothing",
                (population,),
            )
            there = connection.execute("select population from forge.home").fetchone()
        if there and there[0] != population:
            raise UsageError(
                "FORGE-POPULATION",
                f"This home holds a {there[0]} population, the export is {population}.",
                "What learns together must be of one population.",
                f"Open a second home: FORGE_HOME=.forge/{population.replace(':', '-')} forge ingest …",
            )

    def population(self) -> str | None:
        return self.database.value("select population from forge.home")

    def get(self, partition: str) -> Export | None:
        rows = self.database.rows(
            "select partition, source, subject, file, bytes, status, name from forge.exports where partition = %s",
            (partition,),
        )
        return self._export(rows[0]) if rows else None

    def all(self) -> list[Export]:
        rows = self.database.rows(
            "select partition, source, subject, file, bytes, status, name from forge.exports order by registered_at, 1"
        )
        return [self._export(row) for row in rows]

    def _export(self, row: tuple) -> Export:
        partition, source, subject, file, size, status, name = row
        population = self.population() or ""
        return Export(partition, source, subject, self.folder / file, size, status, population, name)

    def find(self, subject: str | None = None, source: str | None = None) -> list[Export]:
        """The exports of a subject, as named at ingest, of a source, or both."""
        return [e for e in self.all() if subject in (None, e.subject) and source in (None, e.source)]

    def erase(self, subject: str | None = None, source: str | None = None) -> list[str]:
        """Forget those exports and delete their copies; their rows are the database's to erase."""
        if subject is None and source is None:
            raise ValueError("erase needs a subject or a source")
        from forge_resources import staging

        found = self.find(subject, source)
        kept = {e.path for e in self.all()} - {e.path for e in found}
        for export in found:
            with self.database.transaction() as connection:
                staging.drop(connection, export.partition)
                for table in ("members", "publications", "sets", "exports"):
                    connection.execute(f"delete from forge.{table} where partition = %s", (export.partition,))
            if export.path not in kept:
                export.path.unlink(missing_ok=True)
        return [e.partition for e in found]

    def refuse(self, partition: str, error: ForgeError) -> None:
        """A bad export publishes nothing and says why; what other exports published stays."""
        with self.database.transaction() as connection:
            connection.execute(
                "update forge.exports set status = 'refused', code = %s, reason = %s where partition = %s",
                (error.code, f"{error.what} {error.why}".strip(), partition),
            )


def check_partition_key(key: str) -> str:
    """The key itself, if it has the form of one: nothing else is ever registered."""
    if not PARTITION_KEY.fullmatch(key):
        raise UsageError(
            "FORGE-PARTITION-KEY",
            "This is not the key of an export.",
            "Keys are made by Forge: <source>-<12 hexadecimal digits>.",
            "Register an export with `forge ingest PATH`.",
        )
    return key
