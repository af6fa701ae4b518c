"""From raw to clean inside PostgreSQL: consent decides which rows, the identifier class how a column changes."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from forge_core import events
from forge_core.events import Column, Identifier
from forge_core.privacy.pseudonyms import Pseudonymiser
from forge_resources.consent import allowed
from forge_resources.postgres import Database

CELL_DIGITS = 2  # a hundredth of a degree: about a kilometre north to south


def rebuild_clean(database: Database, pseudonyms: Pseudonymiser, kind: str) -> None:
    """Replace ``clean.<kind>`` in one transaction by what consent lets through."""
    with database.transaction() as connection:
        keyed = [c for c in events.columns(kind) if pseudonyms.for_class(c.identifier)]
        for column in keyed:
            replace = pseudonyms.for_class(column.identifier)
            assert replace is not None
            _tokens(connection, kind, column, replace)
        joins = "".join(
            f" left join tokens_{c.name} on tokens_{c.name}.plain = r.{c.name}"
            for c in keyed
            if c.type == "text"
        )
        names = ", ".join(c.name for c in events.columns(kind))
        values = ", ".join(_value(c, c in keyed) for c in events.columns(kind))
        connection.execute(f"drop table if exists clean.{kind}")
        connection.execute(events.create_table(kind, "clean"))
        connection.execute(
            f"insert into clean.{kind} ({names}) select {values} from raw.{kind} r{joins}"
            f" join (select subject, source from (select distinct t.token subject, s.source from"
            f" (select distinct subject, source from raw.{kind}) s join tokens_subject t on t.plain = s.subject) pair"
            f" where {allowed('pair.subject', 'pair.source')}) consented"
            f" on consented.subject = tokens_subject.token and consented.source = r.source"
        )
        connection.execute(f"analyze clean.{kind}")


def _tokens(connection: psycopg.Connection, kind: str, column: Column, replace: Callable[[str], str]) -> None:
    """A temporary table from each plain value of a column to its token: one HMAC per distinct value."""
    value = f"unnest({column.name})" if column.type == "texts" else column.name
    plain = connection.execute(f"select distinct {value} from raw.{kind}").fetchall()
    connection.execute(
        f"create temp table tokens_{column.name} (plain text primary key, token text) on commit drop"
    )
    with connection.cursor().copy(f"copy tokens_{column.name} from stdin") as copy:
        for (text,) in plain:
            if text is not None:
                copy.write_row((text, replace(text)))
    connection.execute(f"analyze tokens_{column.name}")


def _value(column: Column, keyed: bool) -> str:
    if keyed and column.type == "texts":
        return (
            f"(select array_agg(t.token order by u.place) from unnest(r.{column.name}) with ordinality u(plain, place)"
            f" join tokens_{column.name} t on t.plain = u.plain)"
        )
    if keyed:
        return f"tokens_{column.name}.token"
    if column.identifier is Identifier.PLACE:
        return f"round(r.{column.name}::numeric, {CELL_DIGITS})::float8"
    return f"r.{column.name}"
