"""Who may be used for what: the consent of subjects and sources, per purpose."""

from __future__ import annotations

import hashlib

from forge_core import keys
from forge_core.errors import UsageError
from forge_resources.postgres import Database


class Consent:
    """The table ``governance.consent``; ``*`` stands for every subject or every source of the home."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def set(self, purpose: str, state: str, granted_by: str, subject: str = "*", source: str = "*") -> None:
        """Record ``granted`` or ``denied``; ``subject`` is a pseudonym or ``*``. The same again changes nothing."""
        if purpose not in keys.PURPOSES or state not in ("granted", "denied"):
            raise UsageError(
                "FORGE-CONSENT-WORD",
                "Unknown purpose or state.",
                f"Purposes are {', '.join(keys.PURPOSES)}; states are granted and denied.",
            )
        with self.database.transaction() as connection:
            connection.execute(
                "insert into governance.consent (purpose, subject, source, state, granted_by)"
                " values (%s, %s, %s, %s, %s) on conflict (purpose, subject, source) do update"
                " set state = excluded.state, granted_by = excluded.granted_by, at = now()"
                " where consent.state <> excluded.state",
                (purpose, subject, source, state, granted_by),
            )

    def grant_all(self, granted_by: str) -> None:
        for purpose in keys.PURPOSES:
            self.set(purpose, "granted", granted_by)

    def rows(self, purpose: str) -> list[tuple[str, str, str, str]]:
        """(subject, source, state, granted by) of one purpose, expired ones as ``expired``."""
        return self.database.rows(
            "select subject, source, case when expires < now() then 'expired' else state end, granted_by"
            " from governance.consent where purpose = %s order by 1, 2",
            (purpose,),
        )

    def version(self, purpose: str) -> str:
        """A hash of what is granted: the data version of ``governance/consent/<purpose>``."""
        granted = [(subject, source, state) for subject, source, state, _ in self.rows(purpose)]
        return hashlib.sha256(repr(granted).encode()).hexdigest()[:16]

    def find(self, subject: str | None = None, source: str | None = None) -> int:
        """How many words speak of this subject (a pseudonym) or source by name."""
        return len(self._named(subject, source))

    def erase(self, subject: str | None = None, source: str | None = None) -> int:
        """Forget those words; what was said for everybody stays."""
        named = self._named(subject, source)
        with self.database.transaction() as connection, connection.cursor() as cursor:
            cursor.executemany(
                "delete from governance.consent where purpose = %s and subject = %s and source = %s", named
            )
        return len(named)

    def _named(self, subject: str | None, source: str | None) -> list[tuple]:
        asked = {c: v for c, v in {"subject": subject, "source": source}.items() if v is not None}
        if not asked or "*" in asked.values():
            raise ValueError("name a subject or a source")
        where = " and ".join(f"{column} = %s" for column in asked)
        query = f"select purpose, subject, source from governance.consent where {where}"
        return self.database.rows(query, tuple(asked.values()))

    def any_recorded(self) -> bool:
        return bool(self.database.value("select exists (select from governance.consent)"))


def allowed(subject: str, source: str, purpose: str | None = None) -> str:
    """SQL condition: ``subject`` (a pseudonym) and ``source``, both column expressions, may be used.

    With a purpose, for that purpose; without, for at least one. A row that names the subject or the
    source beats one that says ``*``: the most particular word counts, and a denial beats a grant.
    """
    if purpose is not None and purpose not in keys.PURPOSES:
        raise ValueError(purpose)
    which = "true" if purpose is None else f"c.purpose = '{purpose}'"
    return f"""exists (select from (
        select distinct on (c.purpose) c.purpose, c.state from governance.consent c
        where {which} and c.subject in ('*', {subject}) and c.source in ('*', {source})
          and (c.expires is null or c.expires > now())
        order by c.purpose, (c.subject <> '*')::int + (c.source <> '*')::int desc, c.state
      ) word where word.state = 'granted')"""
