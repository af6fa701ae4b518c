"""Next place on Foursquare check-ins, forecasts of M4 weekly, bike sharing and ETTh1: ours and the peers, in one run.

    python -m benchmarks.behavior [--parts places,forecasts] [--every N] [--neural-seconds S] [--no-network]
                                  [--series NAME,…] [--origins N] [--peer-every N,N,N] [--home FOLDER]

Prints one JSON object. Next place: 80/10/10 of each user's check-ins by time; full ranking; every model is asked with
all check-ins that came before, and never told when the next one is. Returns and explorations are told apart. Ratios to
the best peer (most frequent, Markov, hour-conditioned Markov with back-off, a GRU trained in the same run) have 95 %
bootstrap intervals over check-ins, paired.

Forecasts: rolling origins; MASE with one denominator for all models. The peers are statsforecast's AutoETS and
AutoARIMA and the mean of both (``benchmarks/peers/forecast.txt``), on one core as ours, given the last ``CONTEXT``
values of each series; they are asked for every ``--peer-every``-th series, and the comparison is on these. Series per
second of ours counts the fit over all series and the forecasts; with the choice of the frame it is given beside.
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
from benchmarks.arms import behavior_data as data

PEERS = ("most_frequent", "markov", "hour_markov", "gru")
OURS = ("counting", "network")
SERIES = ("m4-weekly", "bike", "ett-h1")
CONTEXT = {
    "m4-weekly": 10_000,
    "bike": 672,
    "ett-h1": 672,
}  # all weeks; of hours four weeks, or a fit takes minutes
GOALS = {"places": 1.05, "fit_seconds": 10.0, "mase": 1.0, "times_faster": 50.0, "coverage_points": 3.0}
NOMINAL = 0.9
METRICS = ("acc@1", "acc@5", "acc@10", "mrr")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default="places,forecasts")
    parser.add_argument("--every", type=int, default=1, help="every n-th user")
    parser.add_argument(
        "--neural-seconds", type=float, default=600, help="of the GRU and of the network, at most"
    )
    parser.add_argument("--no-network", action="store_true")
    parser.add_argument("--series", default=",".join(SERIES), help="of the forecasts")
    parser.add_argument("--origins", type=int, default=24, help="of each hourly series")
    parser.add_argument("--peer-every", default="1,1,3", help="of m4-weekly, bike and ett-h1")
    parser.add_argument("--home", type=Path, default=None, help="where the peers' environment is kept")
    asked = parser.parse_args()
    if gone := data.missing(list(data.FOLDERS)):
        sys.exit(f"missing below FORGE_DATA: {', '.join(data.FOLDERS[name] for name in gone)}")
    answer: dict[str, Any] = {"benchmark": "behavior", "load_average_before": round(os.getloadavg()[0], 1)}
    answer["pinned_to_cores"] = harness.pin()
    answer["goals"] = {}
    with tempfile.TemporaryDirectory(prefix="forge-behavior-") as scratch:
        if "places" in asked.parts:
            answer["places"] = places(asked, Path(scratch))
            answer["goals"] |= answer["places"].pop("goals")
        if "forecasts" in asked.parts:
            names = [name for name in SERIES if name in asked.series.split(",")]
            everies = dict(zip(SERIES, map(int, asked.peer_every.split(",")), strict=True))
            answer["forecasts"] = {
                name: forecasts(name, everies[name], asked, Path(scratch)) for name in names
            }
            answer["goals"] |= forecast_goals(answer["forecasts"])
    print(json.dumps(answer, indent=2))


def places(asked: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    out = scratch / "places.npz"
    arguments = (asked.every, asked.neural_seconds, int(not asked.no_network), out)
    found = harness.said(harness.run(harness.Arm("behavior_places", arguments), scratch))
    values = np.load(out)
    back = values["counting.return_rate"] > 0
    names = list(found["models"])
    table = []
    for name in names:
        row: dict[str, Any] = {"model": name}
        row |= {metric: _figure(values[f"{name}.{metric}"]) for metric in METRICS}
        row |= {"acc@1 of returns": _figure(values[f"{name}.acc@1"][back])}
        row |= {"mrr of explorations": _figure(values[f"{name}.mrr"][~back])}
        table.append(row | found["models"][name])
    answer: dict[str, Any] = {
        "protocol": data.SPLIT, "size": found["size"], "leakage": found["leakage"], "peak_mb": found["peak_mb"],
        "return_rate": _figure(back.astype(float)), "evaluated": len(back), "table": table, "goals": {},
    }  # fmt: skip
    for metric in ("acc@1", "mrr"):
        peer = max(
            (name for name in names if name in PEERS), key=lambda name: values[f"{name}.{metric}"].mean()
        )
        for ours in (name for name in names if name in OURS):
            ratio = _ratio(values[f"{ours}.{metric}"], values[f"{peer}.{metric}"])
            goal = {
                "goal": GOALS["places"],
                "peer": peer,
                **ratio,
                "met": ratio["reached"] >= GOALS["places"],
            }
            answer["goals"][f"{ours} {metric} over best peer"] = goal
    seconds = found["models"]["counting"]["fit_seconds"]
    reached = {"goal": GOALS["fit_seconds"], "reached": seconds, "met": seconds <= GOALS["fit_seconds"]}
    answer["goals"]["counting fit_seconds"] = reached
    return answer


def forecasts(name: str, every: int, asked: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    source, ours_out, peers_out = (scratch / f"{name}-{part}.npz" for part in ("series", "ours", "peers"))
    data.save(name, asked.origins, every, source)
    one_core = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    os.environ.update(one_core)
    ours = harness.said(
        harness.run(harness.Arm("behavior_forecasts", (name, asked.origins, ours_out)), scratch)
    )
    print(f"{name} ours: {ours}", file=sys.stderr, flush=True)
    arm = harness.Arm("behavior_statsforecast", (source, peers_out, CONTEXT[name]), peer="forecast")
    peers = harness.said(harness.run(arm, asked.home or scratch))
    print(f"{name} peers: {peers}", file=sys.stderr, flush=True)
    made, mine, theirs = data.series(name, asked.origins), np.load(ours_out), np.load(peers_out)
    said: dict[str, dict[str, Any]] = {
        "ours, all": dict(mine),
        "ours": {},
        "AutoETS": {},
        "AutoARIMA": {},
        "ensemble": {},
    }
    for key, values in theirs.items():
        model, _, rest = key.partition(".")
        said[model][rest] = values
    for rest in said["AutoETS"]:
        said["ours"][rest] = mine[f"ours.{rest}"]
        said["ensemble"][rest] = (said["AutoETS"][rest] + said["AutoARIMA"][rest]) / 2
    said["ours, all"] = {key.partition(".")[2]: values for key, values in said["ours, all"].items()}
    table = []
    for model, found in said.items():
        mase, inside = [], []
        for rest, (point, low, high) in found.items():
            number, origin = map(int, rest.split("."))
            values = made["values"][number]
            came = values[origin : origin + made["horizon"]]
            mase.append(np.abs(point - came).mean() / data.scale(values, origin, made["season"]))
            inside.append(((low <= came) & (came <= high)).mean())
        table.append(
            {
                "model": model,
                "mase": _figure(np.array(mase)),
                "coverage": _figure(np.array(inside)),
                "n": len(mase),
            }
        )
    more = (
        "fit_seconds",
        "tuning_seconds",
        "series_per_s",
        "series_per_s_with_tuning",
        "frames",
        "validation_mase",
    )
    return {
        "horizon": made["horizon"], "season": made["season"], "context_of_peers": CONTEXT[name],
        "peers_asked_for_every": every, "table": table, "ours": {key: ours[key] for key in more},
        "peers_series_per_s": peers["series_per_s"], "nominal": NOMINAL,
    }  # fmt: skip


def forecast_goals(found: dict[str, Any]) -> dict[str, Any]:
    goals = {}
    for name, answer in found.items():
        rows = {row["model"]: row for row in answer["table"]}
        best = min(("AutoETS", "AutoARIMA", "ensemble"), key=lambda model: rows[model]["mase"][0])
        ratio = round(rows[best]["mase"][0] / rows["ours"]["mase"][0], 3)
        goals[f"{name} mase of best peer over ours"] = {
            "goal": GOALS["mase"], "peer": best, "reached": ratio, "met": ratio >= GOALS["mase"],
        }  # fmt: skip
        times = round(answer["ours"]["series_per_s"] / answer["peers_series_per_s"]["AutoETS"], 1)
        tuned = round(answer["ours"]["series_per_s_with_tuning"] / answer["peers_series_per_s"]["AutoETS"], 1)
        goals[f"{name} series per second over AutoETS"] = {
            "goal": GOALS["times_faster"], "reached": times, "with_tuning": tuned,
            "met": times >= GOALS["times_faster"],
        }  # fmt: skip
        points = round(100 * abs(rows["ours, all"]["coverage"][0] - NOMINAL), 1)
        goals[f"{name} coverage, points from nominal"] = {
            "goal": GOALS["coverage_points"], "reached": points, "met": points <= GOALS["coverage_points"],
        }  # fmt: skip
    return goals


def _figure(values: np.ndarray) -> list[float]:
    """Mean, and its 95 % bootstrap interval."""
    from forge_core.evaluation import intervals

    found = intervals.mean_interval(values)
    return [round(found.value, 4), round(found.low, 4), round(found.high, 4)]


def _ratio(ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    from forge_core.evaluation import intervals

    pair = np.stack([ours, theirs], 1)
    drawn = np.concatenate([block @ pair for block in intervals.weights(len(pair))])
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    reached = round(float(ours.mean() / theirs.mean()), 3)
    return {"reached": reached, "interval": [round(float(low), 3), round(float(high), 3)]}


if __name__ == "__main__":
    main()
