"""Anomaly detection: tables, labelled logs, time series, and how fast one event and a million of them are scored.

    python -m benchmarks.anomaly [--seeds 5] [--parts tables,rows,logs,series,incidents] [--home FOLDER]

Prints one JSON object. PyOD's detectors run with their defaults, in one process with ours, in an environment of their
own. Tables: ADBench's (NeurIPS 2022), standardised, fitted and scored on the same rows without labels; means over
sets of the means over seeds, and the ratio with its bootstrap interval over sets. Logs: recall of labelled lines at a
fixed budget of alerts, nothing adjusted. Series: NAB's realKnownCause by NAB's own scoring, beside what it publishes.
Incidents: all candidates on one synthetic log.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import harness

GOALS = {"auroc_ratio": 1.025, "ap_ratio": 1.0, "event_us": 100.0, "events_per_minute": 1_000_000.0}
PARTS = ("tables", "rows", "logs", "series", "incidents")
PEER = "pyod_iforest"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--home", type=Path, default=None, help="where the peers' environment is kept")
    asked = parser.parse_args()
    parts = asked.parts.split(",")
    if wrong := sorted(set(parts) - set(PARTS)):
        sys.exit(f"no such part: {', '.join(wrong)}")
    answer: dict[str, Any] = {"benchmark": "anomaly", "load_average_before": round(os.getloadavg()[0], 1)}
    answer |= {"pinned_to_cores": harness.pin(), "goals": {}}
    with tempfile.TemporaryDirectory(prefix="forge-anomaly-") as scratch:
        for part in parts:
            arguments = (asked.seeds,) if part == "tables" else ()
            arm = harness.Arm(f"anomaly_{part}", arguments, peer=None if part == "incidents" else "pyod")
            answer[part] = harness.said(harness.run(arm, asked.home or Path(scratch)))
    if "tables" in answer:
        answer["tables"] |= beside(answer["tables"]["sets"])
        for name in ("auroc", "ap"):
            goal(answer, f"{name}_ratio", answer["tables"][f"{name}_over_{PEER}"]["ratio"], True)
    if "rows" in answer:
        goal(answer, "event_us", answer["rows"]["event_us"]["rarity"]["p50"], False)
        goal(answer, "events_per_minute", answer["rows"]["events_per_minute"]["rarity"], True)
    print(json.dumps(answer, indent=2))


def goal(answer: dict[str, Any], name: str, reached: float, at_least: bool) -> None:
    met = reached >= GOALS[name] if at_least else reached <= GOALS[name]
    answer["goals"][name] = {"goal": GOALS[name], "reached": reached, "met": met}


def beside(sets: dict[str, Any]) -> dict[str, Any]:
    """Means over sets, and ours over the peer's with the bootstrap interval over sets."""
    import numpy as np

    models = list(next(iter(sets.values()))["models"])
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(sets), (2000, len(sets)))
    found: dict[str, Any] = {}
    for metric in ("auroc", "ap"):
        values = {
            model: np.array([one["models"][model][metric] for one in sets.values()]) for model in models
        }
        found[f"mean_{metric}"] = {model: round(float(v.mean()), 4) for model, v in values.items()}
        ours, theirs = values["neighbours"], values[PEER]
        ratios = ours[drawn].mean(axis=1) / theirs[drawn].mean(axis=1)
        low, high = np.percentile(ratios, [2.5, 97.5])
        found[f"{metric}_over_{PEER}"] = {
            "ratio": round(float(ours.mean() / theirs.mean()), 4),
            "interval": [round(float(low), 4), round(float(high), 4)],
            "sets_won": int((ours > theirs).sum()),
        }
    return found


if __name__ == "__main__":
    main()
