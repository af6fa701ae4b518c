"""SentenceTransformer.encode with its defaults, same model: ``… TEXTS SINGLES DEVICE [--news FILE | --mixed FILE]``."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.arms import embed_measure


def load() -> tuple[Any, Any, dict[str, Any]]:
    from importlib.metadata import version

    import torch
    from sentence_transformers import SentenceTransformer

    from forge_models import encoder
    from forge_models.encoder.finding import find

    model = SentenceTransformer(str(find(encoder.DEFAULT)), device=sys.argv[3])
    about = {"version": version("sentence-transformers"), "threads": torch.get_num_threads()}
    return model.encode, model.encode, about


if __name__ == "__main__":
    embed_measure.run(load)
