"""The recommender's models in the artifact format: save, load, and the bounds that a loaded one must keep."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from forge_core.errors import Refused
from forge_models import artifact
from forge_models.recommender.item_text import BLOCKS, Block
from forge_models.recommender.models import (
    ContentModel,
    EaseModel,
    ItemKnnModel,
    PopularityModel,
    RecommenderModel,
)


def save(model: RecommenderModel, folder: Path) -> None:
    arrays = {"counts": model.counts, **artifact.pack_strings("items", model.items)}
    if isinstance(model, EaseModel):
        arrays |= {"head": model.head, "weights": model.weights}
    if isinstance(model, ItemKnnModel):
        arrays |= _sparse_arrays("similarity", model.similarity)
    if isinstance(model, ContentModel):
        arrays |= {"components": model.components, "reduced": model.reduced, "weights": model.weights}
        for name, block in model.blocks.items():
            arrays |= {f"{name}.keys": block.keys, f"{name}.weights": block.weights}
            arrays |= _sparse_arrays(name, block.matrix)
    document = {
        "family": "recommender",
        "kind": model.kind,
        "config": dict(model.config),
        "subjects": model.subjects,
        "items": len(model.items),
    }
    if isinstance(model, ContentModel):
        document["report"] = {name: [dict(row) for row in rows] for name, rows in model.report.items()}
    artifact.write(folder, arrays, document)


def _sparse_arrays(name: str, matrix: sp.csr_array) -> dict[str, np.ndarray]:
    return {
        f"{name}.data": matrix.data,
        f"{name}.indices": matrix.indices.astype(np.int64),
        f"{name}.indptr": matrix.indptr.astype(np.int64),
    }


def load(folder: Path) -> RecommenderModel:
    """The model, after its arrays were found to fit each other: an index out of bounds is refused here."""
    arrays, document = artifact.read(folder)
    _require(document.get("family") == "recommender", "It is no recommender.")
    _require(
        type(document.get("subjects")) is int and isinstance(document.get("config"), dict),
        "Fields are missing.",
    )
    items = artifact.unpack_strings("items", arrays)
    _require(all(a < b for a, b in itertools.pairwise(items)), "Its items are not sorted or not unique.")
    n = len(items)
    counts = _array(arrays, "counts", np.int64, (n,))
    common: dict[str, Any] = {
        "items": items,
        "counts": counts,
        "subjects": document["subjects"],
        "config": document["config"],
    }
    kind = document.get("kind")
    if kind == EaseModel.kind:
        m = arrays["head"].size if "head" in arrays else 0
        head = _array(arrays, "head", np.int64, (m,))
        _require(_rising(head) and _within(head, n), "Its head points outside the vocabulary.")
        return EaseModel(**common, head=head, weights=_array(arrays, "weights", np.float64, (m, m)))
    if kind == ItemKnnModel.kind:
        return ItemKnnModel(**common, similarity=_sparse(arrays, "similarity", np.float64, (n, n)))
    if kind == ContentModel.kind:
        return _content(arrays, document, common, n)
    _require(kind == PopularityModel.kind, "Its kind is unknown.")
    return PopularityModel(**common)


def _content(
    arrays: Mapping[str, np.ndarray], document: Mapping[str, Any], common: Mapping[str, Any], n: int
) -> ContentModel:
    blocks = {}
    for name in BLOCKS:
        v = arrays[f"{name}.keys"].size if f"{name}.keys" in arrays else 0
        keys = _array(arrays, f"{name}.keys", np.int64, (v,))
        _require(_rising(keys), "Its keys are not sorted or not unique.")
        weights = _array(arrays, f"{name}.weights", np.float32, (v,))
        blocks[name] = Block(keys, weights, _sparse(arrays, name, np.float32, (n, v)))
    d = len(arrays["components"]) if "components" in arrays and arrays["components"].ndim else 0
    words = len(blocks["text"].keys)
    report = document.get("report")
    if not isinstance(report, dict) or not all(isinstance(rows, list) for rows in report.values()):
        raise _refused("Fields are missing.")
    return ContentModel(
        **common,
        blocks=blocks,
        components=_array(arrays, "components", np.float32, (d, words)),
        reduced=_array(arrays, "reduced", np.float32, (n, d)),
        weights=_array(arrays, "weights", np.float64, (len(ContentModel.FEATURES),)),
        report=report,
    )


def _sparse(arrays: Mapping[str, np.ndarray], name: str, dtype: type, shape: tuple[int, int]) -> sp.csr_array:
    indptr = _array(arrays, f"{name}.indptr", np.int64, (shape[0] + 1,))
    size = arrays[f"{name}.data"].size if f"{name}.data" in arrays else 0
    data = _array(arrays, f"{name}.data", dtype, (size,))
    indices = _array(arrays, f"{name}.indices", np.int64, (size,))
    fits = indptr[0] == 0 and indptr[-1] == size and bool(np.all(np.diff(indptr) >= 0))
    _require(fits and _within(indices, shape[1]), f"Indices of {name} point outside the vocabulary.")
    return sp.csr_array((data, indices, indptr), shape=shape)


def _array(arrays: Mapping[str, np.ndarray], name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    array = arrays.get(name)
    if array is None or array.dtype != dtype or array.shape != shape:
        raise _refused(f"Tensor {name} is missing or has another shape.")
    return array


def _rising(values: np.ndarray) -> bool:
    return bool(np.all(np.diff(values) > 0))


def _within(values: np.ndarray, n: int) -> bool:
    return values.size == 0 or (int(values.min()) >= 0 and int(values.max()) < n)


def _require(good: bool, what: str) -> None:
    if not good:
        raise _refused(what)


def _refused(what: str) -> Refused:
    return Refused(
        "FORGE-ARTIFACT-RECOMMENDER",
        f"This model cannot be used. {what}",
        "Its arrays do not fit each other.",
        "Take the model from the registry again, or train it anew.",
    )
