"""Online features: our reads and writes of Redis against Feast's own SDK on the same declarations and server.

    python -m benchmarks.features_online [--entities 10000] [--reads 300] [--rounds 7]

One process, pinned to two cores, embedded servers on unix sockets. Both arms read the same entities in turn, call by
call; a ratio is the median over rounds, its interval their lowest and highest. Feast is used plainly:
``get_online_features`` of named features and ``materialize``, its SQL registry cached in memory, connected to Redis by
the same URL. Prints one JSON object. :func:`measure` is the same for other benchmarks.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.arms.features_wide import FEATURES, PROJECT, rows, subject, table

GOAL_P99_MS = 5.0
BATCH = 100  # entities of one read, as a ranking asks for candidates
MANY = 100_000  # entities of a real table, ours alone
SINCE, NOW = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def measure(entities: int = 10_000, reads: int = 300, rounds: int = 7) -> dict[str, Any]:
    """The whole benchmark in a home of its own; times in ms, throughput in entities/s."""
    from forge_resources.feature_store import FeatureStore
    from forge_resources.postgres import Database
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack

    with tempfile.TemporaryDirectory(prefix="forge-bench-") as folder:
        home = Path(folder) / "home"
        with Stack(load_settings(home=home, postgres_url=None, redis_url=None)) as stack:
            environment = stack.environment()
            os.environ.update(environment)
            database, url = Database(environment["POSTGRES_URL"]), environment["REDIS_URL"]
            database.ensure()
            wide = table()
            with database.transaction() as connection:
                connection.execute(wide.create(wide.address))
                connection.execute(rows(entities))
                connection.execute(f"analyze {wide.address}")
            features = FeatureStore(database, url, home, PROJECT, [wide])
            features.apply()
            answer: dict[str, Any] = {
                "features": FEATURES,
                "entities": entities,
                "materialize": materialize(features, entities, min(rounds, 3)),
                "read_one": read(features, entities, reads, rounds, 1),
                f"read_{BATCH}": read(features, entities, max(reads // 10, 10), rounds, BATCH),
                "first_answer_of_a_process": first(database.url, url, home),
                "skew": features.skew("wide", at=NOW).as_dict(),
            }
            answer["materialize_many"] = many(database, url, home)
    p99 = answer["read_one"]["ours"]["p99_ms"]
    return answer | {"goal": {"p99_ms": GOAL_P99_MS, "reached": p99 < GOAL_P99_MS}}


def read(features: Any, entities: int, reads: int, rounds: int, size: int) -> dict[str, Any]:
    """Latency of reading all features of ``size`` entities; both arms answer the same, or it is no comparison."""
    store, names = features.repository.store, [f"wide:{c.name}" for c in features.tables["wide"].served]

    def ours(asked: list[str]) -> list[list[Any]]:
        found = features.online("wide", [(one, "s") for one in asked])
        return [[row[name[5:]] for row in found] for name in names]

    def feast(asked: list[str]) -> list[list[Any]]:
        told = store.get_online_features(names, [{"subject": one, "source": "s"} for one in asked]).to_dict()
        return [told[name[5:]] for name in names]

    arms: dict[str, Callable[[list[str]], list[list[Any]]]] = {"ours": ours, "feast": feast}
    rng = np.random.default_rng(11)
    taken: dict[str, list[list[float]]] = {arm: [] for arm in arms}
    for turn in range(rounds + 1):
        round_of: dict[str, list[float]] = {arm: [] for arm in arms}
        for _ in range(reads):
            asked = [subject(n) for n in rng.choice(entities, size, replace=False).tolist()]
            said = {}
            for arm, ask in arms.items():
                began = time.perf_counter()
                said[arm] = ask(asked)
                round_of[arm].append((time.perf_counter() - began) * 1e3)
            if said["ours"] != said["feast"]:
                raise SystemExit("the two arms read different values")
        for arm in arms if turn else ():  # the first round warms up
            taken[arm].append(round_of[arm])
    return {"entities": size, "reads": reads * rounds} | latency(taken)


def latency(taken: dict[str, list[list[float]]]) -> dict[str, Any]:
    """p50 and p99 of all rounds, and how many times longer the peer takes."""
    answer: dict[str, Any] = {}
    for arm, all_rounds in taken.items():
        p50, p99 = np.percentile(np.concatenate(all_rounds), [50, 99])
        answer[arm] = {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}
    for percent in (50, 99):
        ours, feast = (np.percentile(taken[arm], percent, axis=1) for arm in ("ours", "feast"))
        answer[f"times_faster_p{percent}"] = spread((feast / ours).tolist())
    return answer


def materialize(features: Any, entities: int, rounds: int) -> dict[str, Any]:
    """Filling an empty Redis, in turn; then again with nothing changed."""
    import redis

    arms: dict[str, Callable[[], object]] = {
        "ours": lambda: features.materialize(at=NOW),
        "feast": lambda: features.repository.store.materialize(SINCE, NOW),
    }
    taken: dict[str, list[float]] = {arm: [] for arm in arms}
    unchanged = 0.0
    with redis.Redis.from_url(features.redis_url) as client:
        for _ in range(rounds):
            for arm in ("feast", "ours"):
                client.flushdb()
                taken[arm].append(timed(arms[arm]))
            unchanged = timed(arms["ours"])
    pairs = zip(taken["feast"], taken["ours"], strict=True)
    return {arm: {"entities_per_s": round(entities / min(times))} for arm, times in taken.items()} | {
        "times_faster": spread([theirs / mine for theirs, mine in pairs]),
        "ours_nothing_changed_s": round(unchanged, 3),
    }


def many(database: Any, url: str, home: Path) -> dict[str, Any]:
    """A declared table, activity_daily, with a day of each of many people: ours alone."""
    import redis

    from forge_core.features import TABLES
    from forge_resources.feature_store import FeatureStore

    daily = next(one for one in TABLES if one.name == "activity_daily")
    counts = [c.name for c in daily.served if c.type == "int"]
    with database.transaction() as connection:
        connection.execute(daily.create(daily.address))
        connection.execute(
            f"insert into {daily.address} (subject, source, day, known_at, {', '.join(counts)}, dwell_minutes)"
            f" select 'p_' || lpad(i::text, 20, '0'), 's', '2026-01-01', '2026-01-02',"
            f" {', '.join(f'(i * {n + 3}) % 100' for n in range(len(counts)))}, sqrt(i)"
            f" from generate_series(1, {MANY}) i"
        )
    features = FeatureStore(database, url, home, PROJECT, [daily])
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        seconds = timed(lambda: features.materialize(at=NOW))
        memory = client.info("memory")["used_memory"]
    again = timed(lambda: features.materialize(at=NOW))
    return {
        "entities": MANY,
        "features": len(daily.served),
        "seconds": round(seconds, 2),
        "entities_per_s": round(MANY / seconds),
        "nothing_changed_s": round(again, 2),
        "redis_mb": memory >> 20,
    }


def first(postgres: str, url: str, home: Path) -> dict[str, Any]:
    """Seconds from a fresh interpreter's first import to the first answer."""
    arms = {arm: harness.Arm("features_wide", (arm, postgres, url, home)) for arm in ("ours", "feast")}
    found = harness.in_turn(arms, 3, home)
    return {arm: result.get("seconds", result.get("failed")) for arm, result in found.items()} | {
        "times_faster": harness.ratio(found["feast"], found["ours"])
    }


def timed(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def spread(ratios: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(ratios), 2),
        "low": round(min(ratios), 2),
        "high": round(max(ratios), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entities", type=int, default=10_000, help="entities of the wide table")
    parser.add_argument("--reads", type=int, default=300, help="reads per arm and round")
    parser.add_argument("--rounds", type=int, default=7, help="rounds, in turn")
    options = parser.parse_args()
    harness.pin()
    with contextlib.redirect_stdout(sys.stderr):  # Feast prints its progress
        found = measure(options.entities, options.reads, options.rounds)
    print(json.dumps({"benchmark": "features_online", "cores": harness.CORES, **found}, indent=2))


if __name__ == "__main__":
    main()
