"""Orchestration overhead per step: our executor against Dagster's default, on the same graph in one run.

    python -m benchmarks.pipeline [--people 30] [--repeats 3]

Both arms run the job ``build_everything`` on the same home, one step at a time, in turn. The overhead of a step is
the time between the end of the step before it and the start of its own compute, as the event log has it: process
start, imports, resources, bookkeeping. Prints one JSON object. Also the time from launching a run in a running
stack to its first step (reported, without a goal).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GOAL_RATIO, GOAL_MEDIAN_S = 15.0, 0.3
ARMS = {"forge": "ours", "default_multiprocess": "stock"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=30, help="size of the example cohort")
    parser.add_argument("--repeats", type=int, default=3, help="runs per arm, interleaved")
    options = parser.parse_args()

    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack

    with (
        tempfile.TemporaryDirectory(prefix="forge-bench-") as folder,
        Stack(load_settings(home=Path(folder))) as stack,
    ):
        os.environ.update(stack.environment(), FORGE_PRESET="quick")
        prepare(Path(folder), options.people)
        gaps: dict[str, list[float]] = {arm: [] for arm in ARMS}
        for _ in range(options.repeats):
            for arm in ARMS:
                gaps[arm] += run(arm)
        launch = launch_to_first_step()
    report = {arm: summary(values) for arm, values in gaps.items()}
    ratio = report["default_multiprocess"]["median_s"] / report["forge"]["median_s"]
    print(
        json.dumps(
            {
                "benchmark": "pipeline",
                "graph": "build_everything",
                "people": options.people,
                "repeats": options.repeats,
                "cores": os.cpu_count(),
                **report,
                "ratio_of_medians": round(ratio, 1),
                "ratio_of_means": round(
                    report["default_multiprocess"]["mean_s"] / report["forge"]["mean_s"], 1
                ),
                "goal": {"ratio_of_medians": GOAL_RATIO, "median_s": GOAL_MEDIAN_S},
                "goal_reached": ratio >= GOAL_RATIO and report["forge"]["median_s"] < GOAL_MEDIAN_S,
                "launch_to_first_step_s": launch,
            },
            indent=2,
        )
    )


def summary(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "steps": len(values),
        "median_s": round(statistics.median(values), 4),
        "mean_s": round(statistics.fmean(values), 4),
        "p90_s": round(ordered[int(0.9 * (len(ordered) - 1))], 4),
    }


def prepare(home: Path, people: int) -> None:
    """The example cohort, published and consented, by the arm of ours."""
    from examples.generator import generate
    from forge_resources.stores import Stores

    stores = Stores()
    exports = generate(home / "example", people=people, years=1, seed=7)
    keys = [stores.exports.register(path).partition for path in sorted(Path(exports).glob("*.zip"))]
    stores.consent.grant_all("benchmark")
    write_instance(home)
    code = (
        "from dagster import DagsterInstance; i = DagsterInstance.get();"
        f"i.add_dynamic_partitions('exports', {keys!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=sys.stderr)
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    execute("ours", "ingest", tags)


def write_instance(home: Path) -> None:
    """The project's own dagster.yaml as the instance of this home."""
    dagster_home = Path(os.environ["DAGSTER_HOME"])
    dagster_home.mkdir(parents=True, exist_ok=True)
    (dagster_home / "dagster.yaml").write_text((Path(__file__).parent.parent / "dagster.yaml").read_text())


def execute(attribute: str, job: str, tags: dict[str, str] | None = None) -> str:
    """Run a job in a process of its own, as a run worker would; returns its log."""
    command = [
        sys.executable,
        "-m",
        "dagster",
        "job",
        "execute",
        "-m",
        "benchmarks.graphs",
        "-a",
        attribute,
        "-j",
        job,
    ]
    config = {} if job == "ingest" else {"execution": {"config": {"max_concurrent": 1}}}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(config, file)  # JSON is YAML
        file.flush()
        command += ["--config", file.name, "--tags", json.dumps(tags or {})]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-4000:])
    return done.stderr


def run(arm: str) -> list[float]:
    """Seconds between the end of one step and the start of the next, for every step of one run."""
    execute(ARMS[arm], "build_everything")
    code = """
import json
from dagster import DagsterInstance
instance = DagsterInstance.get()
(run,) = instance.get_runs(limit=1)
kinds = {"PIPELINE_START", "STEP_START", "STEP_SUCCESS", "STEP_SKIPPED"}
events = [(e.timestamp, e.dagster_event.event_type_value) for e in instance.all_logs(run.run_id)
          if e.dagster_event and e.dagster_event.event_type_value in kinds]
print(json.dumps(sorted(events)))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    gaps, last = [], None
    for stamp, kind in json.loads(out.strip().splitlines()[-1]):
        if kind == "STEP_START" and last is not None:
            gaps.append(stamp - last)
        last = stamp
    return gaps


def launch_to_first_step() -> dict[str, Any]:
    """From the launch in a running stack (queue, daemon, run worker) to the first step's start."""
    from forge_cli.client import Event
    from forge_cli.session import dagster
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack

    seconds = []
    with Stack(load_settings()) as stack, dagster(stack) as client:
        for _ in range(3):
            started: list[float] = []

            def note(event: Event, started: list[float] = started) -> None:
                if event.kind == "started":
                    started.append(event.at)

            began = time.time()
            client.follow(client.launch(["governance/consent/recommend"]), note, lambda total: None)
            seconds.append(round(min(started) - began, 2))
    return {"median": statistics.median(seconds), "all": seconds}


if __name__ == "__main__":
    main()
