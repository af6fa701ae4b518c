"""NAB's realKnownCause by NAB's own scoring (Lavin and Ahmad 2015, standard profile), beside what it publishes.

The detector is the residual of the daily routine as the product has it (``routine.residuals``), with the hour of the
day as the season: the mean of the last 24 residuals against its own running mean and spread, one alarm a day. It
never looks ahead. Nothing is fitted but level and scale of NAB's probation period.

NAB chooses the threshold of a detector as the best on its labels, over all 58 files; ours is the best over these seven,
and for a threshold that was not chosen by labels the scores at 3, 4 and 5 are there. What is compared is numentaTM's
score of the same seven files, from its published scores per file; the others are published for all 58 files only.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SHORT, FORGET, CLIP = 24, 0.0005, 15.0
THRESHOLDS = np.round(np.arange(1.0, 12.01, 0.25), 2)
A_FP = 0.11  # NAB's standard profile; true positives and misses weigh 1


def main() -> None:
    folder = Path(os.environ.get("FORGE_DATA", ROOT.parent / "shared" / "data")) / "anomaly-nab"
    if not folder.is_dir():
        sys.exit("missing below FORGE_DATA: anomaly-nab")
    began = time.perf_counter()
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    names = [name for name in labels if name.startswith("realKnownCause/")]
    held, rows = {}, 0
    for name in names:
        seconds, values = read(folder / "data" / name)
        held[name] = (seconds, scores(seconds, values), windows(labels[name], seconds))
        rows += len(values)
    curve = {}
    for threshold in THRESHOLDS.tolist():
        each = {name: scored(alarms(*one[:2], threshold), one[2]) for name, one in held.items()}
        curve[threshold] = normalised(each, held) | {"files": each}
    best = max(curve, key=lambda one: curve[one]["score"])
    published = json.loads((folder / "published" / "final_results.json").read_text())
    with open(folder / "published" / "numentaTM_standard_scores.csv", newline="") as opened:
        theirs = {row["File"]: float(row["Score"]) for row in csv.DictReader(opened)}
    answer = {
        "rows": rows,
        "seconds": round(time.perf_counter() - began, 1),
        "best_threshold": best,
        "score": curve[best]["score"],
        "windows_found": curve[best]["found"],
        "windows": sum(len(one[2]) for one in held.values()),
        "score_at_thresholds_not_chosen": {str(one): curve[one]["score"] for one in (3.0, 4.0, 5.0)},
        "numentaTM_same_files": normalised({name: (theirs[name], 0) for name in names}, held)["score"],
        "published_all_58_files": {name: round(one["standard"], 1) for name, one in published.items()},
        "files": {name: round(one[0], 3) for name, one in curve[best]["files"].items()},
    }
    print(json.dumps(answer))


def read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    with open(file, newline="") as opened:
        rows = list(csv.reader(opened))[1:]
    seconds = [datetime.fromisoformat(row[0]).replace(tzinfo=UTC).timestamp() for row in rows]
    return np.array(seconds), np.array([float(row[1]) for row in rows])


def probation(n: int) -> int:
    """How many rows NAB does not score: the first 15 %, of 5,000 at most."""
    return int(min(0.15 * n, 750))


def scores(seconds: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n,) how far the mean of the last residuals is from what such means were, in their spread."""
    from forge_models.anomaly.routine import residuals

    first = values[: probation(len(values))]
    level = float(np.median(first))
    distance = np.abs(first - level)
    scale = max(1.4826 * float(np.median(distance)), 0.5 * float(distance.mean()), 1e-6)
    hour = (seconds // 3600).astype(np.int64) % 24
    start = np.full((24, 1), level), np.full((24, 1), scale)
    z = residuals(values[:, None], np.zeros(len(values), np.int64), hour, *start)[0][:, 0].clip(-CLIP, CLIP)
    total, row = np.concatenate([[0.0], np.cumsum(z)]), np.arange(len(z))
    low = np.maximum(row + 1 - SHORT, 0)
    short = np.abs((total[1:] - total[low]) / (row + 1 - low))
    found, mean, variance = np.zeros(len(z)), 0.0, 1.0
    for place, value in enumerate(short.tolist()):
        found[place] = (value - mean) / np.sqrt(variance + 1e-3)
        step, bound = max(1.0 / (place + 2), FORGET), 3.0 * np.sqrt(variance)
        distance_now = value - mean
        if place > 50:
            distance_now = min(max(distance_now, -bound), bound)
        mean += step * distance_now
        variance += step * (distance_now * distance_now - variance)
    return found


def alarms(seconds: np.ndarray, found: np.ndarray, threshold: float) -> list[int]:
    """Rows that raise an alarm: above the threshold, and none in the day before."""
    kept: list[int] = []
    for row in np.flatnonzero(found >= threshold).tolist():
        if row >= probation(len(found)) and (not kept or seconds[row] - seconds[kept[-1]] >= 86_400):
            kept.append(row)
    return kept


def windows(labels: list[list[str]], seconds: np.ndarray) -> list[tuple[int, int]]:
    """First and last row of each labelled window."""
    found = []
    for bounds in labels:
        low, high = (datetime.fromisoformat(one).replace(tzinfo=UTC).timestamp() for one in bounds)
        inside = np.flatnonzero((seconds >= low) & (seconds <= high))
        found.append((int(inside[0]), int(inside[-1])))
    return found


def sigmoid(place: float) -> float:
    """NAB's scaled sigmoid: 1 early in a window, 0 at its end, -1 far behind it."""
    return -1.0 if place > 3.0 else 2.0 / (1.0 + np.exp(5.0 * place)) - 1.0


def scored(rows: list[int], labelled: list[tuple[int, int]]) -> tuple[float, int]:
    """NAB's raw score of one file, and how many windows were found."""
    total, found = 0.0, set()
    for row in rows:
        inside = next((w for w in labelled if w[0] <= row <= w[1]), None)
        if inside is not None:
            if inside not in found:
                found.add(inside)
                width = inside[1] - inside[0] + 1
                total += sigmoid(-(inside[1] - row + 1) / width) / sigmoid(-1.0)
            continue
        before = [w for w in labelled if w[1] < row]
        if not before:
            total -= A_FP
        else:
            low, high = before[-1]
            total += A_FP * sigmoid((row - high) / max(high - low, 1))
    return float(total - (len(labelled) - len(found))), len(found)


def normalised(each: dict, held: dict) -> dict:
    """100 for a perfect detector, 0 for one that never alarms."""
    count = sum(len(one[2]) for one in held.values())
    total = sum(one[0] for one in each.values())
    return {
        "score": round(100.0 * (total + count) / (2.0 * count), 1),
        "found": sum(one[1] for one in each.values()),
    }


if __name__ == "__main__":
    main()
