"""Clients of the vector benchmark: each asks one question after another for some seconds, in a process of its own.

``plain`` is pgvector as its README has it, prepared, with binary parameters; ``sql`` is ``Vectors.search``; ``serving``
is ``ServingIndex.search`` in one process with as many threads. What a client needs stays open between two calls.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

K = 10
MODEL = "all-MiniLM-L6-v2"
SPACE, PLAIN = "bench", "plain"
Ask = Callable[[np.ndarray], list[str]]


@cache
def _vectors(url: str) -> Any:
    from forge_resources.postgres import Database
    from forge_resources.vectors import Vectors

    return Vectors(Database(url))


@cache
def _connection(url: str) -> Any:
    import psycopg
    from pgvector.psycopg import register_vector

    connection = psycopg.connect(url, autocommit=True)
    connection.prepare_threshold = 1
    register_vector(connection)
    return connection


@cache
def _index(url: str) -> Any:
    from forge_resources.near import ServingIndex

    return ServingIndex(_vectors(url), SPACE)


def load(url: str) -> dict[str, Any]:
    """The serving index: seconds from PostgreSQL to the first answer, the lists it has and probes."""
    _vectors(url).space(SPACE)  # imports and the connection are not the build
    began = time.perf_counter()
    held = _index(url).load()
    return {"seconds": time.perf_counter() - began, "lists": held.lists, "probed": held.probed}


def ask(kind: str, url: str, size: int, source: str | None = None) -> Ask:
    """One question as this kind of client asks it; ``size`` is ef_search, rerank or lists probed (0: as it is)."""
    from forge_resources.vectors import EVERYTHING, Filter

    chosen = Filter(sources=(source,)) if source else EVERYTHING
    if kind == "plain":
        from pgvector import Vector

        connection = _connection(url)
        connection.execute(f"set hnsw.ef_search = {size or 40}")
        where = f"where source = '{source}'" if source else ""
        query = f"select id from {PLAIN} {where} order by vector <=> %s limit {K}"
        return lambda v: [row[0] for row in connection.execute(query, (Vector(v),), binary=True).fetchall()]
    if kind == "sql":
        vectors = _vectors(url)
        if size:
            vectors.database.rows(
                "update forge.spaces set rerank = %s where rerank <> %s returning 1", (size, size)
            )
        with vectors.sessions.use() as session:
            session.known.clear()
        return lambda v: [hit.id for hit in vectors.search(SPACE, v, K, chosen, MODEL)]
    index = _index(url)
    if kind == "exact":
        held = replace(index.load(), index=None)
        return lambda v: [hit.id for hit in held.nearest(v[None], K, chosen, None)[0]]
    if size:
        index._held = replace(index.load(), probed=size)
    return lambda v: [hit.id for hit in index.search(v, K, chosen, MODEL)]


def recall(kind: str, url: str, size: int, queries: str, truth: str, source: str | None = None) -> float:
    """Share of the exact ten nearest that are found."""
    found, asked, wanted = ask(kind, url, size, source), np.load(queries), np.load(truth)
    return float(
        np.mean([len({int(i) for i in found(v)} & set(t)) / K for v, t in zip(asked, wanted, strict=True)])
    )


def rate(
    kind: str, url: str, size: int, queries: str, seconds: float, threads: int = 1, source: str | None = None
) -> float:
    """Questions answered in a second, by ``threads`` of this process."""
    asked = np.load(queries)
    counts, started = [0] * threads, threading.Barrier(threads + 1)

    def work(number: int) -> None:
        one = ask(kind, url, size, source)
        for vector in asked[number::threads][:20]:
            one(vector)
        started.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            one(asked[(counts[number] * threads + number) % len(asked)])
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    started.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - began)


def batch(url: str, queries: str, seconds: float) -> float:
    """Questions a second when they come a hundred at a time, on all cores."""
    asked, index, count = np.load(queries), _index(url), 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        index.search_many(asked[:100], K, model=MODEL)
        count += 100
    return count / (time.perf_counter() - began)
