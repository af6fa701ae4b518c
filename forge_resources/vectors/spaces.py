"""A space: the table ``embeddings.<space>``, how it is filled and indexed, and its line in ``forge.spaces``.

The line says by which encoder the space was made, and a trigger keeps its row count and its count of changes true
whoever deletes rows. Vectors of two encoders never meet in one table: another model or dimension is refused (F-D13).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_core.errors import Refused, UsageError
from forge_resources.vectors import codes

if TYPE_CHECKING:
    import psycopg

PGVECTOR = (0, 8, 4)  # below it: a buffer overflow in parallel builds, indexes damaged by vacuum
M, EF_CONSTRUCTION = 16, 64  # pgvector's defaults: with 12 it builds faster and is slower at equal recall
EXACT_ROWS = 4_000  # a scan of so few takes two milliseconds, about what an index takes
CODED_FROM = 128  # dimensions; codes of fewer say too little, and half vectors are short by themselves
EF_SEARCH = 200  # until a space is tuned
MOST_EF = 1000  # the most that pgvector takes
WORKERS = 4
_GRAPH_OF_A_ROW = 420  # bytes of a node and its neighbours in memory while the graph is built, m = 16
_TYPES = {"string": "text", "large_string": "text", "bool": "boolean", "double": "float8", "float": "float4"}
_OWN = {"id", "number", "vector", "code"}
_NEVER_NULL = {"id", "subject", "source", "export"}  # what a filter or an erasure asks by


@dataclass(frozen=True)
class Space:
    """One line of ``forge.spaces``. ``indexed`` is ``none`` (exact scan), ``halfvec`` or ``code``."""

    space: str
    model: str
    dimensions: int
    rows: int
    indexed: str
    ef_search: int
    rerank: int
    recall: float | None
    version: str
    generation: int
    changes: int

    def expect(self, model: str | None, dimensions: int | None = None) -> None:
        """FORGE-INDEX-MODEL where ``model`` or ``dimensions`` is not what the space was made with."""
        if (model is None or model == self.model) and dimensions in (None, self.dimensions):
            return
        why = (
            f"It was made with {self.model} ({self.dimensions} dimensions); this is {model or self.model}"
            f" ({dimensions or self.dimensions} dimensions). Their vectors cannot be compared."
        )
        raise Refused(
            "FORGE-INDEX-MODEL",
            f"The index embeddings/{self.space} was made by another encoder.",
            why,
            f"Rebuild it with `forge build embeddings/{self.space}`.",
        )


_COLUMNS = ", ".join(Space.__dataclass_fields__)


def name(word: str) -> str:
    """A space or column name that may stand in SQL."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", word):
        raise UsageError(
            "FORGE-SPACE-NAME", "This cannot name a space or a column.", "Lower case, digits and _."
        )
    return word


def find(connection: psycopg.Connection, space: str) -> Space | None:
    """The line of a space, or None."""
    row = connection.execute(f"select {_COLUMNS} from forge.spaces where space = %s", (space,)).fetchone()
    return Space(*row) if row else None


def get(connection: psycopg.Connection, space: str) -> Space:
    found = find(connection, space)
    if found is None:
        raise UsageError(
            "FORGE-SPACE-UNKNOWN",
            f"There is no index embeddings/{name(space)}.",
            "It is not built yet.",
            f"Build it with `forge build embeddings/{space}`.",
        )
    return found


def require_pgvector(connection: psycopg.Connection) -> None:
    """FORGE-PGVECTOR-VERSION where the server's pgvector is older than 0.8.4."""
    row = connection.execute("select extversion from pg_extension where extname = 'vector'").fetchone()
    version = row[0] if row else "none"
    if tuple(int(part) for part in re.findall(r"\d+", version)[:3]) < PGVECTOR:
        wanted = ".".join(map(str, PGVECTOR))
        raise Refused(
            "FORGE-PGVECTOR-VERSION",
            f"pgvector {wanted} or newer is needed; the database has {version}.",
            "Older releases can damage an index when it is built in parallel or vacuumed.",
            "Install it and run `alter extension vector update`.",
        )


def lock(connection: psycopg.Connection, space: str) -> None:
    """One writer of a space at a time; until the transaction ends."""
    connection.execute("select pg_advisory_xact_lock(hashtextextended('forge.spaces ' || %s, 0))", (space,))


@dataclass(frozen=True)
class Content:
    """What a space is to hold, in the order of its table."""

    rows: pa.Table
    halves: np.ndarray  # (n, d) float16
    directed: np.ndarray  # (n,) bool: has a direction at all

    @classmethod
    def of(cls, rows: pa.Table, vectors: np.ndarray) -> Content:
        """Checked, normalised, and sorted so that rows a filter asks for together lie together."""
        if rows.num_rows != len(vectors):
            raise ValueError(f"{rows.num_rows} rows and {len(vectors)} vectors")
        for column in rows.column_names:
            name(column)
        if "id" not in rows.column_names or (_OWN - {"id"}) & set(rows.column_names):
            raise ValueError(f"a space needs a column id, and none of {sorted(_OWN - {'id'})}")
        for column in _NEVER_NULL & set(rows.column_names):
            if rows[column].null_count:
                raise ValueError(f"{column} is null in some rows")
        halves, directed = codes.normalised(vectors)
        order = [c for c in ("subject", "source", "time", "id") if c in rows.column_names]
        place = pc.sort_indices(rows, sort_keys=[(c, "ascending") for c in order])
        return cls(rows.take(place), *(part[place.to_numpy()] for part in (halves, directed)))

    @property
    def dimensions(self) -> int:
        return self.halves.shape[1]

    def version(self) -> str:
        """A hash of ids, columns and vectors: the data version of the asset."""
        digest = hashlib.sha256(self.halves.tobytes())
        for column in self.rows.column_names:
            digest.update(f"\x1e{column}\x1e".encode())
            digest.update(
                "\x1f".join(map(str, self.rows[column].to_pylist())).encode("utf-8", "surrogatepass")
            )
        return digest.hexdigest()[:16]

    def lines(self, coded: bool, block: int = 20_000) -> Iterator[tuple]:
        """(vector, [code,] columns …), each vector and code in PostgreSQL's binary form."""
        length = codes.bits(self.dimensions)
        for start in range(0, len(self.halves), block):
            halves = self.halves[start : start + block]
            parts: list[list[Any]] = [_split(codes.as_halfvec(halves))]
            if coded:
                parts.append(_split(codes.as_bits(codes.packed(halves.astype(np.float32)), length)))
            if not self.directed[start : start + block].all():  # no direction, no vector
                for part in parts:
                    for row in np.flatnonzero(~self.directed[start : start + block]):
                        part[row] = None
            parts += [column.to_pylist() for column in self.rows.slice(start, block).columns]
            yield from zip(*parts, strict=True)


def _split(rows: np.ndarray) -> list[Any]:
    sent, width = rows.tobytes(), rows.shape[1]
    return [sent[at : at + width] for at in range(0, len(sent), width)]


def kind_of_index(rows: int, dimensions: int) -> str:
    """``none`` for few rows, ``halfvec`` for few dimensions, else ``code``; see benchmarks/vectors.py."""
    if rows < EXACT_ROWS:
        return "none"
    return "halfvec" if dimensions < CODED_FROM else "code"


def create(connection: psycopg.Connection, table: str, content: Content, temporary: bool = False) -> None:
    """An empty table of the shape of ``content``; ``number`` tells rows apart that share an id over time."""
    dimensions, coded = content.dimensions, content.dimensions >= CODED_FROM
    declared = ["number bigint generated always as identity", f"vector halfvec({dimensions})"]
    if coded:
        declared.append(f"code bit({codes.bits(dimensions)})")
    for field in content.rows.schema:
        null = " not null" if field.name in _NEVER_NULL else ""
        declared.append(f"{field.name} {_type(field.type)}{null}")
    word = "temporary table" if temporary else "table"
    connection.execute(f"create {word} {table} ({', '.join(declared)})" + " on commit drop" * temporary)
    if dimensions <= 2000:  # a vector that fits a page stays in its row: rerank and exact scan read it there
        connection.execute(f"alter table {table} alter column vector set storage plain")


def fill(connection: psycopg.Connection, table: str, content: Content) -> None:
    """Binary COPY; vectors and codes go as the bytes that the server keeps."""
    coded = content.dimensions >= CODED_FROM
    columns = ["vector", *(["code"] if coded else []), *content.rows.column_names]
    types = ["bytea"] * (1 + coded) + [_type(field.type) for field in content.rows.schema]
    with connection.cursor().copy(
        f"copy {table} ({', '.join(columns)}) from stdin with (format binary)"
    ) as copy:
        copy.set_types(types)
        for line in content.lines(coded):
            copy.write_row(line)


def index(connection: psycopg.Connection, table: str, content: Content, indexed: str) -> None:
    """Primary key, the index of filters, and the graph, built in parallel in memory."""
    stem = table.partition(".")[2]
    rows, width = (
        len(content.halves),
        {"none": 0, "halfvec": 2 * content.dimensions}.get(indexed, codes.bits(content.dimensions) // 8),
    )
    graph = (rows * (width + _GRAPH_OF_A_ROW) * 5 // 4 >> 20) + 64
    connection.execute(
        "select set_config('maintenance_work_mem', %s, true)", (f"{min(max(graph, 256), 16_000)}MB",)
    )
    connection.execute(f"set local max_parallel_maintenance_workers = {WORKERS}")
    connection.execute(f"alter table {table} add constraint {stem}_id primary key (id)")
    filters = [c for c in ("subject", "source", "time") if c in content.rows.column_names]
    if filters:
        connection.execute(f"create index {stem}_filter on {table} ({', '.join(filters)})")
    if filters[-1:] == ["time"] and len(filters) > 1:
        connection.execute(f"create index {stem}_time on {table} (time)")
    if indexed != "none":
        which = "vector halfvec_cosine_ops" if indexed == "halfvec" else "code bit_hamming_ops"
        connection.execute(
            f"create index {stem}_near on {table} using hnsw ({which})"
            f" with (m = {M}, ef_construction = {EF_CONSTRUCTION})"
        )


def watch(connection: psycopg.Connection, table: str) -> None:
    """From now on ``forge.spaces`` counts what becomes of the rows of this table."""
    for event, seen in (
        ("insert", "new table as come"),
        ("delete", "old table as gone"),
        ("update", ""),
        ("truncate", ""),
    ):
        connection.execute(
            f"create trigger space_{event} after {event} on {table} {f'referencing {seen}' if seen else ''}"
            " for each statement execute function forge.space_changed()"
        )


def replace(
    connection: psycopg.Connection, space: str, content: Content, model: str, indexed: str | None
) -> None:
    """The whole of a space, all at the end of the caller's transaction; readers go on with the old one until then."""
    lock(connection, space)
    indexed = indexed or kind_of_index(len(content.halves), content.dimensions)
    draft, table = f"embeddings.{space}__new", f"embeddings.{space}"
    create(connection, draft, content)
    fill(connection, draft, content)
    index(connection, draft, content, indexed)
    connection.execute(f"analyze {draft}")
    watch(connection, draft)
    connection.execute(f"drop table if exists {table}")
    connection.execute(f"alter table {draft} rename to {space}")
    named = connection.execute(
        "select indexname from pg_indexes where schemaname = 'embeddings' and tablename = %s", (space,)
    )
    for (old,) in named.fetchall():
        connection.execute(f"alter index embeddings.{old} rename to {old.replace('__new_', '_')}")
    line: Mapping[str, Any] = {
        "space": space, "model": model, "dimensions": content.dimensions, "rows": len(content.halves),
        "indexed": indexed, "ef_search": EF_SEARCH, "rerank": EF_SEARCH, "version": content.version(),
    }  # fmt: skip
    connection.execute(
        f"insert into forge.spaces ({', '.join(line)}) values ({', '.join(f'%({c})s' for c in line)})"
        f" on conflict (space) do update set {', '.join(f'{c} = excluded.{c}' for c in line if c != 'space')},"
        " recall = null, generation = spaces.generation + 1, changes = spaces.changes + 1, built_at = now()",
        line,
    )


def _type(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamptz"
    if pa.types.is_integer(kind):
        return "int8"
    found = _TYPES.get(str(kind))
    if found is None:
        raise TypeError(f"a space keeps no {kind}")
    return found
