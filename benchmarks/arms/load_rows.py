"""Rows into PostgreSQL: ``load_rows URL SHAPE ROWS METHOD``. Making the rows is not timed; the commit is.

SHAPE is ``five`` (columns) or ``raw`` (the columns of raw.watch that a reader fills). METHOD is ``adbc`` (ours),
``to_sql``, ``to_sql_multi`` or ``executemany``. All load into the same table, which exists and is empty.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import numpy as np

from benchmarks.arms import measure

SHAPES = {
    "five": {"item": "text", "time": "timestamptz", "rating": "double precision", "views": "bigint",
             "title": "text"},
    "raw": {"subject": "text", "item": "text", "time": "timestamptz", "zone": "text", "time_flag": "text",
            "sequence": "bigint", "title": "text", "channel": "text", "channel_id": "text",
            "categories": "text[]", "url": "text", "rating": "double precision"},
}  # fmt: skip
MULTI_ROWS = {"five": 10_000, "raw": 2_500}  # psycopg2 has no limit of 65,535 parameters; more is not faster


def columns(shape: str, rows: int) -> dict[str, list[Any]]:
    """Python values by column; ``time`` is microseconds since 1970."""
    rng = np.random.default_rng(7)
    numbers = rng.integers(0, 50_000, rows).tolist()
    times = (1_500_000_000_000_000 + np.cumsum(rng.integers(1_000_000, 90_000_000, rows))).tolist()
    made: dict[str, list[Any]] = {
        "item": [f"youtube:SYN{n:08d}" for n in numbers],
        "time": times,
        "rating": rng.random(rows).tolist(),
        "views": rng.integers(0, 1 << 40, rows).tolist(),
        "title": [f"Synthetic title number {n} of a film" for n in numbers],
    }
    if shape == "raw":
        made |= {
            "subject": ["me"] * rows,
            "zone": [None] * rows,
            "time_flag": [None] * rows,
            "sequence": list(range(rows)),
            "channel": [f"Synthetic channel {n % 977}" for n in numbers],
            "channel_id": [f"UC{n % 977:022d}" for n in numbers],
            "categories": [None] * rows,
            "url": [f"https://www.youtube.com/watch?v=SYN{n:08d}" for n in numbers],
        }
    return {name: made[name] for name in SHAPES[shape]}


def adbc(url: str, shape: str, made: dict[str, list[Any]]) -> None:
    import pyarrow as pa

    from forge_resources.postgres import Database

    kinds = {"text": pa.string(), "timestamptz": pa.timestamp("us", "UTC"), "double precision": pa.float64(),
             "bigint": pa.int64(), "text[]": pa.list_(pa.string())}  # fmt: skip
    table = pa.table({n: pa.array(made[n], kinds[kind]) for n, kind in SHAPES[shape].items()})
    measure.start()
    with Database(url).arrow() as cursor:
        cursor.adbc_ingest(f"load_{shape}", table, mode="append")


def to_sql(url: str, shape: str, made: dict[str, list[Any]], multi: bool = False) -> None:
    """pandas through SQLAlchemy and psycopg2, whose inserts of many values are its fast mode (the default).

    ``multi`` is pandas' own way to the same, with the chunks that its documentation asks for.
    """
    import pandas as pd
    import sqlalchemy

    frame = pd.DataFrame(made)
    frame["time"] = pd.to_datetime(frame["time"], unit="us", utc=True)
    engine = sqlalchemy.create_engine(
        url.replace("postgresql:", "postgresql+psycopg2:", 1), executemany_mode="values_plus_batch",
        insertmanyvalues_page_size=10_000,
    )  # fmt: skip
    more: dict[str, Any] = {"method": "multi", "chunksize": MULTI_ROWS[shape]} if multi else {}
    measure.start()
    with engine.begin() as connection:
        frame.to_sql(f"load_{shape}", connection, if_exists="append", index=False, **more)


def executemany(url: str, shape: str, made: dict[str, list[Any]]) -> None:
    """psycopg 3, which sends the statement once and all rows in one pipeline."""
    import psycopg

    made["time"] = [datetime.fromtimestamp(micros / 1e6, UTC) for micros in made["time"]]
    rows = list(zip(*made.values(), strict=True))
    marks = ", ".join(["%s"] * len(made))
    measure.start()
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany(f"insert into load_{shape} values ({marks})", rows)


def main() -> None:
    url, shape, rows, method = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    made = columns(shape, rows)
    if method == "adbc":
        adbc(url, shape, made)
    elif method == "executemany":
        executemany(url, shape, made)
    else:
        to_sql(url, shape, made, multi=method == "to_sql_multi")
    measure.done(rows)


if __name__ == "__main__":
    main()
