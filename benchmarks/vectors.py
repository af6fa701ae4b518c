"""Vector search beside pgvector's plain HNSW, at equal recall: one run, one JSON object.

    python -m benchmarks.vectors [--rows 100000,1000000] [--seconds 3] [--repeat 5] [--cache DIR]

384 dimensions. Real embeddings of public sentences, then as many mixtures of them as are missing
(arms/vectors_data.py); the questions are real sentences left out. The peer is a table of ``vector`` with an HNSW
index of pgvector's defaults (m = 16, ef_construction = 64), its ef_search raised until recall@10 is 0.99, prepared
statements, binary parameters, all of it in shared buffers. Both indexes are built by the same server with as many
workers and memory enough. Rates are interpolated to recall 0.99, or to what all reach, between the two nearest
settings; the clients take turns, the figure is the median of the rounds. A goal that is not reached is printed with
its figure.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from benchmarks import harness  # noqa: E402
from benchmarks.arms import vectors_clients as clients  # noqa: E402
from benchmarks.arms import vectors_data as data  # noqa: E402

TARGET = 0.99
REAL = 45_000
SOURCES = 100  # a filter by one of them leaves 1 %
SMALL = "s7"
SIZES = (40, 60, 80, 100, 130, 170, 220, 280, 360, 450, 560, 700, 850, 1000)
SHARED_BUFFERS = "4GB"  # both tables and indexes of a million rows: the peer is not to read the disk
GOALS = {
    "sql_rate_over_plain": (1.0, "at least"),
    "sql_index_over_plain": (1 / 3, "at most"),
    "sql_build_over_plain": (0.7, "at most"),
    "serving_rate_over_plain_of_two": (3.0, "at least"),
    "plain_build_over_serving": (8.0, "at least"),
    "filtered_recall_sql": (0.99, "at least"),
    "filtered_recall_serving": (0.99, "at least"),
    "filtered_recall_plain": (0.5, "at most"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--rows", default="100000,1000000", help="sizes, separated by commas; 0 is the real ones alone"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement of a rate")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="keeps the embeddings; a temporary folder else")
    asked = parser.parse_args()
    load, cores, began = os.getloadavg()[0], harness.pin(), time.time()
    answer: dict[str, Any] = {
        "benchmark": "vectors",
        "pinned_to_cores": cores,
        "load_average_before": round(load, 1),
    }
    with tempfile.TemporaryDirectory(prefix="forge-vectors-") as scratch:
        real = data.real(asked.cache or Path(scratch), REAL + data.QUERIES)
        questions, kept = real[-data.QUERIES :], real[: -data.QUERIES]
        answer |= {"dimensions": real.shape[1], "real_vectors": len(kept), "questions": len(questions)}
        for rows in [int(word) for word in asked.rows.split(",")]:
            folder = Path(scratch) / str(rows)
            folder.mkdir()
            found = section(folder, kept, questions, rows or len(kept), asked)
            answer[f"rows_{found['rows']}"] = found
            say(f"{found['rows']} rows: {json.dumps(found['compared'])}")
    answer["seconds"] = round(time.time() - began)
    print(json.dumps(answer, indent=1))


def section(
    folder: Path, real: np.ndarray, questions: np.ndarray, rows: int, asked: argparse.Namespace
) -> dict[str, Any]:
    """One size: build all three, find the settings that reach the recall, measure the rates in turn."""
    say(f"{rows} rows: data")
    vectors = data.mixtures(real, rows)
    rng = np.random.default_rng(1)
    sources = np.array([f"s{number}" for number in rng.integers(SOURCES, size=rows)])
    files = {name: str(folder / f"{name}.npy") for name in ("questions", "truth", "filtered")}
    np.save(files["questions"], questions)
    np.save(files["truth"], data.exact(vectors, questions, clients.K)[1])
    small = np.flatnonzero(sources == SMALL)
    np.save(files["filtered"], small[data.exact(vectors[small], questions, clients.K)[1]])
    with server(folder) as database, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        url = database.url
        say(f"{rows} rows: building")
        built = build(database, vectors, sources)
        del vectors
        serving = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        built["serving"] = serving.submit(clients.load, url).result()
        say(f"{rows} rows: recall; {built}")
        lists = built["serving"]["lists"]
        steps = {
            "plain": SIZES,
            "sql": SIZES,
            "serving": sorted({max(lists * n // 64, 1) for n in range(2, 65)}),
        }
        curves = {
            kind: curve(serving if kind == "serving" else pool, kind, url, files, steps[kind])
            for kind in steps
            if kind != "serving" or lists
        }
        say(f"{rows} rows: rates; {curves}")
        # of a million rows pgvector may not find so much within its longest list: then what both find is compared
        goal = min([TARGET, *(max(recalls.values()) for recalls in curves.values())])
        rates = in_turn(pool, serving, url, files, curves, asked, goal)
        filtered = {
            kind: serving.submit(
                clients.recall, kind, url, 0, files["questions"], files["filtered"], SMALL
            ).result()
            for kind in ("plain", "sql", "serving")
        }
        filtered_rates = {
            kind: serving.submit(
                clients.rate, kind, url, 0, files["questions"], asked.seconds, 1, SMALL
            ).result()
            for kind in ("plain", "sql", "serving")
        }
        exact = serving.submit(clients.rate, "exact", url, 0, files["questions"], asked.seconds, 2).result()
        batch = serving.submit(clients.batch, url, files["questions"], asked.seconds).result()
        serving.shutdown()
    found = {
        "rows": rows,
        "build": built,
        "recall": curves,
        "recall_compared_at": goal,
        "per_second_at_equal_recall": rates,
        "filtered_1_percent": {"recall": filtered, "per_second": filtered_rates},
        "serving_exact_scan_per_second": exact,
        "serving_batches_of_100_per_second": batch,
    }
    found["compared"] = compared(found)
    found["goals"] = {
        name: {"goal": goal, "is": how, "found": found["compared"].get(name), "reached": reached(found, name)}
        for name, (goal, how) in GOALS.items()
    }
    rounded: dict[str, Any] = json.loads(json.dumps(found), parse_float=lambda word: round(float(word), 4))
    return rounded


@contextmanager
def server(folder: Path) -> Iterator[Any]:
    from forge_resources.postgres import Database
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack, postgres

    postgres._SERVER["shared_buffers"] = SHARED_BUFFERS
    with Stack(load_settings(home=folder / "home")) as stack:
        found = Database(stack.environment()["POSTGRES_URL"])
        found.ensure()
        yield found


def build(database: Any, vectors: np.ndarray, sources: np.ndarray) -> dict[str, Any]:
    """Both tables with their indexes; seconds and bytes."""
    import pyarrow as pa
    from pgvector.psycopg import register_vector

    from forge_resources.vectors import Vectors
    from forge_resources.vectors.spaces import WORKERS

    ids = [str(number) for number in range(len(vectors))]
    plain, memory = clients.PLAIN, max(512, len(vectors) * 3000 >> 20)
    with database.transaction() as connection:
        register_vector(connection)
        began = time.perf_counter()
        connection.execute(f"create table {plain} (id text, source text, vector vector({vectors.shape[1]}))")
        with connection.cursor().copy(f"copy {plain} from stdin with (format binary)") as copy:
            copy.set_types(["text", "text", "vector"])
            for line in zip(ids, sources.tolist(), vectors, strict=True):
                copy.write_row(line)
        connection.execute(f"alter table {plain} add primary key (id)")
        loaded = time.perf_counter() - began
        connection.execute(f"set maintenance_work_mem = '{memory}MB'")
        connection.execute(f"set max_parallel_maintenance_workers = {WORKERS}")
        began = time.perf_counter()
        connection.execute(f"create index {plain}_near on {plain} using hnsw (vector vector_cosine_ops)")
        indexed = time.perf_counter() - began
        connection.execute(f"analyze {plain}")
    vs = Vectors(database)
    began = time.perf_counter()
    line = vs.write(
        clients.SPACE, pa.table({"id": ids, "source": sources.tolist()}), vectors, clients.MODEL, "code"
    )
    written = time.perf_counter() - began
    size = "select pg_relation_size(%s::regclass)"
    return {
        "plain": {
            "load_seconds": loaded,
            "index_seconds": indexed,
            "index_bytes": database.value(size, (f"{plain}_near",)),
        },
        "sql": {
            "load_and_index_seconds": written,
            "index": line.indexed,
            "index_bytes": database.value(size, (f"embeddings.{clients.SPACE}_near",)),
        },
    }


def curve(
    pool: ProcessPoolExecutor, kind: str, url: str, files: dict[str, str], steps: Any
) -> dict[int, float]:
    """size -> recall, up to the first that reaches the target."""
    found: dict[int, float] = {}
    for size in steps:
        found[size] = pool.submit(
            clients.recall, kind, url, size, files["questions"], files["truth"]
        ).result()
        if found[size] >= TARGET:
            break
    return found


def in_turn(
    pool: ProcessPoolExecutor, serving: ProcessPoolExecutor, url: str, files: dict[str, str],
    curves: dict[str, dict[int, float]], asked: argparse.Namespace, goal: float,
) -> dict[str, Any]:  # fmt: skip
    """Rates of one and of two clients at the two sizes around the target, the kinds taking turns."""
    rounds: dict[str, list[float]] = {}
    for _ in range(asked.repeat):
        for kind, recalls in curves.items():
            for together in (1, 2):
                measured = {}
                for size in around(recalls, goal):
                    task = (kind, url, size, files["questions"], asked.seconds)
                    if kind == "serving":
                        measured[size] = serving.submit(clients.rate, *task, together).result()
                    else:
                        measured[size] = sum(
                            done.result()
                            for done in [pool.submit(clients.rate, *task) for _ in range(together)]
                        )
                rounds.setdefault(f"{kind}_{together}", []).append(at_target(recalls, measured, goal))
    return {name: {"median": statistics.median(one), "rounds": one} for name, one in rounds.items()}


def around(recalls: dict[int, float], goal: float) -> list[int]:
    """The first size that reaches the recall, and the one before it."""
    sizes = list(recalls)
    first = next(place for place, size in enumerate(sizes) if recalls[size] >= goal)
    return sizes[max(first - 1, 0) : first + 1]


def at_target(recalls: dict[int, float], rates: dict[int, float], goal: float) -> float:
    """The rate at this recall, on the line between the two sizes around it."""
    low, *_, high = [*rates, *rates]
    if low == high or recalls[high] <= recalls[low]:
        return rates[high]
    share = min(max((goal - recalls[low]) / (recalls[high] - recalls[low]), 0.0), 1.0)
    return rates[low] + share * (rates[high] - rates[low])


def compared(found: dict[str, Any]) -> dict[str, Any]:
    built, rates = found["build"], found["per_second_at_equal_recall"]

    def over(one: str, other: str) -> float | None:
        if one not in rates or other not in rates:
            return None
        return statistics.median(
            a / b for a, b in zip(rates[one]["rounds"], rates[other]["rounds"], strict=True)
        )

    plain = built["plain"]
    return {
        "recall_reached": {kind: max(curve.values()) for kind, curve in found["recall"].items()},
        "sql_rate_over_plain": over("sql_1", "plain_1"),
        "sql_rate_over_plain_of_two": over("sql_2", "plain_2"),
        "sql_index_over_plain": built["sql"]["index_bytes"] / plain["index_bytes"],
        "sql_build_over_plain": built["sql"]["load_and_index_seconds"]
        / (plain["load_seconds"] + plain["index_seconds"]),
        "serving_rate_over_plain_of_two": over("serving_2", "plain_2"),
        "serving_rate_over_plain_of_one": over("serving_1", "plain_1"),
        "plain_build_over_serving": plain["index_seconds"] / built["serving"]["seconds"],
        **{f"filtered_recall_{kind}": share for kind, share in found["filtered_1_percent"]["recall"].items()},
    }


def reached(found: dict[str, Any], name: str) -> bool | None:
    value, (goal, how) = found["compared"].get(name), GOALS[name]
    if value is None:
        return None
    return bool(value >= goal if how == "at least" else value <= goal)


def say(word: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {word}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
