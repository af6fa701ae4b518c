"""The sections of the ingest benchmark that write into PostgreSQL: the embedded server, in a home of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.arms.load_rows import SHAPES
from benchmarks.harness import Arm, Result
from benchmarks.ingest_reading import Setup

LOADED = {
    "ours": ("adbc", None, "ADBC, Arrow to binary COPY"),
    "pandas.to_sql": ("to_sql", "postgres", "2.3.3 with SQLAlchemy and psycopg2, pages of 10,000 values"),
    "pandas.to_sql multi": ("to_sql_multi", "postgres", "method='multi' with chunksize, psycopg2"),
    "psycopg executemany": ("executemany", "postgres", "3.3.9 with the C extension, pipelined"),
}


@contextmanager
def database(setup: Setup) -> Iterator[Any]:
    """The embedded PostgreSQL of a fresh home."""
    from forge_resources.postgres import Database
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack

    home = setup.scratch / "home"
    with Stack(load_settings(home=home)) as stack:
        found = Database(stack.environment()["POSTGRES_URL"])
        found.ensure()
        yield found


def load(setup: Setup, shape: str, rows: int) -> dict[str, Any]:
    rows = int(rows * setup.scale)
    columns = ", ".join(f"{name} {kind}" for name, kind in SHAPES[shape].items())
    best: dict[str, Result] = {}
    with database(setup) as pg:
        for turn in range(setup.repeat):
            for name, (method, peer, options) in LOADED.items():
                if turn and name != "ours":
                    continue  # minutes each; a second turn is for the arm that takes a second
                with pg.transaction() as connection:
                    connection.execute(f"drop table if exists load_{shape}")
                    connection.execute(f"create table load_{shape} ({columns})")
                arm = Arm("load_rows", (pg.url, shape, rows, method), peer, more={"options": options})
                result = harness.in_turn({name: arm}, 1, setup.home)[name]
                if "failed" not in result:
                    result["content"] = content(pg, shape)
                if name not in best or result.get("seconds", 1e9) < best[name].get("seconds", 1e9):
                    best[name] = result
    told = {result["content"] for result in best.values() if "content" in result}
    peers = [name for name in LOADED if name != "ours"]
    return {
        "rows": rows,
        "columns": SHAPES[shape],
        "same_content": len(told) == 1,
        "arms": best,
        "times_faster_than": {name: harness.ratio(best[name], best["ours"]) for name in peers},
    }


def content(pg: Any, shape: str) -> str:
    """The rows that are stored, whatever their order."""
    query = f"select count(*) || '-' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) from load_{shape} t"
    return str(pg.value(query))


def load_five_columns(setup: Setup) -> dict[str, Any]:
    return load(setup, "five", 1_000_000)


def load_raw_schema(setup: Setup) -> dict[str, Any]:
    return load(setup, "raw", 300_000)


def file_to_postgres(setup: Setup) -> dict[str, Any]:
    """Records.json into raw by ``publish``, into staging alone, and into a table by ijson and COPY."""
    from forge_resources.exports import Exports

    path, size, events = setup.file("records", 200)
    mark = path.parent / "forge-synthetic.json"
    mark.write_text('{"synthetic": true}')
    arms_of: dict[str, Callable[[str, str], Arm]] = {
        "ours, into raw": lambda url, key: Arm("publish", (url, setup.scratch / "home", key, "raw")),
        "ours, staging alone": lambda url, key: Arm("publish", (url, setup.scratch / "home", key, "staging")),
        "ijson + COPY text": lambda url, key: Arm("ijson_copy", (path, url), "postgres"),
    }
    best: dict[str, Result] = {}
    with database(setup) as pg:
        for _ in range(setup.repeat):
            for name, make in arms_of.items():
                key = fresh(pg, Exports(pg, setup.scratch / "home"), path.parent)
                result = harness.in_turn({name: make(pg.url, key)}, 1, setup.home, size)[name]
                if name not in best or result.get("seconds", 1e9) < best[name].get("seconds", 1e9):
                    best[name] = result
    peer = best["ijson + COPY text"]
    ours, staging = best["ours, into raw"], best["ours, staging alone"]
    return {
        "bytes": size,
        "events_written": events,
        "arms": best,
        "times_faster_than": {"ijson + COPY text": harness.ratio(peer, ours)},
        "staging_alone_times_faster_than": {"ijson + COPY text": harness.ratio(peer, staging)},
    }


def fresh(pg: Any, exports: Any, folder: Path) -> str:
    """An export that is registered and not published, an empty table for the peer; the partition key."""
    key = str(exports.register(folder).partition)
    from forge_resources.staging import drop

    with pg.transaction() as connection:
        drop(connection, key)
        connection.execute("truncate raw.place")
        connection.execute("update forge.exports set status = 'registered', published_at = null")
        connection.execute("delete from forge.publications")
        connection.execute("drop table if exists load_points")
        connection.execute(
            "create table load_points (time timestamptz, latitude double precision,"
            " longitude double precision, accuracy double precision)"
        )
        connection.commit()
    return key


SECTIONS: dict[str, Callable[[Setup], dict[str, Any]]] = {
    "load_five_columns": load_five_columns,
    "load_raw_schema": load_raw_schema,
    "file_to_postgres": file_to_postgres,
}
