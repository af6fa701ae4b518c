"""Labelled logs: recall at a fixed budget of alerts, ours beside PyOD's IForest and ECOD on the same lines.

Runs in the peers' environment. Each log is one stream; a line is an event, whose item is its component and template,
and whose failure is its level or what it says of a login. Fitted and scored on the same lines, labels unseen. Ours
judge a line by those before it; the peers see all lines at once, as counts: templates one-hot, hour, gap, failures in
an hour.

BGL: the alert category of each line. OpenSSH (the sample has no labels): an address is an attacker's where sshd itself
notes a possible break-in; those notes are taken out, and addresses are ranked by their strangest line. HDFS: the sample
has no labels and is not judged.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]
BUDGETS = (0.01, 0.05, 0.1)
BAD = {"FATAL", "SEVERE", "ERROR", "FAILURE"}


def main() -> None:
    from forge_models.anomaly import fitting
    from forge_models.family import Splits, TrainingRun

    folder = Path(os.environ.get("FORGE_DATA", ROOT.parent / "shared" / "data")) / "anomaly-loghub"
    if not folder.is_dir():
        sys.exit("missing below FORGE_DATA: anomaly-loghub")
    began, answer = time.perf_counter(), {}
    for name, read in (("BGL", bgl), ("OpenSSH", openssh)):
        table, unit, label = read(folder)
        found: dict[str, Any] = {}
        configs: dict[str, dict[str, Any]] = {
            "volume": {},
            "rarity": {},
            "neighbours": {"draws": 50, "points": 64},
            "forest": {"trees": 100},
        }
        for kind, config in configs.items():
            with tempfile.TemporaryDirectory() as scratch:
                run = TrainingRun(Path(scratch))
                scored = fitting.fit("account", kind, Splits(table, {}, "temporal"), config, run).score(table)
            line = np.array([int(one) for one in scored.streams.table["event_id"].to_pylist()])
            scores = np.empty(len(line))
            scores[line] = scored.score
            found[kind] = judged(scores, unit, label)
        found |= {kind: judged(scores, unit, label) for kind, scores in peers(table).items()}
        units = len(np.unique(unit))
        answer[name] = {
            "lines": table.num_rows,
            "units": units,
            "labelled": int(label.sum()),
            "models": found,
        }
    answer["HDFS"] = "not judged: the sample has no labels"
    print(json.dumps({"rows": 4000, "seconds": round(time.perf_counter() - began, 1), **answer}))


def judged(scores: np.ndarray, unit: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Recall at each budget of units, and average precision; ``label`` (units,) by number. Ties count by order."""
    from sklearn.metrics import average_precision_score

    top = np.full(len(label), -np.inf)
    np.maximum.at(top, unit, scores)
    order = np.argsort(-top, kind="stable")
    found = {
        f"recall@{budget:.0%}": round(
            float(label[order[: round(budget * len(label))]].sum() / label.sum()), 3
        )
        for budget in BUDGETS
    }
    return found | {"ap": round(float(average_precision_score(label, top)), 3)}


def bgl(folder: Path) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    rows = lines(folder / "BGL" / "BGL_2k.log_structured.csv")
    table = events(
        [int(row["Timestamp"]) for row in rows],
        [f"{row['Component']}:{row['EventId']}" for row in rows],
        [row["Level"] in BAD for row in rows],
    )
    return table, np.arange(len(rows)), np.array([row["Label"] != "-" for row in rows])


def openssh(folder: Path) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    rows = lines(folder / "OpenSSH" / "OpenSSH_2k.log_structured.csv")
    address = [re.search(r"(?:\d{1,3}\.){3}\d{1,3}", row["Content"]) for row in rows]
    known = [(row, found.group()) for row, found in zip(rows, address, strict=True) if found]
    attackers = {one for row, one in known if "BREAK-IN" in row["Content"]}
    kept = [(row, one) for row, one in known if "BREAK-IN" not in row["Content"]]
    names = sorted({one for _, one in kept})
    number = {one: place for place, one in enumerate(names)}
    seen: set[str] = set()
    fresh = [not (one in seen or seen.add(one)) for _, one in kept]  # type: ignore[func-returns-value]
    table = events(
        [
            int(datetime.strptime(f"2023 {row['Date']} {row['Day']} {row['Time']}", "%Y %b %d %H:%M:%S")
                .replace(tzinfo=UTC).timestamp())
            for row, _ in kept
        ],
        [f"sshd:{row['EventId']}" for row, _ in kept],
        ["Failed" in row["Content"] or "failure" in row["Content"] for row, _ in kept],
        [int(one) for one in fresh],
    )  # fmt: skip
    unit = np.array([number[one] for _, one in kept])
    return table, unit, np.array([one in attackers for one in names])


def lines(file: Path) -> list[dict[str, str]]:
    with open(file, newline="") as opened:
        return list(csv.DictReader(opened))


def events(
    seconds: list[int], items: list[str], failed: list[bool], network: list[int] | None = None
) -> pa.Table:
    """``features/security_events`` of one stream; ``event_id`` is the number of the line."""
    n = len(items)
    nothing = pa.nulls(n, pa.int64())
    return pa.table(
        {
            "time": pa.array([one * 1_000_000 for one in seconds]).cast(pa.timestamp("us", tz="UTC")),
            "event_id": pa.array([str(place) for place in range(n)]),
            "subject": pa.array(["log"] * n),
            "source": pa.array(["log"] * n),
            "item": pa.array(items),
            "failed": pa.array(failed),
            "earlier": pa.array(np.arange(n)),
            "new_device": nothing,
            "new_network": nothing if network is None else pa.array(network),
            "new_country": nothing,
            "impossible_travel": nothing,
            "split": pa.array(["train"] * n),
        }
    )


def peers(table: pa.Table) -> dict[str, np.ndarray]:
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest

    seconds = table["time"].cast("int64").to_numpy() / 1e6
    items = table["item"].to_pylist()
    codes = {item: place for place, item in enumerate(sorted(set(items)))}
    hot = np.zeros((len(items), len(codes)))
    hot[np.arange(len(items)), [codes[item] for item in items]] = 1.0
    failed = table["failed"].to_numpy(zero_copy_only=False).astype(float)
    before = np.searchsorted(seconds, seconds - 3600)
    total = np.concatenate([[0.0], np.cumsum(failed)])
    hourly = total[np.arange(1, len(items) + 1)] - total[before]
    network = np.nan_to_num(table["new_network"].cast(pa.float64()).to_numpy())
    gap = np.log1p(np.maximum(np.diff(seconds, prepend=seconds[0]), 0))
    x = np.column_stack([hot, failed, hourly, network, gap, seconds // 3600 % 24])
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return {
        "pyod_iforest": IForest(random_state=0).fit(x).decision_scores_,
        "pyod_ecod": ECOD().fit(x).decision_scores_,
    }


if __name__ == "__main__":
    main()
