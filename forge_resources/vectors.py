"""Vectors in PostgreSQL: pgvector tables with an HNSW index (Malkov & Yashunin 2018) and their exact twin.

Cosine distance throughout; vectors are stored normalised. Items are not personal, so an index of items
has nothing to erase by subject; it is rebuilt from what remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from forge_resources.postgres import Database

if TYPE_CHECKING:
    import psycopg

M, EF_CONSTRUCTION, EF_SEARCH = 16, 64, 100  # pgvector's defaults, and a search list that reaches recall 0.99


class Vectors:
    """Tables ``embeddings.<name>`` of (id, vector)."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def write(self, name: str, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Replace the table and its index in one transaction. ``vectors`` is float32 (n, dimensions)."""
        from pgvector.psycopg import register_vector

        table = f"embeddings.{name}"
        with self.database.transaction() as connection:
            register_vector(connection)
            connection.execute(f"drop table if exists {table}")
            connection.execute(
                f"create table {table} (id text primary key, vector vector({vectors.shape[1]}))"
            )
            with connection.cursor().copy(
                f"copy {table} (id, vector) from stdin with (format binary)"
            ) as copy:
                copy.set_types(["text", "vector"])
                for identifier, vector in zip(ids, vectors, strict=True):
                    copy.write_row((identifier, vector))
            connection.execute(
                f"create index on {table} using hnsw (vector vector_cosine_ops)"
                f" with (m = {M}, ef_construction = {EF_CONSTRUCTION})"
            )

    def near(self, name: str, item: str, k: int, exact: bool = False) -> list[tuple[str, float]]:
        """The ``k`` items nearest to ``item`` with their cosine similarity, itself left out."""
        with self.database.transaction() as connection:
            return self._near(connection, name, item, k, exact)

    def _near(
        self, connection: psycopg.Connection, name: str, item: str, k: int, exact: bool
    ) -> list[tuple[str, float]]:
        table = f"embeddings.{name}"
        connection.execute(f"set local hnsw.ef_search = {EF_SEARCH}")
        connection.execute("set local hnsw.iterative_scan = strict_order")
        connection.execute(f"set local enable_indexscan = {'off' if exact else 'on'}")
        rows = connection.execute(
            f"with asked as materialized (select vector from {table} where id = %s)"
            f" select id, 1 - (vector <=> (select vector from asked)) from {table}"
            " order by vector <=> (select vector from asked) limit %s",
            (item, k + 1),
        ).fetchall()
        return [(identifier, float(score)) for identifier, score in rows if identifier != item][:k]

    def recall(self, name: str, k: int = 10, sample: int = 200) -> float:
        """Share of the exact ``k`` nearest that the index finds, over a fixed sample of items."""
        with self.database.transaction() as connection:
            ids = [
                row[0]
                for row in connection.execute(
                    f"select id from embeddings.{name} order by md5(id) limit %s", (sample,)
                )
            ]
            shares = []
            for item in ids:
                true = {i for i, _ in self._near(connection, name, item, k, exact=True)}
                found = {i for i, _ in self._near(connection, name, item, k, exact=False)}
                shares.append(len(true & found) / len(true) if true else 1.0)
        return float(np.mean(shares)) if shares else 1.0

    def find(self, item: str) -> list[str]:
        """Names of the indexes that hold an item."""
        tables = self.database.rows(
            "select table_name from information_schema.columns where table_schema = 'embeddings'"
            " and column_name = 'vector' order by 1"
        )
        return [
            name
            for (name,) in tables
            if self.database.value(f"select exists (select from embeddings.{name} where id = %s)", (item,))
        ]

    def erase(self, item: str) -> list[str]:
        """Delete an item from every index that holds it."""
        found = self.find(item)
        with self.database.transaction() as connection:
            for name in found:
                connection.execute(f"delete from embeddings.{name} where id = %s", (item,))
        return found
