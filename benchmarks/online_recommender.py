"""Constant-time personalisation: one event and the next ten recommendations, at histories of 50, 500 and 5,000 events.

    python -m benchmarks.online_recommender [--items 6000] [--rounds 40]

One process on two cores with embedded servers. *Ours*: the event is recorded in PostgreSQL, the person's state is read
from Redis, moved on and written back, all items are scored and the ten best unseen ones are chosen. *Peer*: a
transformer of the same width, depth and feed-forward, in torch with scaled-dot-product attention, encodes the whole
history again and scores the same items; its history is at hand in memory, it records nothing and asks no server.
``model_only`` leaves PostgreSQL and Redis out of ours as well: the same work on both sides. The catalogue is of 6,000
items; the larger it is, the more of either's time goes into scoring it. Arms take turns, event by
event; weights are random, which changes nothing of what is computed. Ratios are medians with 95 % bootstrap intervals.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness

LENGTHS = (50, 500, 5000)
DIMS, HEADS, LAYERS, INNER = 128, 4, 2, 256
FLAT, FASTER, EQUAL = 0.10, 10.0, 1e-4  # the goals
BEGAN = datetime(2020, 1, 1, tzinfo=UTC)
K = 10


def measure(items: int, rounds: int) -> dict[str, Any]:
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack
    from forge_resources.stores import Stores

    with tempfile.TemporaryDirectory(prefix="forge-bench-") as folder:
        home = Path(folder) / "home"
        stack = Stack(load_settings(home=home, postgres_url=None, redis_url=None))
        with stack:
            os.environ.update(stack.environment())
            stores = Stores(load_settings(home=home))
            stores.database.ensure()
            stores.consent.set("recommend", "granted", "benchmark")
            people = _people(stores, items)
            model, peer = _model(items), Transformer(items)
            found = {str(n): _arms(stores, model, peer, people[n], n, rounds) for n in LENGTHS}
    ours = [found[str(n)]["ours_ms"]["median"] for n in LENGTHS]
    alone = [found[str(n)]["model_only_ms"]["median"] for n in LENGTHS]
    at_500 = found["500"]["times_faster"]
    differ = max(one["state_differs_by"] for one in found.values())
    return {
        "items": items,
        "network": {"dims": DIMS, "layers": LAYERS, "heads": HEADS, "feed_forward": INNER},
        "by_history": found,
        "slowest_over_fastest": round(max(ours) / min(ours), 3),
        "slowest_over_fastest_model_only": round(max(alone) / min(alone), 3),
        "goals": {
            "flat_within_10_percent": max(ours) / min(ours) <= 1 + FLAT,
            "10x_faster_at_500": at_500["median"] >= FASTER,
            "10x_faster_at_500_model_only": found["500"]["times_faster_model_only"]["median"] >= FASTER,
            "state_equals_history_to_1e-4": differ <= EQUAL,
        },
    }


def _people(stores: Any, items: int) -> dict[int, list[int]]:
    """A person for each length with that many different items; returns the items of each."""
    rng = np.random.default_rng(0)
    people = {n: rng.permutation(items)[:n].tolist() for n in LENGTHS}
    from forge_core.features import TABLES

    table = next(one for one in TABLES if one.name == "interactions")
    with stores.database.transaction() as connection:
        connection.execute(table.create(table.address))
        names = "subject, item, first_time, position, count, source, export"
        for n, codes in people.items():
            rows = [
                (f"p_{n}", name(code), BEGAN + timedelta(hours=at), at, 1, "s", "e")
                for at, code in enumerate(codes)
            ]
            with connection.cursor().copy(f"copy {table.address} ({names}) from stdin") as copy:
                for row in rows:
                    copy.write_row(row)
        # as a build leaves it: an index by subject, and a digest of each subject's events
        connection.execute(f"create index on {table.address} (subject, source)")
        connection.execute(
            f"create table {table.address}__units as select distinct subject, 1 as digest from {table.address}"
        )
        connection.execute(f"analyze {table.address}")
    return people


def name(code: int) -> str:
    return f"test:item{code:06d}"


def _model(items: int) -> Any:
    import torch

    from forge_models.recommender.sequential_model import SequentialModel
    from forge_models.recommender.sequential_net import SequenceNet, Shape

    torch.manual_seed(0)
    shape = Shape(items, 0, dims=DIMS, heads=HEADS, layers=LAYERS, inner=INNER)
    net = SequenceNet(shape, torch.zeros(items, 0)).eval()
    return SequentialModel([name(code) for code in range(items)], np.ones(items, np.int64), 1, {}, net=net)


class Transformer:
    """Pre-norm transformer over item and position embeddings, as SASRec: the same width, depth and feed-forward."""

    def __init__(self, items: int) -> None:
        import torch
        from torch import nn

        torch.manual_seed(0)
        self.items = nn.Embedding(items, DIMS)
        self.places = nn.Embedding(LENGTHS[-1] + 1_000, DIMS)
        layer = nn.TransformerEncoderLayer(
            DIMS, HEADS, INNER, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False).eval()

    def best(self, codes: list[int], seen: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            x = (self.items(torch.tensor(codes)) + self.places.weight[: len(codes)])[None]
            mask = torch.nn.Transformer.generate_square_subsequent_mask(len(codes))
            out = self.layers(x, mask=mask, is_causal=True)[0, -1]
            scores = (out @ self.items.weight.T).numpy().copy()
        return top(scores, seen)


def top(scores: np.ndarray, seen: np.ndarray) -> np.ndarray:
    from forge_core.evaluation import ranking

    scores[seen] = -np.inf
    return ranking.top_k(scores[None], K)[0]


def _arms(
    stores: Any, model: Any, peer: Transformer, codes: list[int], n: int, rounds: int
) -> dict[str, Any]:
    from forge_models.recommender.interactions import Histories

    subject, version = f"p_{n}", ["1", "stamp", "catalogue"]
    states = stores.personal_states
    rng = np.random.default_rng(n)
    fresh = [code for code in rng.permutation(len(model.items)).tolist() if code not in set(codes)][
        : rounds + 5
    ]
    watched, local = list(codes), states.current("recommender", "recommend", subject, model, version).state
    times = [int((BEGAN + timedelta(hours=at)).timestamp() * 1e6) for at in range(n)]
    seen = np.zeros(len(model.items), bool)
    seen[codes] = True
    when = BEGAN + timedelta(hours=n)
    taken: dict[str, list[float]] = {"ours": [], "model_only": [], "transformer": []}

    def ours(code: int) -> np.ndarray:
        stores.online_events.append(subject, name(code), when)
        kept = states.current("recommender", "recommend", subject, model, version)
        assert kept.made == "moved on"
        found = model.recall(kept.state)
        return top(found.scores, found.seen)

    def model_only(code: int) -> np.ndarray:
        nonlocal local
        local = model.step(local, name(code), int(when.timestamp() * 1e6))
        found = model.recall(local)
        return top(found.scores, found.seen)

    def transformer(code: int) -> np.ndarray:
        return peer.best(watched, seen)

    arms: dict[str, Callable[[int], np.ndarray]] = {
        "ours": ours,
        "model_only": model_only,
        "transformer": transformer,
    }
    for turn, code in enumerate(fresh):
        watched.append(code)
        seen[code] = True
        when += timedelta(hours=1)
        times.append(int(when.timestamp() * 1e6))
        for arm, ask in arms.items():
            began = time.perf_counter()
            ask(code)
            if turn >= 5:  # the first ones warm up
                taken[arm].append((time.perf_counter() - began) * 1e3)
    whole = model.personal_scores(Histories.one(watched, len(model.items), times))[0]
    kept = states.current("recommender", "recommend", subject, model, version)
    differ = float(np.abs(model.recall(kept.state).scores - whole).max())
    faster = np.array(taken["transformer"]) / np.array(taken["ours"])
    return {
        **{f"{arm}_ms": interval(np.array(values)) for arm, values in taken.items()},
        "times_faster": interval(faster),
        "times_faster_model_only": interval(np.array(taken["transformer"]) / np.array(taken["model_only"])),
        "state_bytes": len(model.pack(kept.state)),
        "state_differs_by": differ,
        "largest_score": float(np.abs(whole).max()),
    }


def interval(values: np.ndarray) -> dict[str, float]:
    """The median with a 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = np.median(values[rng.integers(0, len(values), (1000, len(values)))], axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {
        "median": round(float(np.median(values)), 3),
        "low": round(float(low), 3),
        "high": round(float(high), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=6_000, help="of the catalogue, at least 5,100")
    parser.add_argument("--rounds", type=int, default=40, help="events per length that are measured")
    options = parser.parse_args()
    harness.pin()
    found = measure(options.items, options.rounds)
    print(json.dumps({"benchmark": "online_recommender", "cores": harness.CORES, **found}, indent=2))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
