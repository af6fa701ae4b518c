"""Recommenders on public sets, full ranking: our candidates, by name, and SASRec of RecTools, in one run.

    python -m benchmarks.recommender [--sets ml-1m,…] [--candidates NAME,…] [--peer-sets ml-1m,toys]
                                     [--peer-epochs N] [--peer-seconds S] [--preset quick|full] [--home FOLDER]

Prints one JSON object. Every arm is a process of its own on the same two cores, one after the other; the peer lives in
an environment of its own (benchmarks/peers/rectools.txt). Hyper-parameters are chosen on validation alone. The peer is
left alone by default: at most 100 epochs with a patience of ten; a limit in seconds stops it sooner, and that is said.
Each row has NDCG@10 and HR@10 with their 95 % bootstrap intervals over subjects, the paired difference to the
peer on the same subjects, and its wall time. ``train`` rows are fitted as the peer is; ``train+validation`` rows,
fitted again on both, are what Forge serves, and are not to be compared with the peer's.
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
from benchmarks.arms import recommender_data as data

DEFAULT = "popularity,item_knn,ease:recency=0.0,ials:recency=0.0,ease,ials,transitions,ridge,instant,blend"
PEER = "sasrec (rectools 0.19.0, full softmax)"
# Of the peer's sequences. 200 as its authors had it; elsewhere a subject has nine events on average, and positions
# without an event cost the peer as much as others.
LENGTH = {"ml-1m": 200, "ml-100k": 200}
SHORT = 20
PEER_SETS = "ml-1m,toys"
GOALS = {"instant_share_of_peer": 0.85, "instant_times_faster": 50.0}
# Read beside ours: published, leave-last-out and full ranking with the seen items filtered.
PUBLISHED = {
    "ml-1m": {
        "SASRec+ full softmax (Klenitskiy and Vasilev 2023)": {"ndcg@10": 0.1821, "hr@10": 0.3152},
        "gSASRec (Petrov and Macdonald 2023)": {"ndcg@10": 0.1726, "hr@10": 0.3003},
        "HSTU-large (Zhai et al. 2024)": {"ndcg@10": 0.1893, "hr@10": 0.3294},
    }
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", default=",".join(data.SETS))
    parser.add_argument("--protocols", default=",".join(data.PROTOCOLS))
    parser.add_argument("--candidates", default=DEFAULT)
    parser.add_argument("--preset", choices=("quick", "full"), default="quick")
    parser.add_argument("--peer-sets", default=PEER_SETS, help="empty: no peer")
    parser.add_argument("--peer-epochs", type=int, default=100)
    parser.add_argument("--peer-seconds", type=int, default=0, help="of training, per set; 0: no limit")
    parser.add_argument("--home", type=Path, default=None, help="where peers' environments are kept")
    asked = parser.parse_args()
    names = [name for name in asked.sets.split(",") if name]
    if unknown := [name for name in names if name not in data.SETS]:
        sys.exit(f"unknown sets: {', '.join(unknown)}; known are {', '.join(data.SETS)}")
    if gone := data.missing(names):
        sys.exit(f"missing below FORGE_DATA: {', '.join(data.SETS[name][0] for name in gone)}")
    answer: dict[str, Any] = {
        "benchmark": "recommender",
        "load_average_before": round(os.getloadavg()[0], 1),
        "pinned_to_cores": harness.pin(),
        "preset": asked.preset,
        "ranking": data.RANKING,
        "peer": {"model": PEER, "epochs_at_most": asked.peer_epochs, "seconds_at_most": asked.peer_seconds},
        "sets": {},
    }
    with tempfile.TemporaryDirectory(prefix="forge-recommender-") as scratch:
        for name in names:
            for protocol in data.SETS[name][1]:
                if protocol in asked.protocols.split(","):
                    found = one(name, protocol, asked, Path(scratch))
                    answer["sets"][f"{name} {protocol}"] = found
    answer["goals"] = goals(answer["sets"])
    print(json.dumps(answer, indent=2))


def one(name: str, protocol: str, asked: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """All candidates, and the peer where it is wanted, on one set with one protocol."""
    file, home = scratch / f"{name}-{protocol}.npz", asked.home or scratch
    made = harness.said(harness.run(harness.Arm("recommender_data", (name, protocol, file)), scratch))
    answer: dict[str, Any] = {"protocol": data.PROTOCOLS[protocol]}
    answer |= {key: made[key] for key in ("subjects", "items", "rows")}
    if protocol == "leave_last_out" and name in PUBLISHED:
        answer["published"] = PUBLISHED[name]
    peer = peer_of(name, file, asked, home, scratch) if name in asked.peer_sets.split(",") else None
    answer["table"] = [peer["row"]] if peer else []
    for candidate in asked.candidates.split(","):
        out = scratch / "ours.npz"
        arm = harness.Arm("recommender_ours", (file, protocol, candidate, asked.preset, out))
        result = harness.run(arm, scratch)
        print(f"{name} {protocol} {candidate}: {result}", file=sys.stderr, flush=True)
        if "failed" in result:
            answer["table"].append({"model": candidate, "failed": result["failed"]})
            continue
        values = np.load(out)
        more = ("configurations", "configuration", "validation_ndcg@10", "tuning_seconds", "members")
        for fitted, key, seconds in (
            ("train", "train", result["seconds"]),
            ("train+validation", "refit", result["refit_seconds"]),
        ):
            row = {"model": candidate, "fitted_on": fitted, "wall_seconds": seconds}
            row |= measured(values[f"{key}_ndcg@10"], values[f"{key}_hr@10"])
            if fitted == "train":
                row |= {field: result[field] for field in more if field in result}
                row["peak_mb"] = result["peak_mb"]
                if peer:
                    row |= beside(values, peer)
            answer["table"].append(row)
    return answer


def peer_of(name: str, file: Path, asked: argparse.Namespace, home: Path, scratch: Path) -> dict[str, Any]:
    """The peer's row, and its values per subject."""
    out = scratch / "peer.npz"
    arguments = (file, out, asked.peer_epochs, asked.peer_seconds, LENGTH.get(name, SHORT))
    result = harness.said(harness.run(harness.Arm("recommender_rectools", arguments, peer="rectools"), home))
    result["sequence_length"] = LENGTH.get(name, SHORT)
    print(f"{name} {PEER}: {result}", file=sys.stderr, flush=True)
    held, lists = np.load(file), np.load(out)
    ndcg, hit = values_of(held, lists["codes"], lists["top"])
    row = {"model": PEER, "fitted_on": "train", "wall_seconds": result["seconds"], **measured(ndcg, hit)}
    row |= {key: value for key, value in result.items() if key not in ("rows", "seconds")}
    return {
        "row": row,
        "subjects": lists["subjects"],
        "ndcg@10": ndcg,
        "hr@10": hit,
        "seconds": result["seconds"],
    }


def values_of(held: Any, asked: np.ndarray, top: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NDCG@10 and HR@10 of lists of item codes, by the same code as ours."""
    import scipy.sparse as sp

    from forge_core.evaluation import ranking

    chosen = held["part"] == 2
    shape = (len(held["subjects"]), len(held["items"]))
    targets = sp.csr_array(
        (np.ones(chosen.sum()), (held["subject"][chosen], held["item"][chosen])), shape=shape
    )
    targets = targets[asked]
    hit = ranking.hits(top, targets)
    return ranking.ndcg(hit, np.diff(targets.indptr), 10), ranking.hit_rate(hit, 10)


def measured(ndcg: np.ndarray, hit: np.ndarray) -> dict[str, Any]:
    from forge_core.evaluation import intervals

    found = intervals.mean_intervals({"ndcg@10": ndcg, "hr@10": hit})
    return {
        **{name: round(one.value, 4) for name, one in found.items()},
        **{f"{name}_interval": [round(one.low, 4), round(one.high, 4)] for name, one in found.items()},
        "evaluated": len(ndcg),
    }


def beside(values: Any, peer: dict[str, Any]) -> dict[str, Any]:
    """The paired difference in NDCG@10, on the same subjects, and how much sooner ours was done."""
    from forge_core.evaluation import intervals

    if not np.array_equal(values["subjects"], peer["subjects"]):
        raise RuntimeError("ours and the peer were asked for different subjects")
    ours, theirs = values["train_ndcg@10"], peer["ndcg@10"]
    found = intervals.paired_difference(ours, theirs)
    return {
        "minus_peer_ndcg@10": round(found.value, 4),
        "minus_peer_interval": [round(found.low, 4), round(found.high, 4)],
        "share_of_peer_ndcg@10": round(float(ours.mean() / theirs.mean()), 3),
    }


def goals(sets: dict[str, Any]) -> dict[str, Any]:
    """What the instant tier reached beside the peer, on each set that has one."""
    found = {}
    for name, answer in sets.items():
        rows = {row["model"]: row for row in answer["table"] if row.get("fitted_on") == "train"}
        if PEER in rows and "instant" in rows:
            peer, ours = rows[PEER], rows["instant"]
            times = round(peer["wall_seconds"] / max(ours["wall_seconds"], 1e-9), 1)
            to_best = round(peer["seconds_to_best"] / max(ours["wall_seconds"], 1e-9), 1)
            share = ours["share_of_peer_ndcg@10"]
            found[name] = {
                "instant_share_of_peer": {
                    "goal": GOALS["instant_share_of_peer"],
                    "reached": share,
                    "met": share >= GOALS["instant_share_of_peer"],
                },
                "instant_times_faster": {
                    "goal": GOALS["instant_times_faster"],
                    "reached": times,
                    "to_the_peers_best_epoch": to_best,
                    "met": times >= GOALS["instant_times_faster"],
                },
            }
    return found


if __name__ == "__main__":
    main()
