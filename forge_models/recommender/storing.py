"""The recommender's models in the artifact format: save, load, and the bounds that a loaded one must keep.

What a kind of model holds is known by the module that is named for it in ``MODULES``: ``arrays(model)`` are its own
tensors, ``document(model)`` its own fields, ``from_arrays(stored)`` makes it again. The rest is the same for all.
"""

from __future__ import annotations

import itertools
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from forge_models import artifact
from forge_models.recommender.models import RecommenderModel
from forge_models.recommender.stored import Stored, refused, require

MODULES = {
    "ease": "storing_plain",
    "item_knn": "storing_plain",
    "content": "storing_plain",
    "popularity": "storing_plain",
    "ridge": "ridge",
    "transitions": "transitions",
    "ials": "ials",
    "blend": "blend",
    "sequential": "sequential_storing",
}


def save(model: RecommenderModel, folder: Path) -> None:
    arrays = {"counts": model.counts, **artifact.pack_strings("items", model.items), **own_arrays(model)}
    document = {
        "family": "recommender",
        "subjects": model.subjects,
        "items": len(model.items),
        **own_document(model),
    }
    artifact.write(folder, arrays, document)


def load(folder: Path) -> RecommenderModel:
    """The model, after its arrays were found to fit each other: an index out of bounds is refused here."""
    arrays, document = artifact.read(folder)
    require(document.get("family") == "recommender", "It is no recommender.")
    require(
        type(document.get("subjects")) is int and isinstance(document.get("config"), dict),
        "Fields are missing.",
    )
    items = artifact.unpack_strings("items", arrays)
    require(all(a < b for a, b in itertools.pairwise(items)), "Its items are not sorted or not unique.")
    common = {"items": items, "subjects": document["subjects"], "config": document["config"]}
    stored = Stored(arrays, document, common)
    counts = stored.array("counts", np.int64, (len(items),))
    return from_arrays(Stored(arrays, document, {**common, "counts": counts}))


def own_arrays(model: RecommenderModel) -> dict[str, np.ndarray]:
    """The tensors of this model that not every model has."""
    arrays: dict[str, np.ndarray] = _module(model.kind).arrays(model)
    return arrays


def own_document(model: RecommenderModel) -> dict[str, Any]:
    """Its kind and configuration, and what its kind adds."""
    found = {"kind": model.kind, "config": dict(model.config)}
    return found | getattr(_module(model.kind), "document", lambda model: {})(model)


def from_arrays(stored: Stored) -> RecommenderModel:
    kind = stored.document.get("kind")
    if not isinstance(kind, str) or kind not in MODULES:
        raise refused("Its kind is unknown.")
    model: RecommenderModel = _module(kind).from_arrays(stored)
    return model


def _module(kind: str) -> Any:
    return import_module(f"forge_models.recommender.{MODULES[kind]}")
