"""The profile models in the artifact format: save, load, and the bounds that a loaded one must keep.

A model holds parameters of facets (``channel``, ``watch``, ``to``), nothing of a thing or a person. What does not fit
is refused (``FORGE-ARTIFACT-PROFILE``).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from forge_core.errors import ForgeError, Refused
from forge_models import artifact
from forge_models.profile.asking import HALF_LIVES
from forge_models.profile.decay import OTHERS, Decay
from forge_models.profile.models import Decayed, Frequency, LastWeek, Pooled, ProfileModel, Sayer, width

LONGEST = 4096  # of a network's sizes
FACETS = 1000


def save(model: ProfileModel, folder: Path) -> None:
    arrays: dict[str, np.ndarray] = {"decay": np.asarray(model.decay.params, np.float64)}
    own: dict[str, Any] = {}
    sayer: Any = model.sayer
    if isinstance(sayer, LastWeek):
        arrays["weights"] = sayer.weights
    elif isinstance(sayer, Pooled):
        arrays |= {"weights": sayer.weights, "centre": sayer.centre, "scale": sayer.scale}
        own["facets"] = list(sayer.facets)
    elif sayer.kind == "network":
        own["facets"] = list(sayer.facets)
        own["shape"] = sayer.net.shape.as_dict() if sayer.net is not None else None
        if sayer.net is not None:
            state = sayer.net.state_dict()
            arrays |= {f"net.{name}": tensor.detach().float().numpy() for name, tensor in state.items()}
    artifact.write(
        folder,
        arrays,
        {
            "family": "profile",
            "task": model.task,
            "kind": model.kind,
            "config": dict(model.config),
            "decay_facets": list(model.decay.facets),
            "own": own,
            "report": {name: [dict(row) for row in rows] for name, rows in model.report.items()},
        },
    )


def load(task: str, folder: Path) -> ProfileModel:
    arrays, document = artifact.read(folder)
    _require(document.get("family") == "profile" and document.get("task") == task, "It is of another task.")
    config, own, report = document.get("config"), document.get("own"), document.get("report")
    if not isinstance(config, dict) or not isinstance(own, dict) or not isinstance(report, dict):
        raise _refused("Fields are missing.")
    facets = _facets(document.get("decay_facets"))
    _require(facets[0] == OTHERS, "Its decay is broken.")
    params = _floats(arrays, "decay", (len(facets), 4))
    life, strength, mean, whole = params.T
    good = (
        bool(np.all((life >= 0) & (life < len(HALF_LIVES)) & (life == np.round(life))))
        and bool(np.all((strength > 0) & (mean > 0) & (mean < 1)))
        and bool(np.all(np.isin(whole, (0.0, 1.0))))
    )
    _require(good, "Its decay is broken.")
    sayer = _sayer(document.get("kind"), own, arrays)
    return ProfileModel(task, config, Decay(facets, params), sayer, report)


def _sayer(kind: Any, own: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Sayer:
    if kind == Frequency.kind:
        return Frequency()
    if kind == Decayed.kind:
        return Decayed()
    if kind == LastWeek.kind:
        return LastWeek(_floats(arrays, "weights", (3,)))
    if kind == Pooled.kind:
        facets = _facets(own.get("facets"), least=0)
        size = width(facets)
        scale = _floats(arrays, "scale", (size,))
        _require(bool(np.all(scale > 0)), "Its scale is not above 0.")
        return Pooled(
            _floats(arrays, "weights", (size + 1,)), _floats(arrays, "centre", (size,)), scale, facets
        )
    if kind == "network":
        return _network(own, arrays)
    raise _refused("Its kind is unknown.")


def _network(own: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Sayer:
    import torch

    from forge_models.profile.network import Networked, Shape, ThingNet

    facets = _facets(own.get("facets"))
    sizes = own.get("shape")
    if sizes is None:
        return Networked(None, facets)
    names = set(Shape(1).as_dict())
    if not isinstance(sizes, dict) or set(sizes) != names:
        raise _refused("Its sizes are missing.")
    good = all(type(one) is int and 0 < one <= LONGEST for one in sizes.values())
    _require(good and sizes["facets"] == len(facets) and sizes["layers"] <= 64, "Its sizes are broken.")
    try:
        net = ThingNet(Shape(**sizes))
    except ForgeError:
        raise _refused("Its network cannot be built.") from None
    wanted = net.state_dict()
    stored = {name[4:] for name in arrays if name.startswith("net.")}
    _require(stored == set(wanted), "Its network has other tensors.")
    loaded = {}
    for name, tensor in wanted.items():
        found = arrays[f"net.{name}"]
        _require(
            found.dtype == np.float32 and found.shape == tuple(tensor.shape), "A tensor has another shape."
        )
        loaded[name] = torch.from_numpy(found.copy())
    net.load_state_dict(loaded)
    return Networked(net.eval(), facets)


def _facets(named: Any, least: int = 1) -> tuple[str, ...]:
    good = (
        isinstance(named, list)
        and least <= len(named) <= FACETS
        and all(isinstance(one, str) for one in named)
    )
    if not good:
        raise _refused("Its facets are missing.")
    _require(all(a < b for a, b in itertools.pairwise(named)), "Its facets are not sorted or not unique.")
    return tuple(named)


def _floats(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    found = arrays.get(name)
    if found is None or found.dtype != np.float64 or found.shape != shape:
        raise _refused(f"Tensor {name} is missing or has another shape.")
    return found


def _require(good: bool, what: str) -> None:
    if not good:
        raise _refused(what)


def _refused(what: str) -> Refused:
    return Refused(
        "FORGE-ARTIFACT-PROFILE",
        f"This model cannot be used. {what}",
        "Its arrays do not fit each other.",
        "Take the model from the registry again, or train it anew.",
    )
