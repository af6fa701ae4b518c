"""Our text encoder: ``embed_ours TEXTS SINGLES CACHE DEVICE [--news FILE | --mixed FILE]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.arms import embed_measure


def load() -> tuple[Any, Any, dict[str, Any]]:
    from forge_models import encoder

    ours = encoder.load(encoder.DEFAULT, Path(sys.argv[3]), sys.argv[4])
    return ours.encode, ours.encode_one, {"backend": ours.backend}


if __name__ == "__main__":
    embed_measure.run(load)
