"""The retentive engine against torchscale's RetNet, a transformer with a cache, and a loop over experts.

    python -m benchmarks.engine [--tokens N] [--repeat N] [--home FOLDER] [--only PART ...]

Prints one JSON object. Parts: ``forms``, ``decode``, ``experts``, ``train``. Arms run in processes of their own, pinned
to two cores, and take turns; ratios are formed within each turn, the median is given with its 95 % bootstrap interval.
Decoding is one sequence at a time, 97 million parameters on each side. The transformer is tried in float32, in bfloat16
and with torch's 8-bit weights beside either, at each context length; the fastest takes part in the turns, all are
printed. What is read per token (weights once, the state once and written once) is held to what summing an array reads
in the same turn.
Training is compared on CUDA where there is a device, in bfloat16 at 16,384 tokens.
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

from benchmarks import harness

CONTEXTS = (1024, 8192, 16384)
KINDS = ("fp32", "bf16", "int8", "int8-bf16")
PARTS = ("forms", "decode", "experts", "train")
GOALS = {
    "forms_chunkwise_from_recurrent": 1e-5,
    "decode_times_torchscale": 3.0,
    "decode_times_transformer_8192": 8.0,
    "share_of_memory_bandwidth": 0.6,
    "experts_bf16_times_loop": 1.15,
}
AT_MOST = {"forms_chunkwise_from_recurrent"}
# (batch, length, width): a recommender's batches, and a long context.
TRAINED = {"cpu": ((64, 64, 64), (128, 200, 64), (64, 200, 128), (1, 4096, 128)), "cuda": ((1, 16384, 1024),)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--home", type=Path, help="where peers' environments are kept; else made anew")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    asked = parser.parse_args()
    answer: dict[str, Any] = {"benchmark": "engine", "load_average_before": round(os.getloadavg()[0], 1)}
    answer["pinned_to_cores"] = harness.pin()
    with tempfile.TemporaryDirectory(prefix="forge-engine-") as scratch:
        home = asked.home or Path(scratch)
        for part in asked.only:
            answer[part] = globals()[part](home, asked)
            print(f"{part} done", file=sys.stderr)
    answer["goals"] = goals(answer)
    print(json.dumps(answer, indent=2))


def torchscale(*arguments: object) -> harness.Arm:
    return harness.Arm("engine_torchscale", arguments, peer="engine")


def ours(*arguments: object) -> harness.Arm:
    return harness.Arm("engine_ours", arguments)


def forms(home: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """How far the three forms lie apart, each library's own; 256 tokens of size 3."""
    found = {"ours": ours("forms", 256), "torchscale": torchscale("forms", 256)}
    return {name: trimmed(harness.said(harness.run(arm, home))) for name, arm in found.items()}


def decode(home: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Tokens per second and memory of all, and the ratios."""
    arms: dict[str, harness.Arm] = {"torchscale": torchscale("decode", asked.tokens)}
    fastest: dict[int, str] = {}
    answer: dict[str, Any] = {"tokens": asked.tokens, "turns": asked.repeat}
    for context in CONTEXTS:
        kinds = {
            f"transformer_{kind}_{context}": harness.Arm("engine_transformer", (asked.tokens, context, kind))
            for kind in KINDS
        }
        tried = {name: harness.said(harness.run(arm, home)) for name, arm in kinds.items()}
        answer |= {name: row([result]) for name, result in tried.items()}
        fastest[context] = best = min(tried, key=lambda name: tried[name]["seconds"])
        arms[best] = kinds[best]
        arms[f"ours_{context}"] = ours("decode", asked.tokens, context, "compiled int8")
    chosen = harness.said(harness.run(ours("decode", asked.tokens, CONTEXTS[0], "auto"), home))
    exact = harness.said(harness.run(ours("decode", asked.tokens, CONTEXTS[0], "compiled fp32"), home))
    bandwidth = harness.Arm("engine_bandwidth")
    turns: list[dict[str, harness.Result]] = []
    for _ in range(asked.repeat):
        turn = {name: harness.said(harness.run(arm, home)) for name, arm in arms.items()}
        turns.append(turn | {"bandwidth": harness.said(harness.run(bandwidth, home))})
    answer["chosen_by_measuring"] = {key: chosen[key] for key in ("way", "measured", "agreement")}
    answer["ours_fp32"] = row([exact])
    answer |= {name: row([turn[name] for turn in turns]) for name in arms}
    answer["times_torchscale"] = harness.interval([_times(turn, "torchscale", CONTEXTS[0]) for turn in turns])
    for context in CONTEXTS:
        ratios = harness.interval([_times(turn, fastest[context], context) for turn in turns])
        answer[f"times_transformer_{context}"] = {"fastest": fastest[context], **ratios}
    answer["read_gb_per_s"] = [turn["bandwidth"]["read_gb_per_s"] for turn in turns]
    answer["copy_gb_per_s"] = [turn["bandwidth"]["copy_gb_per_s"] for turn in turns]
    answer["share_of_memory_bandwidth"] = harness.interval([_share(turn) for turn in turns])
    return answer


def _times(turn: dict[str, harness.Result], peer: str, context: int) -> float:
    return float(turn[peer]["seconds"] / turn[f"ours_{context}"]["seconds"])


def _share(turn: dict[str, harness.Result]) -> float:
    one = turn[f"ours_{CONTEXTS[0]}"]
    reached = one["bytes_per_token"] * one["rows"] / one["seconds"] / 1e9
    return float(reached / turn["bandwidth"]["read_gb_per_s"])


def row(runs: list[harness.Result]) -> dict[str, Any]:
    """Medians of an arm's runs, and what it says of itself."""
    found = {
        "tokens_per_s": round(statistics.median(run["rows"] / run["seconds"] for run in runs), 1),
        "resident_mb": round(statistics.median(run["resident_mb"] for run in runs)),
        "peak_mb": round(statistics.median(run["peak_mb"] for run in runs)),
    }
    keys = ("parameters", "bytes_per_token", "state_mb", "cache_mb", "version")
    return found | {key: runs[0][key] for key in keys if key in runs[0]}


def experts(home: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """The mixture of experts against transformers' loop; both take turns in one process."""
    found = trimmed(harness.said(harness.run(harness.Arm("engine_experts", (2 * asked.repeat + 1,)), home)))
    return {key: harness.interval(value) if key.endswith("faster") else value for key, value in found.items()}


def train(home: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Tokens per second of forward and backward in two layers, by form."""
    device = "cuda" if _cuda() else "cpu"
    answer: dict[str, Any] = {"device": device}
    for batch, length, width in TRAINED[device]:
        shape = (batch, length, width)
        choices = ("auto", "parallel", "chunkwise") if length <= 2048 else ("auto", "chunkwise")
        arms = {f"ours_{form}": ours("train", *shape, form, device) for form in choices}
        # torchscale's chunkwise form takes whole chunks
        arms |= {f"torchscale_{form}": torchscale("train", *shape, form, device) for form in choices[1:]}
        turns = [
            {name: harness.said(harness.run(arm, home)) for name, arm in arms.items()}
            for _ in range(asked.repeat)
        ]
        rates = {
            name: round(statistics.median(turn[name]["rows"] / turn[name]["seconds"] for turn in turns))
            for name in arms
        }
        fastest = max((name for name in arms if name.startswith("torchscale")), key=lambda name: rates[name])
        ratios = harness.interval([turn[fastest]["seconds"] / turn["ours_auto"]["seconds"] for turn in turns])
        answer["x".join(map(str, shape))] = {"tokens_per_s": rates, "times_torchscale": ratios}
    return answer


def trimmed(result: harness.Result) -> dict[str, Any]:
    """Without what the harness needs."""
    noise = ("rows", "seconds", "cpu_seconds", "peak_mb", "high_water_mb", "processes")
    return {key: value for key, value in result.items() if key not in noise}


def goals(answer: dict[str, Any]) -> dict[str, Any]:
    """Each goal with what was reached, of the parts that ran."""
    reached: dict[str, float] = {}
    if "forms" in answer:
        reached["forms_chunkwise_from_recurrent"] = answer["forms"]["ours"]["chunkwise_from_recurrent"]
    if "decode" in answer:
        decoded = answer["decode"]
        reached["decode_times_torchscale"] = decoded["times_torchscale"]["median"]
        reached["decode_times_transformer_8192"] = decoded["times_transformer_8192"]["median"]
        reached["share_of_memory_bandwidth"] = decoded["share_of_memory_bandwidth"]["median"]
    if "experts" in answer:
        reached["experts_bf16_times_loop"] = answer["experts"]["bf16_forward_times_faster"]["median"]
    return {
        name: {
            "goal": GOALS[name],
            "reached": one,
            "met": one <= GOALS[name] if name in AT_MOST else one >= GOALS[name],
        }
        for name, one in reached.items()
    }


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    main()
