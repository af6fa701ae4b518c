"""Records.json into PostgreSQL by ijson and psycopg's COPY in text: ``ijson_copy PATH URL``. Four columns."""

from __future__ import annotations

import sys

import ijson.backends.yajl2_c as ijson
import psycopg

from benchmarks.arms import measure

rows = 0
with (
    open(sys.argv[1], "rb") as stream,
    psycopg.connect(sys.argv[2]) as connection,
    connection.cursor() as cursor,
    cursor.copy("copy load_points from stdin") as copy,
):
    for one in ijson.items(stream, "locations.item", use_float=True, buf_size=1 << 20):
        copy.write_row((one["timestamp"], one["latitudeE7"] / 1e7, one["longitudeE7"] / 1e7, one["accuracy"]))
        rows += 1
measure.done(rows)
