"""Vectors in PostgreSQL: spaces (tables of vectors), written whole or by what changed, and searched by cosine.

A space of a few thousand rows is scanned; a larger one has an HNSW graph (Malkov and Yashunin 2018) over short codes
of bits, whose candidates are ranked again by the vectors themselves. :mod:`.spaces` keeps the tables, :mod:`.searching`
asks them, :mod:`.tuning` finds how many candidates a recall target needs; :mod:`forge_resources.near` serves a
space from memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from forge_core.errors import UsageError
from forge_resources.postgres import Database
from forge_resources.vectors import merging, spaces, tuning
from forge_resources.vectors.filters import Filter
from forge_resources.vectors.searching import EVERYTHING, Hit, Query, Sessions, compiled
from forge_resources.vectors.spaces import EF_CONSTRUCTION, Content, M, Space
from forge_resources.vectors.tuning import Tuning

__all__ = ["EF_CONSTRUCTION", "EVERYTHING", "Filter", "Hit", "M", "Space", "Tuning", "Vectors"]


class Vectors:
    """Tables ``embeddings.<space>`` of id, vector and what the caller adds (subject, source, export, time, hash …)."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.sessions = Sessions(database)

    def write(
        self, space: str, rows: pa.Table, vectors: np.ndarray, model: str, indexed: str | None = None
    ) -> Space:
        """Replace a space and its index in one transaction; readers see the old one until it is done.

        ``rows`` has a string column ``id`` (unique) and any others; ``vectors`` is float32 (n, d) of the encoder
        ``model``, normalised here. ``indexed`` (``none``, ``halfvec``, ``code``) is chosen by size if not given.
        """
        content = Content.of(rows, vectors)
        with self.database.transaction() as connection:
            spaces.require_pgvector(connection)
            spaces.replace(connection, spaces.name(space), content, model, indexed)
            return spaces.get(connection, space)

    def merge(self, space: str, rows: pa.Table, vectors: np.ndarray, model: str) -> merging.Merged:
        """Make a space hold exactly ``rows``: adds, deletes and replaces what differs and keeps the index.

        Where there is no space yet, its columns differ or much changed, it is written anew. Another model or
        dimension than the space was made with is refused (FORGE-INDEX-MODEL).
        """
        content = Content.of(rows, vectors)
        with self.database.transaction() as connection:
            spaces.require_pgvector(connection)
            return merging.merge(connection, spaces.name(space), content, model)

    def space(self, space: str) -> Space | None:
        """What is known of a space; None where there is none."""
        with self.sessions.use() as session:
            return spaces.find(session.connection, space)

    def reusable(self, space: str, model: str, hashes: Sequence[str]) -> dict[str, np.ndarray]:
        """Vectors (d,) float32 that the space already holds for these content hashes, made by the same model."""
        with self.sessions.use() as session:
            found = spaces.find(session.connection, space)
            if found is None or found.model != model or not hashes:
                return {}
            return merging.by_hash(session.connection, found, hashes)

    def search(
        self,
        space: str,
        vector: np.ndarray,
        k: int = 10,
        filter: Filter = EVERYTHING,
        model: str | None = None,
    ) -> list[Hit]:
        """The ``k`` rows nearest to ``vector`` (d,) among those the filter leaves, nearest first.

        ``model`` names the encoder of ``vector``; another than the space's is refused (FORGE-INDEX-MODEL).
        """
        vector = np.asarray(vector, np.float32)
        with self.sessions.use() as session:
            for fresh in (False, True):
                line, columns = session.space(space, fresh)
                if (model not in (None, line.model) or vector.shape != (line.dimensions,)) and not fresh:
                    continue  # what is known may be a second old
                line.expect(model, len(vector))
                where = compiled(session, line, columns, filter)
                found = Query(session, line, vector).nearest(k, where)
                if found is not None:
                    return found
        return []

    def near(self, space: str, item: str, k: int, filter: Filter = EVERYTHING) -> list[Hit]:
        """The ``k`` rows nearest to row ``item``, itself left out; none where it is not in the space."""
        with self.sessions.use() as session:
            line, _ = session.space(space)
            row = session.connection.execute(
                f"select vector from embeddings.{line.space} where id = %s and vector is not null",
                (item,),
                binary=True,
            ).fetchone()
        if row is None:
            return []
        hits = self.search(space, row[0].to_numpy().astype(np.float32), k + 1, filter, line.model)
        return [hit for hit in hits if hit.id != item][:k]

    def mean(self, space: str, ids: Sequence[str]) -> np.ndarray | None:
        """(d,) float32: the mean of the vectors of these rows; None where none of them is in the space."""
        with self.sessions.use() as session:
            line, _ = session.space(space)
            row = session.connection.execute(
                f"select avg(vector) from embeddings.{line.space} where id = any(%s)",
                (list(ids),),
                binary=True,
            ).fetchone()
        return None if row is None or row[0] is None else row[0].to_numpy().astype(np.float32)

    def recall(self, space: str, k: int = 10, sample: int = 200) -> float:
        """Share of the exact ``k`` nearest that a search finds, over a fixed sample of rows."""
        with self.sessions.use() as session:
            line, _ = session.space(space, fresh=True)
            return tuning.recall(session, line, k, sample)

    def tune(self, space: str, target: float = 0.99, filtered: float = 0.95, sample: int = 200) -> Tuning:
        """Raise the number of candidates until recall@10 reaches the target, and store it; see :mod:`.tuning`."""
        with self.sessions.use() as session:
            line, _ = session.space(space, fresh=True)
            found = tuning.tune(session, line, target, filtered, sample)
            session.known.pop(space, None)
            return found

    def find(
        self, item: str | None = None, subject: str | None = None, source: str | None = None
    ) -> list[str]:
        """Names of the spaces that hold an item, or rows of a subject or a source."""
        asked = _asked(item, subject, source)
        where = " and ".join(f"{column} = %s" for column in asked)
        return [
            space
            for space in self._spaces_with(asked)
            if self.database.value(
                f"select exists (select from embeddings.{space} where {where})", tuple(asked.values())
            )
        ]

    def erase(
        self, item: str | None = None, subject: str | None = None, source: str | None = None
    ) -> list[str]:
        """Delete an item, or the rows of a subject or a source, from every space that holds them."""
        asked = _asked(item, subject, source)
        where = " and ".join(f"{column} = %s" for column in asked)
        found = self.find(item, subject, source)
        with self.database.transaction() as connection:
            for space in found:
                connection.execute(f"delete from embeddings.{space} where {where}", tuple(asked.values()))
        return found

    def _spaces_with(self, columns: Mapping[str, Any]) -> list[str]:
        rows = self.database.rows(
            "select table_name from information_schema.columns where table_schema = 'embeddings'"
            " and column_name = any(%s) group by 1 having count(*) = %s order by 1",
            (["vector", *columns], 1 + len(columns)),
        )
        return [spaces.name(space) for (space,) in rows]


def _asked(item: str | None, subject: str | None, source: str | None) -> dict[str, str]:
    asked = {c: v for c, v in {"id": item, "subject": subject, "source": source}.items() if v is not None}
    if not asked:
        raise UsageError("FORGE-ERASE-NOTHING", "Name an item, a subject or a source.")
    return asked
