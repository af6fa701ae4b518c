"""Reading and loading exports, beside what a user would take instead: one run, one JSON object.

    python -m benchmarks.ingest [--scale 1] [--repeat 2] [--only watch_html,mbox] [--full]

Both read the same generated file (all of it synthetic), each arm in a process of its own, on two cores, in turn, the
best of ``--repeat``. Ours reads with two workers and, as a second figure, in one process. Peers run in environments
of their own under FORGE_HOME/peers with the fast path that their documentation names. Where fields are compared, ours
and the peer's have the same digest, or the run fails. A goal that is not reached is printed with its figure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks import harness, ingest_loading, ingest_reading  # noqa: E402

MEMORY_MB = 512
# (section, what is compared) -> how many times faster
GOALS = {
    ("watch_html", "google_takeout_parser"): 20.0,
    ("my_activity_html", "google_takeout_parser"): 20.0,
    ("my_activity_html", "lxml"): 8.0,
    ("records", "ijson"): 5.0,
    ("mbox", "mailbox"): 8.0,
    ("ics", "icalendar"): 1.0,
    ("load_five_columns", "pandas.to_sql"): 20.0,
    ("load_five_columns", "pandas.to_sql multi"): 20.0,
    ("load_five_columns", "psycopg executemany"): 20.0,
    ("load_raw_schema", "pandas.to_sql"): 20.0,
    ("load_raw_schema", "pandas.to_sql multi"): 20.0,
    ("load_raw_schema", "psycopg executemany"): 20.0,
    ("file_to_postgres", "ijson + COPY text"): 6.0,
}
SECTIONS = {**ingest_reading.SECTIONS, **ingest_loading.SECTIONS}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes of all inputs")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--full", action="store_true", help="an export of 5 GB for the memory")
    parser.add_argument("--only", default="", help="sections, separated by commas: " + ", ".join(SECTIONS))
    parser.add_argument("--home", type=Path, default=ROOT / ".forge")
    asked = parser.parse_args()
    chosen = [name for name in asked.only.split(",") if name] or list(SECTIONS)
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}")
    started, load = time.time(), os.getloadavg()[0]
    cores = harness.pin()
    answer: dict[str, Any] = {
        "benchmark": "ingest",
        "pinned_to_cores": cores,
        "cores_of_machine": os.cpu_count(),
        "load_average_before": round(load, 1),
        "scale": asked.scale,
        "repeat": asked.repeat,
        "full": asked.full,
    }
    with tempfile.TemporaryDirectory(prefix="forge-ingest-") as scratch:
        setup = ingest_reading.Setup(Path(scratch), asked.home, asked.scale, asked.repeat, asked.full)
        for name in chosen:
            print(f"{name} …", file=sys.stderr, flush=True)
            began = time.time()
            try:
                answer[name] = SECTIONS[name](setup)
            except ingest_reading.Skipped as reason:
                answer[name] = {"skipped": str(reason)}
            answer[name]["section_seconds"] = round(time.time() - began, 1)
    answer["goals"] = goals(answer)
    answer["seconds"] = round(time.time() - started, 1)
    print(json.dumps(answer, indent=2))


def goals(answer: dict[str, Any]) -> dict[str, Any]:
    """Each goal with what was reached; None where it was not measured."""
    found: dict[str, Any] = {}
    for (section, peer), goal in GOALS.items():
        if section in answer:
            reached = answer[section].get("times_faster_than", {}).get(peer)
            met = None if reached is None else reached >= goal
            found[f"{section} vs {peer}"] = {"goal": goal, "reached": reached, "met": met}
    if "memory" in answer and "ten_times" in answer["memory"]:
        peak = answer["memory"]["ten_times"].get("peak_mb")
        found["memory at ten times the size"] = {
            "goal_mb": MEMORY_MB,
            "reached_mb": peak,
            "met": peak is not None and peak < MEMORY_MB,
        }
    return found


if __name__ == "__main__":
    main()
