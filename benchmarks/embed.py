"""The text encoder against ``SentenceTransformer.encode`` with its defaults: same model and cores.

    python -m benchmarks.embed [--texts N] [--singles N] [--repeat N] [--skip-quality]

Prints one JSON object. Both arms run in processes of their own, pinned to the same two cores, and take turns;
a ratio is formed within each turn, the median of the turns is given with its 95 % bootstrap interval. Texts are
real ones of mixed length (benchmarks/arms/embed_texts.py), tokenising is included. Where there is a CUDA device,
both are compared on it too, with all cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import embed_quality, harness
from benchmarks.arms import embed_texts

GOALS = {"batch": 3.0, "single": 4.0, "cosine": 0.99, "task": 0.99}
SECONDS = {"batch": "seconds", "single": "single_seconds"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--singles", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--skip-quality", action="store_true")
    asked = parser.parse_args()
    if embed_texts.missing():
        sys.exit(f"missing below FORGE_DATA: {', '.join(embed_texts.missing())}")
    answer: dict[str, Any] = {"benchmark": "embed", "load_average_before": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory(prefix="forge-embed-") as scratch:
        if _cuda():  # before pinning: a GPU is fed by all cores
            answer["cuda"] = compare(Path(scratch), asked, "cuda")
        answer["pinned_to_cores"] = harness.pin()
        answer["cpu"] = compare(Path(scratch), asked, "cpu")
        if not asked.skip_quality:
            answer["quality"] = quality(Path(scratch), asked)
    answer["goals"] = goals(answer)
    print(json.dumps(answer, indent=2))


def arms(scratch: Path, asked: argparse.Namespace, device: str, *more: object) -> dict[str, harness.Arm]:
    sizes = (asked.texts, asked.singles)
    return {
        "sentence-transformers": harness.Arm("embed_sentence_transformers", (*sizes, device, *more)),
        "ours": harness.Arm("embed_ours", (*sizes, scratch / "cache", device, *more)),
    }


def compare(scratch: Path, asked: argparse.Namespace, device: str) -> dict[str, Any]:
    """Speed, memory and time to first use of both."""
    both = arms(scratch, asked, device)
    made = harness.said(
        harness.run(both["ours"], scratch)
    )  # the first run of all quantises and chooses; it is reported apart
    turns = [
        {name: harness.said(harness.run(arm, scratch)) for name, arm in both.items()}
        for _ in range(asked.repeat)
    ]
    answer: dict[str, Any] = {"texts": asked.texts, "singles": asked.singles, "turns": asked.repeat}
    answer["backend"] = made["backend"]
    answer["first_use_ever_seconds"] = made["first_vector_seconds"]
    for name in both:
        runs = [turn[name] for turn in turns]
        answer[name] = {
            "texts_per_s": round(statistics.median(run["rows"] / run["seconds"] for run in runs), 1),
            "single_per_s": round(
                statistics.median(run["singles"] / run["single_seconds"] for run in runs), 1
            ),
            "first_vector_seconds": round(statistics.median(run["first_vector_seconds"] for run in runs), 2),
            "peak_mb": round(statistics.median(run["peak_mb"] for run in runs)),
        }
        answer[name] |= {key: runs[0][key] for key in ("version", "threads", "backend") if key in runs[0]}
    for what, key in SECONDS.items():
        ratios = [turn["sentence-transformers"][key] / turn["ours"][key] for turn in turns]
        answer[f"{what}_times_faster"] = harness.interval(ratios)
    return answer


def quality(scratch: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Cosines on mixed texts and on news, and the task on news, ours beside the peer's."""
    vectors: dict[str, dict[str, np.ndarray]] = {}
    for kind in ("mixed", "news"):
        for name in arms(scratch, asked, "cpu"):
            file = scratch / f"{kind}-{name}.npy"
            harness.said(harness.run(arms(scratch, asked, "cpu", f"--{kind}", file)[name], scratch))
            vectors.setdefault(kind, {})[name] = np.load(file)
    answer: dict[str, Any] = {
        f"cosine_{kind}": embed_quality.cosines(pair["ours"], pair["sentence-transformers"])
        for kind, pair in vectors.items()
    }
    classes = embed_texts.news()[0]
    return answer | {name: embed_quality.task(found, classes) for name, found in vectors["news"].items()}


def goals(answer: dict[str, Any]) -> dict[str, Any]:
    """Each goal with what was reached."""
    reached = {what: answer["cpu"][f"{what}_times_faster"]["median"] for what in SECONDS}
    if "quality" in answer:
        found = answer["quality"]
        reached["cosine"] = found["cosine_mixed"]["mean"]
        ours, peer = found["ours"], found["sentence-transformers"]
        reached["task"] = round(min(ours[metric] / peer[metric] for metric in ours), 4)
    return {
        what: {"goal": GOALS[what], "reached": one, "met": one >= GOALS[what]}
        for what, one in reached.items()
    }


def _cuda() -> bool:
    from forge_models.encoder.torch_backend import cuda

    return cuda()


if __name__ == "__main__":
    main()
