"""What became of each file of an export: imported, skipped or set aside, and why. Asked by the command and the UI.

File names can be personal, so they stay in the home's own database: the command and our own page read them
from there, and Dagster's event log never holds one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forge_resources.postgres import Database

if TYPE_CHECKING:
    from psycopg import Connection

    from forge_core.sources import MemberReport

ROUTE = "/forge/exports"  # where our webserver shows them
STATES = ("quarantined", "imported", "skipped")


@dataclass(frozen=True)
class Group:
    """Files of one export that fared alike."""

    state: str
    reader: str | None
    reason: str
    files: int
    rows: int


@dataclass(frozen=True)
class File:
    """One file of an export. ``broken`` and ``passed_over`` count its records by reason."""

    name: str
    state: str
    reader: str | None
    reason: str
    rows: int
    broken: Mapping[str, int]
    passed_over: Mapping[str, int]


class Outcomes:
    """The table ``forge.members``."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @staticmethod
    def record(connection: Connection, partition: str, members: Sequence[MemberReport]) -> None:
        """Replace what is known of an export's files, in the transaction that publishes its rows."""
        with connection.cursor() as cursor:
            cursor.execute("delete from forge.members where partition = %s", (partition,))
            cursor.executemany(
                "insert into forge.members (partition, member, reader, status, reason, rows, quarantined, reasons,"
                " passed_over, mended) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (
                        partition, m.member, m.reader, m.status, m.reason, sum(m.rows.values()),
                        sum(m.quarantined.values()), json.dumps(m.quarantined), json.dumps(m.passed_over),
                        json.dumps(m.mended),
                    )
                    for m in members
                ],
            )  # fmt: skip

    def groups(self, partition: str) -> list[Group]:
        """Files by what became of them, those set aside first."""
        return [
            Group(*row)
            for row in self.database.rows(
                "select status, reader, reason, count(*), sum(rows)::bigint from forge.members where partition = %s"
                " group by 1, 2, 3 order by array_position(%s, status), 4 desc, 2, 3",
                (partition, list(STATES)),
            )
        ]

    def records(self, partition: str) -> dict[str, dict[str, int]]:
        """Records by reason: ``broken`` ones, sound ones that are no events (``passed_over``), ``mended`` ones."""
        found: dict[str, dict[str, int]] = {"broken": {}, "passed_over": {}, "mended": {}}
        for what, reason, count in self.database.rows(
            "select what, key, sum(value::bigint)::bigint from forge.members,"
            " lateral (select 'broken', * from jsonb_each_text(reasons)"
            " union all select 'passed_over', * from jsonb_each_text(passed_over)"
            " union all select 'mended', * from jsonb_each_text(mended)) r(what, key, value)"
            " where partition = %s group by 1, 2 order by 3 desc, 2",
            (partition,),
        ):
            found[what][reason] = count
        return found

    def files(self, partition: str, state: str | None = None, limit: int = 500, skip: int = 0) -> list[File]:
        """The files themselves, those set aside first, then by name."""
        return [
            File(*row)
            for row in self.database.rows(
                "select member, status, reader, reason, rows, reasons, passed_over from forge.members"
                " where partition = %s and (%s::text is null or status = %s)"
                " order by array_position(%s, status), member limit %s offset %s",
                (partition, state, state, list(STATES), limit, skip),
            )
        ]

    def as_dict(self, partition: str) -> dict[str, Any]:
        """For ``--json``: how many files fared how, records by reason, and the names of those set aside."""
        return {
            "files": [group.__dict__ for group in self.groups(partition)],
            "records": self.records(partition),
            "set_aside": [
                {"file": file.name, "reason": file.reason} for file in self.files(partition, "quarantined")
            ],
        }
