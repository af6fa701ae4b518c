"""Nearest rows by SQL: through the index and an exact rerank, or exactly over the rows a filter leaves.

A filter stands inside the query. Where it leaves few rows, reading just those is exact and quicker than walking a
graph of everything; where it leaves many, the walk goes on (iterative scan) until enough rows of it are found, and
if it ends before that the rows are read exactly after all. The encoder's name is compared in the same snapshot.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from forge_core.errors import UsageError
from forge_resources.postgres import Database, failed, unreachable
from forge_resources.vectors import codes, spaces
from forge_resources.vectors.filters import Condition, Filter, Words, condition
from forge_resources.vectors.spaces import Space

if TYPE_CHECKING:
    import psycopg

EVERYTHING = Filter()
# a walk reads rows in the order of the graph, an exact scan in the order of the table: dearer by this much a row
_WALKED_ROW = 4.0
_FILTERED_MORE = 2  # candidates: the rows a filter leaves lie further away, where a code tells less
KNOWN_S = 1.0
_GOES_ON = {True: "relaxed_order", False: "off"}
_SESSION = {
    "hnsw.max_scan_tuples": "200000",  # then the exact scan is quicker
    "hnsw.scan_mem_multiplier": "8",
}


class Hit(NamedTuple):
    """A row and its cosine similarity to what was asked."""

    id: str
    score: float


class Session:
    """A connection that is kept, what is set in it, and what it knows of spaces."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection, self.pid = connection, os.getpid()
        self.known: dict[str, tuple[Space, frozenset[str], float]] = {}
        self.settings: dict[str, str] = {}

    def space(self, name: str, fresh: bool = False) -> tuple[Space, frozenset[str]]:
        """The line and the columns of a space, at most a second old: every query compares the model itself."""
        known = self.known.get(name)
        if known and not fresh and time.monotonic() - known[2] < KNOWN_S:
            return known[:2]
        columns = self.connection.execute(
            "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
            (f"embeddings.{spaces.name(name)}",),
        )
        found = spaces.get(self.connection, name), frozenset(column for (column,) in columns)
        self.known[name] = (*found, time.monotonic())
        return found

    def walk(self, ef_search: int, on: bool) -> None:
        """How long the list of a walk is, and whether it goes on when a filter left too little of it.

        What a walk that may go on has to remember costs time, so that one without a filter does not.
        """
        for setting, value in (("hnsw.ef_search", str(ef_search)), ("hnsw.iterative_scan", _GOES_ON[on])):
            if self.settings.get(setting) != value:
                set_checked(self.connection, setting, value)
                self.settings[setting] = value


class Sessions:
    """One session per thread, so that statements stay prepared; a forked child makes its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._local = threading.local()

    @contextmanager
    def use(self) -> Iterator[Session]:
        """In autocommit. A connection that failed is not used again."""
        import psycopg

        session: Session | None = getattr(self._local, "session", None)
        try:
            if session is None or session.connection.closed or session.pid != os.getpid():
                session = self._local.session = self._open()
            yield session
        except psycopg.Error as error:
            if session is not None:
                session.connection.close()
            raise failed(type(error).__name__, error.sqlstate) from None

    def _open(self) -> Session:
        import psycopg
        from pgvector.psycopg import register_vector

        try:
            connection = psycopg.connect(self.database.url, options="-c timezone=UTC", autocommit=True)
        except psycopg.OperationalError:
            raise unreachable() from None
        connection.prepare_threshold = 1
        spaces.require_pgvector(connection)
        register_vector(connection)
        connection.execute(
            "select '[1]'::vector"
        )  # loads the library: before it, any setting is taken unchecked
        for setting, value in _SESSION.items():
            set_checked(connection, setting, value)
        return Session(connection)

    def close(self) -> None:
        """Ends this thread's connection."""
        session: Session | None = getattr(self._local, "session", None)
        if session is not None and session.pid == os.getpid():
            session.connection.close()
        self._local.session = None


def set_checked(connection: psycopg.Connection, setting: str, value: str) -> None:
    """Set for the session. An unknown or impossible value is an error; pgvector alone would only warn."""
    row = connection.execute("select set_config(%s, %s, false)", (setting, value)).fetchone()
    if row is None or row[0] != value:
        raise UsageError(
            "FORGE-INDEX-SETTING", f"The database did not take {setting}.", "pgvector is too old?"
        )


class Query:
    """One vector (d,) asked of one space."""

    def __init__(self, session: Session, space: Space, vector: np.ndarray) -> None:
        from pgvector import Bit, HalfVector

        self.session, self.connection, self.space = session, session.connection, space
        halves, directed = codes.normalised(vector.reshape(1, -1))
        self.directed = bool(directed[0])
        self.parameters: dict[str, Any] = {"vector": HalfVector(halves[0]), "model": space.model}
        if space.indexed == "code":
            packed = codes.packed(halves.astype(np.float32))
            self.parameters["code"] = Bit.from_binary(
                codes.as_bits(packed, codes.bits(space.dimensions)).tobytes()
            )

    def nearest(
        self, k: int, where: Condition, rerank: int | None = None, exact: bool = False
    ) -> list[Hit] | None:
        """The ``k`` nearest rows of the condition; None if the space is another's by now."""
        if not self.directed:
            return []
        if self.space.indexed == "none" or exact:
            return self._exact(k, where)
        wanted = max(rerank or self.space.rerank, k)
        if where.sql == "true":
            found, seen = self._walk(k, where, wanted)
            if found is None or seen == wanted:
                return found
            # rows that were deleted and not yet vacuumed away stood in the list
            found, seen = self._walk(k, where, wanted, goes_on=True)
            return found if found is None or len(found) == k else self._exact(k, where)
        wanted *= _FILTERED_MORE
        # reading m rows of n exactly, or walking past wanted * n / m of them
        left = self._estimate(where)
        if left * left <= _WALKED_ROW * wanted * self.space.rows:
            return self._exact(k, where)
        found, seen = self._walk(k, where, wanted, goes_on=True)
        return self._exact(k, where) if found is not None and seen < wanted else found

    def _exact(self, k: int, where: Condition) -> list[Hit] | None:
        # plus zero: no index can give this order
        return self._ask(
            f"select id, 1 - (vector <=> %(vector)s) from embeddings.{self.space.space}"
            f" where vector is not null and {where.sql} and {self._same()}"
            f" order by (vector <=> %(vector)s) + 0, id limit {k}",
            where,
        )

    def _walk(
        self, k: int, where: Condition, wanted: int, goes_on: bool = False
    ) -> tuple[list[Hit] | None, int]:
        self.session.walk(min(wanted, spaces.MOST_EF), goes_on or wanted > spaces.MOST_EF)
        order = "code <~> %(code)s" if self.space.indexed == "code" else "vector <=> %(vector)s"
        found = self._ask(
            f"with near as materialized (select id, vector <=> %(vector)s as distance"
            f" from embeddings.{self.space.space} where {where.sql} order by {order} limit {wanted})"
            " select id, 1 - distance, (select count(*) from near) from near"
            f" where {self._same()} order by distance, id limit {k}",
            where,
        )
        if found is None:
            return None, 0
        return [Hit(*row[:2]) for row in found], (found[0][2] if found else 0)

    def _same(self) -> str:
        return f"(select model from forge.spaces where space = '{self.space.space}') = %(model)s"

    def _ask(self, sql: str, where: Condition) -> Any:
        rows = self.connection.execute(sql, {**self.parameters, **where.parameters}, binary=True).fetchall()
        if not rows:
            now = spaces.find(self.connection, self.space.space)
            if now is None or (now.generation, now.model) != (self.space.generation, self.space.model):
                return None
        return [Hit(*row) if len(row) == 2 else row for row in rows]

    def _estimate(self, where: Condition) -> int:
        """Rows that the planner expects of the condition."""
        query = f"explain (format json) select from embeddings.{self.space.space} where {where.sql}"
        row = self.connection.execute(query, where.parameters, prepare=False).fetchone()
        assert row is not None  # EXPLAIN answers
        return int(row[0][0]["Plan"]["Plan Rows"])


def compiled(session: Session, space: Space, columns: frozenset[str], asked: Filter) -> Condition:
    """The SQL of a filter for this space; FORGE-FILTER-COLUMN where the space lacks what it asks by."""
    if missing := sorted(asked.needs() - columns):
        raise UsageError(
            "FORGE-FILTER-COLUMN",
            f"embeddings/{space.space} cannot be filtered by {', '.join(map(spaces.name, missing))}.",
            "Its rows do not have it.",
        )
    words = Words.read(session.connection, asked.purpose) if asked.purpose is not None else None
    return condition(asked, words)
