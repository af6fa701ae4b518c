"""What the arms of the encoder benchmark share: how it is timed, and what is printed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.arms import embed_texts

WARM, CHECKED = 64, 1e-3
Encode = Callable[[list[str]], np.ndarray]


def run(load: Callable[[], tuple[Encode, Callable[[str], np.ndarray], dict[str, Any]]]) -> None:
    """``… TEXTS SINGLES [--news FILE | --mixed FILE]``: time, or write the vectors of a set to FILE."""
    count, singles = int(sys.argv[1]), int(sys.argv[2])
    texts = embed_texts.mixed(count)
    started = time.perf_counter()
    encode, encode_one, about = load()
    encode_one("the first query")
    first = time.perf_counter() - started
    if "--news" in sys.argv or "--mixed" in sys.argv:
        chosen = embed_texts.news()[2] if "--news" in sys.argv else texts
        np.save(sys.argv[-1], encode(chosen))
        print(json.dumps({"rows": len(chosen), "seconds": round(time.perf_counter() - started, 2)}))
        return
    encode(texts[:WARM])
    began = time.perf_counter()
    vectors = encode(texts)
    batch = time.perf_counter() - began
    began = time.perf_counter()
    for text in texts[:singles]:
        encode_one(text)
    single = time.perf_counter() - began
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < CHECKED
    answer = {"rows": len(texts), "seconds": batch, "single_seconds": single, "singles": singles}
    print(json.dumps({**answer, "first_vector_seconds": round(first, 3), **about}))
