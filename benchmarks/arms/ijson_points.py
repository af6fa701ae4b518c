"""Records.json by a plain ijson loop: the C backend, floats instead of decimals, a buffer of 1 MiB; four fields.

Times stay text in the timed run, which favours the loop.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import ijson.backends.yajl2_c as ijson

from benchmarks.arms import measure


def points() -> Iterator[tuple[Any, ...]]:
    with open(sys.argv[1], "rb") as stream:
        for one in ijson.items(stream, "locations.item", use_float=True, buf_size=1 << 20):
            yield one["timestamp"], one["latitudeE7"], one["longitudeE7"], one["accuracy"]


def checked() -> Iterator[tuple[Any, ...]]:
    for time, *rest in points():
        yield round(datetime.fromisoformat(time).timestamp() * 1000), *rest[:2], float(rest[2])


measure.count(checked() if "--check" in sys.argv else points())
