"""Feature tables from ten million events, and online reads: ours and the peer in one run, as one JSON object.

python -m benchmarks.features [--rows 10000000] [--only build|online]

``build`` makes six tables (interactions, items, hours, days, sessions, persons) from ``clean.watch`` and leaves them
in PostgreSQL; the peer is pandas, which reads and writes there through ADBC. ``online`` reads 100 features of
one person from Redis; the peer is Feast's SDK. Memory of ours counts the database server, too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.harness import Arm, Result

GOALS = {"build_times_faster_than_pandas": 10, "build_peak_mb": 2000, "online_p99_ms": 5}
SAME = {  # what both must have made: sums that a mistake would change
    "interactions": "count(*), sum(count), sum(position)",
    "items": "count(*), sum(interactions), sum(subjects)",
    "activity_hourly": "count(*), sum(events)",
    "activity_daily": "count(*), sum(events), sum(night_events), round(sum(longest_silence_h)::numeric, 3)",
    "sessions": "count(*), sum(events), sum(items), round(sum(seconds)::numeric, 3)",
    "persons": "count(*), sum(events_28d), round(sum(trend)::numeric, 3), round(sum(weekend_share_28d)::numeric, 3)",
}


def build(rows: int, repeat: int) -> dict[str, Any]:
    from forge_resources.postgres import Database
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack

    with tempfile.TemporaryDirectory() as folder, Stack(load_settings(home=Path(folder) / "home")) as stack:
        database = Database(stack.environment()["POSTGRES_URL"])
        made = harness.run(Arm("features_events", (database.url, rows)), Path(folder))
        assert "failed" not in made, made
        best: dict[str, Result] = {}
        for _ in range(repeat):
            for name, module in (("ours", "features_ours"), ("pandas", "features_pandas")):
                server = _server_memory(stack)
                result = harness.run(Arm(module, (database.url,)), Path(folder))
                server.stop.set()
                server.join()
                result["server_peak_mb"] = server.peak >> 10
                if name not in best or result.get("seconds", 1e9) < best[name].get("seconds", 1e9):
                    best[name] = result
        same = {table: _same(database, table, sums) for table, sums in SAME.items()}
        month = _month_more(database, rows)
        again = harness.run(Arm("features_ours", (database.url, "--again")), Path(folder))
    ours = best["ours"]
    return {
        "events": rows,
        "arms": best,
        "same_content": same,
        "times_faster_than": {"pandas": harness.ratio(best["pandas"], ours)},
        "peak_mb_with_server": ours["peak_mb"] + ours["server_peak_mb"],
        "after_a_month_more": {"events": month, **again},
    }


def _server_memory(stack: Any) -> Any:
    """Watches the memory of the database server and its workers; shared buffers count once."""
    memory = harness.Memory(stack.postgres.pid())
    memory.start()
    return memory


def _same(database: Any, table: str, sums: str) -> bool:
    ours, peer = (
        database.rows(f"select {sums} from {address}")
        for address in (f"features.{table}", f"public.pandas_{table}")
    )
    return [float(a) for a in ours[0]] == [float(b) for b in peer[0]]


def _month_more(database: Any, rows: int) -> int:
    """The export of a month later: one person's events after the last ones."""
    with database.transaction() as connection:
        return connection.execute(
            "insert into clean.watch (event_id, source, export, subject, item, time, sequence, title, channel)"
            " select md5('more' || event_id)::uuid, source, 'takeout-fedcba987654', subject, item,"
            " time + interval '31 days', sequence, title, channel from clean.watch"
            " where subject = (select min(subject) from clean.watch) and time >"
            " (select max(time) from clean.watch) - interval '31 days'"
        ).rowcount


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--only", choices=("build", "online"))
    asked = parser.parse_args()
    harness.pin()
    found: dict[str, Any] = {"goals": GOALS}
    if asked.only in (None, "build"):
        found["build"] = build(asked.rows, asked.repeat)
    if asked.only in (None, "online"):
        from benchmarks.features_online import measure

        found["online"] = measure()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
