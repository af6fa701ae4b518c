"""The tensors of the models of ``models.py``: see ``storing.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from forge_models.recommender.item_text import BLOCKS, Block
from forge_models.recommender.models import (
    ContentModel,
    EaseModel,
    ItemKnnModel,
    PopularityModel,
    RecommenderModel,
)
from forge_models.recommender.stored import Stored, report_document, require, rising, sparse_arrays


def arrays(model: RecommenderModel) -> dict[str, np.ndarray]:
    if isinstance(model, EaseModel):
        return {"head": model.head, "weights": model.weights}
    if isinstance(model, ItemKnnModel):
        return sparse_arrays("similarity", model.similarity)
    if isinstance(model, ContentModel):
        found = {"components": model.components, "reduced": model.reduced, "weights": model.weights}
        for name, block in model.blocks.items():
            found |= {f"{name}.keys": block.keys, f"{name}.weights": block.weights}
            found |= sparse_arrays(name, block.matrix)
        return found
    return {}


def document(model: RecommenderModel) -> dict[str, Any]:
    return report_document(model.report) if isinstance(model, ContentModel) else {}


def from_arrays(stored: Stored) -> RecommenderModel:
    kind, n = stored.document["kind"], stored.n
    if kind == EaseModel.kind:
        head = stored.head()
        m = len(head)
        if "recency" in stored.common["config"]:
            stored.number("recency", 0.0, 1e9)
        return EaseModel(**stored.common, head=head, weights=stored.array("weights", np.float64, (m, m)))
    if kind == ItemKnnModel.kind:
        return ItemKnnModel(**stored.common, similarity=stored.sparse("similarity", np.float64, (n, n)))
    if kind == ContentModel.kind:
        return _content(stored)
    return PopularityModel(**stored.common)


def _content(stored: Stored) -> ContentModel:
    blocks = {}
    for name in BLOCKS:
        v = stored.length(f"{name}.keys")
        keys = stored.array(f"{name}.keys", np.int64, (v,))
        require(rising(keys), "Its keys are not sorted or not unique.")
        weights = stored.array(f"{name}.weights", np.float32, (v,))
        blocks[name] = Block(keys, weights, stored.sparse(name, np.float32, (stored.n, v)))
    d, words = stored.length("components"), len(blocks["text"].keys)
    return ContentModel(
        **stored.common,
        blocks=blocks,
        components=stored.array("components", np.float32, (d, words)),
        reduced=stored.array("reduced", np.float32, (stored.n, d)),
        weights=stored.array("weights", np.float64, (len(ContentModel.FEATURES),)),
        report=stored.report(),
    )
