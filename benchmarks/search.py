"""Search quality: passages of the same class found by a text, by words, by meaning and by both, as one JSON object.

python -m benchmarks.search [--queries 400]

Three public labelled sets. Texts of a set are indexed as documents; others of it are the queries; a hit is a passage
of the query's class. The weights and the feedback are chosen on the first half of each set's queries and judged on the
second. Differences are paired over queries, with 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.arms.embed_texts import data, news

DEPTH, INDEXED, SEED = 10, 6000, 0
WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)

Set = tuple[list[str], list[str]]  # texts, classes


def ag_news() -> Set:
    classes, headlines, texts = news()
    return [f"{head}. {text}" for head, text in zip(headlines, texts, strict=True)], classes


def reuters() -> Set:
    rows: list[list[str]] = []
    for part in ("train", "test"):
        path = data() / "text-reuters-r8" / f"reuters-r8-{part}.tab"
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            rows += [row for row in list(csv.reader(file, delimiter="\t"))[3:] if len(row) == 2]
    return [text for _, text in rows], [one for one, _ in rows]


def dialogues() -> Set:
    folder = data() / "text-dailydialog-test"
    texts = (folder / "dialogues_test.txt").read_text("utf-8").splitlines()
    topics = (folder / "dialogues_test_topic.txt").read_text("utf-8").split()
    return [" ".join(text.split("__eou__")).strip() for text in texts], topics


SETS: dict[str, Callable[[], Set]] = {"ag_news": ag_news, "reuters_r8": reuters, "dailydialog": dialogues}


def indexed(stores: Any, texts: list[str]) -> None:
    """The texts as passages of documents, with vectors, as the assets would leave them."""
    import pyarrow as pa

    from forge_core.features.texts import CHUNKS

    with stores.database.transaction() as connection:
        connection.execute(f"drop table if exists {CHUNKS.address}")
        connection.execute(CHUNKS.create(CHUNKS.address))
        names = "chunk_id, subject, source, event_id, kind, part, text, language, hash, export"
        statement = f"copy {CHUNKS.address} ({names})"
        with connection.cursor().copy(f"{statement} from stdin") as copy:
            for number, text in enumerate(texts):
                event = f"00000000-0000-0000-0000-{number:012d}"
                copy.write_row(
                    (str(number), "p_x", "set", event, "document", 0, text, "en", str(number), "set-0")
                )
        for index in CHUNKS.indexes:
            connection.execute(f"create index on {CHUNKS.address} {index}")
        connection.execute(f"analyze {CHUNKS.address}")
    count = len(texts)
    rows = pa.table(
        {
            "id": [str(n) for n in range(count)], "subject": ["p_x"] * count, "source": ["set"] * count,
            "export": ["set-0"] * count, "time": pa.nulls(count, pa.timestamp("us", "UTC")),
        }
    )  # fmt: skip
    stores.vectors.write("documents", rows, stores.encoder.encode(texts), stores.encoder.identity)
    stores.vectors.tune("documents")


def quality(stores: Any, name: str, queries: int) -> dict[str, Any]:
    from forge_core.fusion import fused
    from forge_resources.search.hybrid import WEIGHTS as SHIPPED
    from forge_resources.search.hybrid import ranked
    from forge_resources.vectors import Filter

    texts, classes = SETS[name]()
    order = np.random.default_rng(SEED).permutation(len(texts))
    asked, kept = order[:queries], order[queries:][:INDEXED]
    indexed(stores, [texts[i] for i in kept])
    label = [classes[i] for i in kept]
    sizes = {one: label.count(one) for one in set(label)}
    rankings = [ranked(stores, texts[i], Filter()) for i in asked]

    def scores(weights: dict[str, float]) -> np.ndarray:
        gained = []
        for i, found in zip(asked, rankings, strict=True):
            hits = [label[int(one)] == classes[i] for one, _ in fused(found, weights)[:DEPTH]]
            gained.append(ndcg(hits, sizes.get(classes[i], 0)))
        return np.array(gained)

    half = queries // 2
    tried = {weight: scores({**SHIPPED, "words": weight}) for weight in WEIGHTS}
    best = max(WEIGHTS, key=lambda weight: tried[weight][:half].mean())
    legs = {name: scores({other: float(other == name) for other in SHIPPED}) for name in ("meaning", "words")}
    hybrid = scores(SHIPPED)
    return {
        "indexed": len(kept),
        "queries_judged": queries - half,
        "classes": len(sizes),
        "ndcg_at_10": {n: round(float(s[half:].mean()), 4) for n, s in {**legs, "hybrid": hybrid}.items()},
        "hybrid_better_than": {n: difference(hybrid[half:], s[half:]) for n, s in legs.items()},
        "weight_of_words": {"shipped": SHIPPED["words"], "best_on_first_half": best},
        "first_half_by_weight": {str(w): round(float(s[:half].mean()), 4) for w, s in tried.items()},
    }


def ndcg(hits: list[bool], relevant: int) -> float:
    """Binary gains; the ideal ranking has as many hits as there are passages of the class, ten at most."""
    discount = 1 / np.log2(np.arange(2, DEPTH + 2))
    ideal = discount[: min(relevant, DEPTH)].sum()
    return float((np.array(hits, float) * discount[: len(hits)]).sum() / ideal) if ideal else 0.0


def difference(ours: np.ndarray, other: np.ndarray) -> dict[str, float]:
    gap = ours - other
    chance = np.random.default_rng(SEED)
    means = chance.choice(gap, (2000, len(gap))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return {"by": round(float(gap.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--only", choices=SETS)
    asked = parser.parse_args()
    if not data().is_dir():
        raise SystemExit("the public data sets are not there: set FORGE_DATA to their folder")
    harness.pin()
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack
    from forge_resources.stores import Stores

    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(home=Path(folder) / "home", cache_ttl_s=0)
        with Stack(settings) as stack:
            stores = Stores(
                load_settings(
                    home=settings.home, cache_ttl_s=0, postgres_url=stack.environment()["POSTGRES_URL"]
                )
            )
            stores.database.ensure()
            names = [asked.only] if asked.only else list(SETS)
            found = {name: quality(stores, name, asked.queries) for name in names}
    print(json.dumps({"goal": "hybrid beats both of its parts", "sets": found}, indent=2))


if __name__ == "__main__":
    main()
