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
from forge_models.recommender.models import EaseModel, ItemKnnModel, PopularityModel, RecommenderModel


def save(model: RecommenderModel, folder: Path) -> None:
    arrays = {"counts": model.counts, **artifact.pack_strings("items", model.items)}
    if isinstance(model, EaseModel):
        arrays |= {"head": model.head, "weights": model.weights}
    if isinstance(model, ItemKnnModel):
        matrix = model.similarity
        arrays |= {
            "similarity.data": matrix.data,
            "similarity.indices": matrix.indices.astype(np.int64),
            "similarity.indptr": matrix.indptr.astype(np.int64),
        }
    document = {
        "family": "recommender",
        "kind": model.kind,
        "config": dict(model.config),
        "subjects": model.subjects,
        "items": len(model.items),
    }
    artifact.write(folder, arrays, document)


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
        return ItemKnnModel(**common, similarity=_similarity(arrays, n))
    _require(kind == PopularityModel.kind, "Its kind is unknown.")
    return PopularityModel(**common)


def _similarity(arrays: Mapping[str, np.ndarray], n: int) -> sp.csr_array:
    indptr = _array(arrays, "similarity.indptr", np.int64, (n + 1,))
    size = arrays["similarity.data"].size if "similarity.data" in arrays else 0
    data = _array(arrays, "similarity.data", np.float64, (size,))
    indices = _array(arrays, "similarity.indices", np.int64, (size,))
    fits = indptr[0] == 0 and indptr[-1] == size and bool(np.all(np.diff(indptr) >= 0))
    _require(fits and _within(indices, n), "Its neighbours point outside the vocabulary.")
    return sp.csr_array((data, indices, indptr), shape=(n, n))


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
