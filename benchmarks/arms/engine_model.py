"""What the arms of the engine benchmark share: the size that is compared, and how decoding is timed and printed.

97 million parameters: 12 layers of width 768 and a tied embedding of 16,384 tokens. Weights are random: neither
time nor memory depends on them. One token at a time, the next is the best of the last.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

WIDTH, LAYERS, VOCABULARY = 768, 12, 16_384
INNER = 1024  # a gated feed-forward block of 3 x 768 x 1024 beside retention's 8 x 768 x 768
WARM, RUNS, TRAINED = 8, 3, 5


def decode(step: Callable[[int], int], tokens: int, **more: Any) -> None:
    """Time ``step(token) -> token`` ``tokens`` times, the fastest of some runs; and the memory meanwhile."""
    token = 1
    for _ in range(WARM):
        token = step(token)
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        for _ in range(tokens):
            token = step(token)
        seconds.append(time.perf_counter() - started)
    spread = round(statistics.pstdev(seconds) / min(seconds), 3)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    answer = {"rows": tokens, "seconds": round(min(seconds), 5), "spread": spread, **more}
    print(json.dumps({**answer, "resident_mb": resident >> 20}))


def train(once: Callable[[], None], tokens: int, device: str) -> None:
    """Time a forward and backward pass ``once``; in bfloat16 on CUDA, in float32 on the CPU. The fastest counts."""
    cuda = device.startswith("cuda")
    seconds = []
    for _ in range(TRAINED):
        started = time.perf_counter()
        with torch.autocast("cuda", dtype=torch.bfloat16) if cuda else contextlib.nullcontext():
            once()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"rows": tokens, "seconds": round(min(seconds[1:]), 5)}))


def differences(found: dict[str, torch.Tensor]) -> None:
    """Print how far apart the forms' outputs lie: the largest difference, relative to the largest output."""
    exact = found["recurrent"]
    apart = {
        f"{name}_from_recurrent": float((found[name] - exact).abs().max() / exact.abs().max())
        for name in ("parallel", "chunkwise")
    }
    print(json.dumps({"rows": exact.shape[1], "seconds": 0.0, **apart}))
