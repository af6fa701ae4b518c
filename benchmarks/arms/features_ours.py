"""Feature tables of what is watched, built from scratch by Forge: ``features_ours URL``."""

from __future__ import annotations

import sys
import time

from benchmarks.arms import measure
from forge_core.features import activity, taste
from forge_resources import features
from forge_resources.postgres import Database

TABLES = (
    taste.INTERACTIONS,
    taste.ITEMS,
    activity.HOURLY,
    activity.DAILY,
    activity.SESSIONS,
    activity.PERSONS,
)


def main() -> None:
    database = Database(sys.argv[1])
    again = sys.argv[2:] == ["--again"]  # a month came to what is there: build what it changed
    if not again:
        with database.transaction() as connection:
            for table in TABLES:
                connection.execute(f"drop table if exists {table.address}")
    measure.start()
    rows, seconds, rebuilt = {}, {}, {}
    for table in TABLES:
        began = time.perf_counter()
        made = features.build(database, table)
        rows[table.name], rebuilt[table.name] = made.rows, made.rebuilt
        seconds[table.name] = round(time.perf_counter() - began, 2)
    measure.done(database.count("clean.watch"), built=rows, units_rebuilt=rebuilt, seconds_of=seconds)


if __name__ == "__main__":
    main()
