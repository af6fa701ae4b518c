"""Bringing a space up to date without building it anew, and giving back the vectors it already holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forge_resources.vectors import codes, spaces
from forge_resources.vectors.spaces import Content, Space

if TYPE_CHECKING:
    import psycopg

# of the rows; inserting into a graph costs some three times what building it in parallel does
REBUILD_FROM = 0.3


@dataclass(frozen=True)
class Merged:
    """What became of the rows; ``rebuilt`` says that the space was written anew."""

    added: int
    removed: int
    kept: int
    rebuilt: bool


def merge(connection: psycopg.Connection, space: str, content: Content, model: str) -> Merged:
    """The space holds exactly ``content`` when the transaction of ``connection`` ends."""
    spaces.lock(connection, space)
    line = spaces.find(connection, space)
    n = len(content.halves)
    if line is None:
        spaces.replace(connection, space, content, model, None)
        return Merged(n, 0, 0, True)
    line.expect(model, content.dimensions)
    if _columns(connection, space) != set(content.rows.column_names):
        spaces.replace(connection, space, content, model, None)
        return Merged(n, line.rows, 0, True)
    table = f"embeddings.{space}"
    spaces.create(connection, "coming", content, temporary=True)
    spaces.fill(connection, "coming", content)
    connection.execute("alter table coming add primary key (id)")
    connection.execute("analyze coming")
    columns = ", ".join(["vector", *content.rows.column_names])
    same = f"(({_row('c', columns)}) is not distinct from ({_row('t', columns)}))"
    connection.execute(
        "create temporary table same on commit drop as"
        f" select id from coming c join {table} t using (id) where {same}"
    )
    connection.execute("alter table same add primary key (id)")
    kept = _count(connection, "same")
    if (
        n - kept + line.rows - kept > REBUILD_FROM * max(n, 1)
        or spaces.kind_of_index(n, line.dimensions) != line.indexed
    ):
        spaces.replace(connection, space, content, model, None)
        return Merged(n - kept, line.rows - kept, kept, True)
    removed = connection.execute(
        f"delete from {table} t where not exists (select from same s where s.id = t.id)"
    ).rowcount
    filled = f"{columns}, code" if content.dimensions >= spaces.CODED_FROM else columns
    added = connection.execute(
        f"insert into {table} ({filled}) select {filled} from coming c"
        " where not exists (select from same s where s.id = c.id)"
    ).rowcount
    # the count that the trigger keeps goes on; the version is that of the content, however it came to be
    connection.execute("update forge.spaces set version = %s where space = %s", (content.version(), space))
    if added + removed > line.rows // 10:
        connection.execute(f"analyze {table}")
    return Merged(added, removed, kept, False)


def _row(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{column}" for column in columns.split(", "))


def _columns(connection: psycopg.Connection, space: str) -> set[str]:
    rows = connection.execute(
        "select column_name from information_schema.columns where table_schema = 'embeddings' and table_name = %s",
        (space,),
    )
    return {column for (column,) in rows} - {"number", "vector", "code"}


def _count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return row[0] if row else 0


def by_hash(connection: psycopg.Connection, space: Space, hashes: Sequence[str]) -> dict[str, np.ndarray]:
    """hash -> vector (d,) float32, as the space holds it; a vector without direction is zeros."""
    if "hash" not in _columns(connection, space.space):
        return {}
    rows = connection.execute(
        f"select distinct on (hash) hash, halfvec_send(vector) from embeddings.{space.space}"
        " where hash = any(%s) order by hash, number",
        (list(hashes),),
        binary=True,
    ).fetchall()
    nothing = codes.as_halfvec(np.zeros((1, space.dimensions), np.float16)).tobytes()
    sent = b"".join(vector or nothing for _, vector in rows)
    matrix = codes.from_halfvec(sent, space.dimensions).astype(np.float32)
    return {hash_: matrix[row] for row, (hash_, _) in enumerate(rows)}
