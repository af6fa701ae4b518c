"""The sequential model in the artifact format: its network's tensors by name, and the words that place new items."""

from __future__ import annotations

from typing import Any

import numpy as np

from forge_core.errors import ForgeError
from forge_models.recommender.item_text import BLOCKS
from forge_models.recommender.sequential_model import SequentialModel
from forge_models.recommender.stored import Stored, refused, require, rising

MOST = {"dims": 4096, "heads": 64, "layers": 64, "inner": 16_384}  # beyond these it is no model of ours


def arrays(model: SequentialModel) -> dict[str, np.ndarray]:
    if model.net is None or model.words is None:
        return {}
    if model.newcomers is not None:
        raise ValueError("a model is stored as it was trained, not as it serves")
    found = {
        f"net.{name}": tensor.detach().float().numpy() for name, tensor in model.net.state_dict().items()
    }
    found["item_words"] = model.net.words.numpy()  # type: ignore[operator]
    found["components"] = model.words.components
    for name in BLOCKS:
        found |= {f"{name}.keys": model.words.keys[name], f"{name}.weights": model.words.weights[name]}
    return found


def document(model: SequentialModel) -> dict[str, Any]:
    shape = None if model.net is None else model.net.shape.as_dict()
    return {
        "shape": shape,
        "report": {name: [dict(row) for row in rows] for name, rows in model.report.items()},
    }


def from_arrays(stored: Stored) -> SequentialModel:
    shape_values = stored.document.get("shape")
    if shape_values is None:
        return SequentialModel(**stored.common, report=stored.report())
    import torch

    from forge_models.recommender.sequential_net import SequenceNet, Shape
    from forge_models.recommender.sequential_text import Words

    require(isinstance(shape_values, dict), "Fields are missing.")
    for name, most in MOST.items():
        value = shape_values.get(name)
        require(type(value) is int and 0 < value <= most, f"Its {name} is missing or out of bounds.")
    try:
        shape = Shape.of(shape_values)
        shape.engine()
    except (ForgeError, TypeError, ValueError, KeyError):
        raise refused("Its network cannot be built.") from None
    keys, weights = {}, {}
    for name in BLOCKS:
        v = stored.length(f"{name}.keys")
        keys[name] = stored.array(f"{name}.keys", np.int64, (v,))
        require(rising(keys[name]), "Its keys are not sorted or not unique.")
        weights[name] = stored.array(f"{name}.weights", np.float32, (v,))
    columns = sum(map(len, keys.values()))
    words = Words(
        keys, weights, stored.array("components", np.float32, (stored.length("components"), columns))
    )
    require(
        shape.items == stored.n and shape.words in (0, words.dims), "Its network is for another vocabulary."
    )
    net = SequenceNet(
        shape, torch.from_numpy(stored.array("item_words", np.float32, (stored.n, shape.words)))
    )
    tensors = {
        name: torch.from_numpy(stored.array(f"net.{name}", np.float32, tuple(tensor.shape)))
        for name, tensor in net.state_dict().items()
    }
    net.load_state_dict(tensors)
    return SequentialModel(**stored.common, net=net.eval(), words=words, report=stored.report())
