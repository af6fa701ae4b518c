"""What this machine's memory delivers: ``engine_bandwidth``; 512 MB summed by all cores, the fastest run."""

from __future__ import annotations

import json
import time

import torch

NUMBERS, RUNS = 1 << 27, 7


def main() -> None:
    values = torch.rand(NUMBERS)
    target = torch.empty_like(values)
    best = {"read": float("inf"), "copy": float("inf")}
    for _ in range(RUNS):
        started = time.perf_counter()
        values.sum()
        best["read"] = min(best["read"], time.perf_counter() - started)
        started = time.perf_counter()
        target.copy_(values)
        best["copy"] = min(best["copy"], time.perf_counter() - started)
    size = 4 * NUMBERS / 1e9
    answer = {
        "read_gb_per_s": round(size / best["read"], 2),
        "copy_gb_per_s": round(2 * size / best["copy"], 2),
    }
    print(json.dumps({"rows": NUMBERS, "seconds": round(best["read"], 4), **answer}))


if __name__ == "__main__":
    main()
