"""Exact iALS: ours against ``implicit`` 0.7.3 with use_cg=False, the same function, in one process on the same cores.

    python -m benchmarks.ials [--sets ml-1m,sports] [--dims 64,128] [--epochs N] [--repeat N] [--home FOLDER]

Prints one JSON object. The two take turns; a ratio of seconds per epoch is formed within each turn, the median of the
turns is given with its 95 % bootstrap interval. Both begin with the same factors and are judged by the same loss,
computed by one function from the factors of either.
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
from benchmarks.arms import recommender_data

GOAL, LOSS = 3.0, 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", default="ml-1m,sports")
    parser.add_argument("--dims", default="64,128")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--home", type=Path, default=None, help="where the peer's environment is kept")
    asked = parser.parse_args()
    names = asked.sets.split(",")
    if gone := recommender_data.missing(names):
        sys.exit(f"missing below FORGE_DATA: {', '.join(recommender_data.SETS[name][0] for name in gone)}")
    answer: dict[str, Any] = {"benchmark": "ials", "load_average_before": round(os.getloadavg()[0], 1)}
    answer |= {"pinned_to_cores": harness.pin(), "table": []}
    with tempfile.TemporaryDirectory(prefix="forge-ials-") as scratch:
        for name in names:
            for dims in asked.dims.split(","):
                arm = harness.Arm("ials_beside", (name, dims, asked.epochs, asked.repeat), peer="implicit")
                result = harness.said(harness.run(arm, asked.home or Path(scratch)))
                answer["table"].append(
                    {"set": name, **result, "times_faster": harness.interval(result["ratios"])}
                )
    worst = min(answer["table"], key=lambda row: row["times_faster"]["median"])
    apart = max(row["loss_apart"] for row in answer["table"])
    reached = worst["times_faster"]["median"]
    answer["goals"] = {
        "times_faster": {"goal": GOAL, "reached": reached, "met": reached >= GOAL},
        "loss_apart": {"goal": LOSS, "reached": apart, "met": apart <= LOSS},
    }
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()
