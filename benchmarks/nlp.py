"""The nlp family on public sets, beside its peers, on the same parts and cores, in one run.

    python -m benchmarks.nlp [--only sst2,tweets,topics,entities,summaries,throughput] [--tuned] [--home FOLDER]
                             [--entities linear,network] [--sets wnut17,conll2003] [--repeat N]

Prints one JSON object. ``--tuned`` adds what takes long: the encoder fine-tuned on SST-2, and with the tagger. Peers
live in environments of their own (benchmarks/peers): BERTopic, spaCy and VADER; the linear baseline of the tweets is
scikit-learn's. Differences to a peer are paired over the same texts, with 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.arms import nlp_data as data

PARTS = ("sst2", "tweets", "topics", "entities", "summaries", "throughput")
NEEDS = {"sst2": ["sst2"], "tweets": ["tweets"], "topics": ["agnews", "r8"], "summaries": ["dialogsum"]}
NEEDS |= {"throughput": ["tweets"]}
TWEETS = ("sentiment", "emotion", "irony")
GOALS = {
    "frozen": 0.81,
    "frozen_seconds": 600,
    "tuned": 0.89,
    "tuned_seconds": 1800,
    "faster": 3.0,
    "seconds": 300,
}
TUNED_NAMES = {"tune_encoder": True, "epochs": 4, "learning_rate": 3e-4}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--entities", default="lexicon,linear,network")
    parser.add_argument("--sets", default="wnut17,conll2003")
    parser.add_argument("--repeat", type=int, default=1, help="of the topics, in turn; ratios are of medians")
    parser.add_argument("--texts", type=int, default=10_000, help="of the throughput")
    parser.add_argument("--home", type=Path, default=None, help="where peers' environments are kept")
    asked = parser.parse_args()
    chosen = asked.only.split(",")
    if unknown := [name for name in chosen if name not in PARTS]:
        sys.exit(f"unknown parts: {', '.join(unknown)}; known are {', '.join(PARTS)}")
    needed = [name for part in chosen for name in NEEDS.get(part, asked.sets.split(","))]
    if gone := data.missing(needed):
        sys.exit(f"missing below FORGE_DATA: {', '.join(gone)}")
    answer: dict[str, Any] = {"benchmark": "nlp", "load_average_before": round(os.getloadavg()[0], 1)}
    answer |= {"pinned_to_cores": harness.pin(), "goals": {}}
    with tempfile.TemporaryDirectory(prefix="forge-nlp-") as scratch:
        for part in chosen:
            place = Path(scratch)
            answer[part], goals = DONE[part](asked, place, asked.home or place)
            answer["goals"] |= goals
    print(json.dumps(answer, indent=2))


def ours(place: Path, part: str, name: str, candidate: str, config: dict[str, Any] | None = None) -> Any:
    """The arm's answer, and its values per unit."""
    out = place / "ours.npz"
    arm = harness.Arm("nlp_ours", (part, name, candidate, out, json.dumps(config or {})))
    result = harness.run(arm, place)
    print(f"{part} {name} {candidate}: {result}", file=sys.stderr, flush=True)
    return harness.said(result), dict(np.load(out))


def goal(wanted: float, reached: float, lower: bool = False) -> dict[str, Any]:
    return {
        "goal": wanted,
        "reached": reached,
        "met": bool(reached <= wanted if lower else reached >= wanted),
    }


def paired(one: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    from forge_core.evaluation.intervals import paired_difference

    found = paired_difference(one, other)
    return {"difference": round(found.value, 4), "interval": [round(found.low, 4), round(found.high, 4)]}


def sst2(asked: argparse.Namespace, place: Path, home: Path) -> tuple[Any, Any]:
    table, goals = [], {}
    names = ["nb_svm", "frozen", *(["tuned"] if asked.tuned else [])]
    for name in names:
        result, _ = ours(place, "sentiment", "sst2", name)
        table.append({"model": name, **result})
        if name in GOALS:
            goals[f"sst2_{name}"] = goal(GOALS[name], result["accuracy"])
            goals[f"sst2_{name}_seconds"] = goal(GOALS[f"{name}_seconds"], result["seconds"], lower=True)
    return {"table": table}, goals


def tweets(asked: argparse.Namespace, place: Path, home: Path) -> tuple[Any, Any]:
    """``sentiment`` has three classes; its train texts are absent, so all learn from its 2,000 validation tweets."""
    found: dict[str, Any] = {}
    goals = {}
    for task in TWEETS:
        linear, right = ours(place, "plain", task, "-")
        best, own = ours(place, "sentiment", task, "frozen")
        rows = [{"model": "tf-idf and logistic regression (scikit-learn)", **linear}]
        rows.append({"model": "frozen", **best, "over_linear": paired(own["right"], right["right"])})
        goals[f"tweets_{task}_over_linear"] = goal(linear["macro_f1"], best["macro_f1"])
        if task == "sentiment":
            row = vader(place, home)
            rows.append(row)
            goals["tweets_sentiment_over_vader"] = goal(row["macro_f1"], best["macro_f1"])
        found[task] = rows
    return found, goals


def vader(place: Path, home: Path) -> dict[str, Any]:
    from benchmarks.arms.nlp_ours import macro_f1

    texts, labels = data.tweets("sentiment")["test"]
    (place / "texts.json").write_text(json.dumps(texts))
    arm = harness.Arm("nlp_vader", (place / "texts.json", place / "said.json"), peer="vader")
    result = harness.said(harness.run(arm, home))
    said = json.loads((place / "said.json").read_text())
    right = np.mean([a == b for a, b in zip(said, labels, strict=True)])
    return {
        "model": "VADER",
        **result,
        "accuracy": round(float(right), 4),
        "macro_f1": macro_f1(labels, said),
    }


def topics(asked: argparse.Namespace, place: Path, home: Path) -> tuple[Any, Any]:
    from sklearn.metrics import normalized_mutual_info_score

    from forge_models.encoder.finding import find

    found: dict[str, Any] = {}
    goals = {}
    for name in ("agnews", "r8"):
        texts, labels = data.topics(name)
        (place / "texts.json").write_text(json.dumps(texts))
        arm = harness.Arm(
            "nlp_bertopic",
            (place / "texts.json", place / "peer.npz", find("all-MiniLM-L6-v2")),
            peer="bertopic",
        )
        runs: dict[str, list[Any]] = {"clusters": [], "word_clusters": [], "BERTopic, its defaults": []}
        for _ in range(asked.repeat):
            for candidate in ("clusters", "word_clusters"):
                runs[candidate].append(ours(place, "topics", name, candidate)[0])
            peer = harness.said(harness.run(arm, home))
            nmi = normalized_mutual_info_score(labels, np.load(place / "peer.npz")["assigned"])
            runs["BERTopic, its defaults"].append({**peer, "nmi": round(float(nmi), 4)})
        rows = [middle(model, several) for model, several in runs.items()]
        own, theirs = rows[0], rows[2]
        goals[f"{name}_nmi"] = goal(theirs["nmi"], own["nmi"])
        goals[f"{name}_times_faster"] = goal(GOALS["faster"], round(theirs["seconds"] / own["seconds"], 2))
        found[name] = rows
    return found, goals


def middle(model: str, several: list[dict[str, Any]]) -> dict[str, Any]:
    """The run of median time, with the median NMI; all of both are told."""
    order = sorted(several, key=lambda one: one["seconds"])
    row = {"model": model, **order[len(order) // 2], "nmi": float(np.median([one["nmi"] for one in several]))}
    return row | {
        "all_seconds": [one["seconds"] for one in several],
        "all_nmi": [one["nmi"] for one in several],
    }


def entities(asked: argparse.Namespace, place: Path, home: Path) -> tuple[Any, Any]:
    from forge_models.nlp.spans import f1, outcomes

    found: dict[str, Any] = {}
    goals = {}
    for name in asked.sets.split(","):
        parts = data.tagged(name)
        (place / "parts.json").write_text(json.dumps(parts))
        arm = harness.Arm("nlp_spacy", (place / "parts.json", place / "said.json"), peer="spacy")
        peer = harness.said(harness.run(arm, home))
        counts = outcomes([tags for _, tags in parts["test"]], json.loads((place / "said.json").read_text()))
        score, precision, recall = f1(counts)
        theirs = {"f1": round(score, 4), "precision": round(precision, 4), "recall": round(recall, 4)}
        rows = [{"model": "spaCy, blank, trained on the same", **peer, **theirs}]
        wanted = [(one, {}) for one in asked.entities.split(",")]
        wanted += [("network", TUNED_NAMES)] if asked.tuned else []
        best = 0.0
        for candidate, config in wanted:
            result, values = ours(place, "entities", name, candidate, config)
            row = {"model": candidate + (", encoder tuned" if config else ""), **result}
            rows.append(row | {"over_spacy": difference(values["counts"], counts)})
            best = max(best, result["f1"])
        goals[f"{name}_f1_over_spacy"] = goal(round(score, 4), best)
        found[name] = rows
    return found, goals


def difference(one: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Of two strict F1, over resampled sentences, both on the same."""
    from forge_core.evaluation.intervals import weights
    from forge_models.nlp.spans import f1

    drawn = [
        f1((row @ one)[None])[0] - f1((row @ other)[None])[0]
        for block in weights(len(one), 500)
        for row in block
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"difference": round(f1(one)[0] - f1(other)[0], 4), "interval": [round(low, 4), round(high, 4)]}


def summaries(asked: argparse.Namespace, place: Path, home: Path) -> tuple[Any, Any]:
    held = {name: ours(place, "summaries", "dialogsum", name) for name in ("lead", "ranked", "network")}
    rows = [{"model": name, **result} for name, (result, _) in held.items()]
    lead, goals = held["lead"], {}
    best = max((name for name in held if name != "lead"), key=lambda name: held[name][0]["rouge1"])
    for key in ("rouge1", "rouge2", "rougeL"):
        for row in rows[1:]:
            row[f"{key}_over_lead"] = paired(held[row["model"]][1][key], lead[1][key])
        goals[f"dialogsum_{key}_over_lead"] = goal(lead[0][key], held[best][0][key])
    return {"table": rows, "best": best}, goals


def throughput(asked: argparse.Namespace, place: Path, home: Path) -> tuple[Any, Any]:
    result, _ = ours(place, "throughput", "tweets", "-", {"texts": asked.texts})
    scaled = round(result["seconds"] * 10_000 / result["rows"], 1)
    return result, {"seconds_for_10000_texts": goal(GOALS["seconds"], scaled, lower=True)}


DONE = {
    "sst2": sst2, "tweets": tweets, "topics": topics, "entities": entities, "summaries": summaries,
    "throughput": throughput,
}  # fmt: skip


if __name__ == "__main__":
    main()
