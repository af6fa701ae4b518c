"""Ours, one measurement: ``nlp_ours PART SET CANDIDATE OUT [CONFIG]``; values per unit go to OUT (npz)."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arms import nlp_data
from forge_models.family import TrainingRun

SEED = 0


def main() -> None:
    part, name, candidate, out = sys.argv[1:5]
    config = json.loads(sys.argv[5]) if len(sys.argv) > 5 else {}
    with tempfile.TemporaryDirectory(prefix="forge-nlp-") as folder:
        run = TrainingRun(
            Path(folder), time_budget_s=float(config.pop("seconds", 3600.0)), preset="full", seed=SEED
        )
        run.progress = lambda message: print(message, file=sys.stderr, flush=True)
        answer, values = PARTS[part](name, candidate, config, run)
    np.savez(out, **values)
    print(json.dumps(answer))


def configured(task: str, candidate: str, config: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    from forge_models.nlp import NLP

    found = next(task_ for task_ in NLP.tasks if task_.name == task)
    way = next(one for one in found.candidates if one.name == candidate)
    return way, {**way.configs("full")[0], **config}


def sentiment(name: str, candidate: str, config: dict[str, Any], run: TrainingRun) -> tuple[Any, Any]:
    """SST-2, or a task of the tweets: accuracy per text on the test part."""
    import pyarrow as pa

    from forge_models.family import Splits
    from forge_models.nlp.reference import reference_set

    if name == "sst2":
        rows = reference_set("sst2", nlp_data.folder("sst2")).to_pylist()
        parts = {p: ([r["text"] for r in rows if r["split"] == p], [r["label"] for r in rows if r["split"] == p])
                 for p in ("train", "validation", "test")}  # fmt: skip
        learned, asked = parts["train"], parts["test"]
    else:
        held = nlp_data.tweets(name)
        learned, asked = held.get("train", held["val"]), held["test"]
    way, config = configured("sentiment", candidate, config)
    table = pa.table({"text": learned[0], "label": learned[1], "split": ["train"] * len(learned[0])})
    began = time.perf_counter()
    model = way.fit(Splits(table, {}, ""), config, run)
    fitted = time.perf_counter() - began
    began = time.perf_counter()
    said = [model.classes[i] for i in model.probabilities(asked[0]).argmax(axis=1)]
    seconds = time.perf_counter() - began
    right = np.array([a == b for a, b in zip(said, asked[1], strict=True)], float)
    answer = {
        "rows": len(asked[0]), "learned_from": len(learned[0]), "seconds": round(fitted, 1),
        "answer_seconds": round(seconds, 1), "accuracy": round(float(right.mean()), 4),
        "macro_f1": macro_f1(asked[1], said), "configuration": config,
    }  # fmt: skip
    return answer, {"right": right}


def macro_f1(gold: list[str], said: list[str]) -> float:
    from sklearn.metrics import f1_score

    return round(float(f1_score(gold, said, average="macro")), 4)


def plain(name: str, candidate: str, config: dict[str, Any], run: TrainingRun) -> tuple[Any, Any]:
    """TF-IDF of words and pairs with a logistic regression, by scikit-learn alone: the linear baseline."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    held = nlp_data.tweets(name)
    learned, asked = held.get("train", held["val"]), held["test"]
    began = time.perf_counter()
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    model = make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000)).fit(*learned)
    said = model.predict(asked[0]).tolist()
    right = np.array([a == b for a, b in zip(said, asked[1], strict=True)], float)
    seconds = round(time.perf_counter() - began, 1)
    answer = {"rows": len(right), "seconds": seconds, "accuracy": round(float(right.mean()), 4)}
    return answer | {"macro_f1": macro_f1(asked[1], said)}, {"right": right}


def topics(name: str, candidate: str, config: dict[str, Any], run: TrainingRun) -> tuple[Any, Any]:
    """NMI with the classes; the encoder's time is in it, as it is in the peer's."""
    import pyarrow as pa
    from sklearn.metrics import normalized_mutual_info_score

    from forge_models.family import Splits

    texts, labels = nlp_data.topics(name)
    way, config = configured("topics", candidate, config)
    began = time.perf_counter()
    model = way.fit(Splits(pa.table({"text": texts, "split": ["train"] * len(texts)}), {}, ""), config, run)
    fitted = time.perf_counter() - began
    rows, _ = model.assign(texts)
    nmi = normalized_mutual_info_score(labels, rows)
    answer = {
        "rows": len(texts),
        "seconds": round(fitted, 1),
        "nmi": round(float(nmi), 4),
        "topics": len(model.ids),
    }
    return answer, {"assigned": rows}


def entities(name: str, candidate: str, config: dict[str, Any], run: TrainingRun) -> tuple[Any, Any]:
    """Strict entity F1 on the test part, learned from train alone."""
    import pyarrow as pa

    from forge_models.family import Splits
    from forge_models.nlp.spans import f1, outcomes

    parts = nlp_data.tagged(name)
    way, config = configured("entities", candidate, config)
    learned = parts["train"][: int(config.pop("most", 0)) or None]
    table = pa.table({
        "tokens": [words for words, _ in learned], "tags": [tags for _, tags in learned],
        "split": ["train"] * len(learned),
    })  # fmt: skip
    began = time.perf_counter()
    model = way.fit(Splits(table, {}, ""), config, run)
    fitted = time.perf_counter() - began
    began = time.perf_counter()
    said = model.tags([words for words, _ in parts["test"]])
    seconds = time.perf_counter() - began
    counts = outcomes([tags for _, tags in parts["test"]], said)
    score, precision, recall = f1(counts)
    answer = {
        "rows": len(parts["test"]), "learned_from": len(learned), "seconds": round(fitted, 1),
        "answer_seconds": round(seconds, 1), "f1": round(score, 4), "precision": round(precision, 4),
        "recall": round(recall, 4), "configuration": config,
    }  # fmt: skip
    return answer, {"counts": counts}


def summaries(name: str, candidate: str, config: dict[str, Any], run: TrainingRun) -> tuple[Any, Any]:
    """Mean ROUGE F1 over the references of each dialogue of the test part; learned from the dev part."""
    import pyarrow as pa

    from forge_models.family import Splits
    from forge_models.nlp.rouge import rouge
    from forge_models.nlp.summaries import units

    learned, asked = nlp_data.dialogues("dev"), nlp_data.dialogues("test")
    way, config = configured("summaries", candidate, config)
    table = pa.table({
        "text": [row["text"] for row in learned], "reference": [row["references"][0] for row in learned],
        "split": ["train"] * len(learned),
    })  # fmt: skip
    began = time.perf_counter()
    model = way.fit(Splits(table, {}, ""), config, run)
    fitted = time.perf_counter() - began
    texts = [units(row["text"]) for row in asked]
    found: dict[str, list[float]] = {"rouge1": [], "rouge2": [], "rougeL": []}
    for own, places, row in zip(texts, model.chosen(texts), asked, strict=True):
        said = [rouge(" ".join(own[i] for i in places), one) for one in row["references"]]
        for key, values in found.items():
            values.append(float(np.mean([one[key] for one in said])))
    answer = {"rows": len(asked), "seconds": round(fitted, 1), "configuration": config}
    answer |= {key: round(float(np.mean(values)), 4) for key, values in found.items()}
    return answer, {key: np.array(values) for key, values in found.items()}


def throughput(name: str, candidate: str, config: dict[str, Any], run: TrainingRun) -> tuple[Any, Any]:
    """Seconds for many short texts, all different, through all default tasks; fitting is not counted."""
    from datetime import datetime, timedelta

    import pyarrow as pa

    from forge_core import keys
    from forge_models.nlp import NLP

    held = nlp_data.tweets("sentiment")
    texts = list(dict.fromkeys([*held["test"][0], *held["val"][0]]))[: int(config.get("texts", 10_000))]
    start = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        {
            "chunk_id": f"{i:06d}-0", "subject": "s", "source": "chat", "event_id": f"{i:06d}", "kind": "message",
            "part": 0, "title": None, "text": text, "language": None, "thread": f"t{i // 20}", "author": "a",
            "time": start + timedelta(minutes=9 * i), "hash": f"{i}", "export": "x", "known_at": start,
        }
        for i, text in enumerate(texts)
    ]  # fmt: skip
    schema = pa.schema([
        ("chunk_id", pa.string()), ("subject", pa.string()), ("source", pa.string()), ("event_id", pa.string()),
        ("kind", pa.string()), ("part", pa.int64()), ("title", pa.string()), ("text", pa.string()),
        ("language", pa.string()), ("thread", pa.string()), ("author", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")), ("hash", pa.string()), ("export", pa.string()),
        ("known_at", pa.timestamp("us", tz="UTC")),
    ])  # fmt: skip
    chunks = pa.Table.from_pylist(rows, schema=schema)
    models = {}
    defaults = {
        "topics": "clusters",
        "sentiment": "frozen",
        "entities": "linear",
        "language": "counts",
        "summaries": "lead",
    }
    began = time.perf_counter()
    for task in NLP.tasks:
        way, own = configured(task.name, defaults[task.name], {})
        models[task.name] = way.fit(NLP.split(task, {keys.CHUNKS: chunks}), own, run)
    fitted = time.perf_counter() - began
    began = time.perf_counter()
    told = NLP.tell(models, {keys.CHUNKS: chunks})
    seconds = time.perf_counter() - began
    answer = {"rows": len(texts), "seconds": round(seconds, 1), "fit_seconds": round(fitted, 1)}
    return answer | {"told": {key: rows.num_rows for key, rows in told.items()}}, {}


PARTS = {
    "sentiment": sentiment,
    "plain": plain,
    "topics": topics,
    "entities": entities,
    "summaries": summaries,
    "throughput": throughput,
}


if __name__ == "__main__":
    main()
