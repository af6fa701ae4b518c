"""What people said of insights: an alert was seen or false, a statement about them is wrong."""

from __future__ import annotations

from datetime import datetime

from forge_core import keys
from forge_resources.postgres import Database

TABLE = keys.table(keys.FEEDBACK)


class Feedback:
    """The table ``governance.feedback``: a word on an item, which stays until another follows; nothing is deleted."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(
        self, about: str, item: str, verdict: str, time: datetime, subject: str, source: str, export: str
    ) -> None:
        """``about``: ``alert`` or ``statement``; subject, source and export are those of the item."""
        with self.database.transaction() as connection:
            connection.execute(
                f"insert into {TABLE} (about, item, verdict, time, subject, source, export)"
                " values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
                (about, item, verdict, time, subject, source, export),
            )

    def counts(self) -> dict[str, int]:
        """Words by what they are about and what they say."""
        query = f"select about || ' ' || verdict, count(*) from {TABLE} group by 1 order by 1"
        return dict(self.database.rows(query))

    def version(self) -> str:
        """A hash of all that was said: the data version of ``governance/feedback``."""
        return self.database.content_version(TABLE)
