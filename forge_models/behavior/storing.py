"""The models of behaviour in the artifact format: save, load, and the bounds that a loaded one must keep."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from forge_core.errors import ForgeError, Refused
from forge_models import artifact
from forge_models.behavior import counting, markov
from forge_models.behavior.conformal import Bands
from forge_models.behavior.designs import Frame
from forge_models.behavior.lags import LagModel
from forge_models.behavior.naive import NaiveModel
from forge_models.behavior.population import Population
from forge_models.recommender.stored import report_document, sparse_arrays, within

BASELINES = ("most_frequent", "markov", "hour_markov")
NAIVE = ("seasonal_naive", "seasonal_mean")
MOST = {
    "dims": 4096,
    "heads": 64,
    "layers": 64,
    "inner": 16_384,
    "block": 24,
    "horizon": 1000,
    "labels": 10_000_000,
}
MOST_FRAMES = 8
FRAME = {"lags": (1, 100_000), "horizon": (1, 1000), "period": (1, 10_000)}


def save(model: Any, folder: Path) -> None:
    arrays: dict[str, np.ndarray] = {}
    document: dict[str, Any] = {"family": "behavior", "kind": model.kind, "config": dict(model.config)}
    document |= report_document(model.report)
    if hasattr(model, "vocabulary"):
        arrays |= artifact.pack_strings("labels", list(model.vocabulary))
        document["labels"] = len(model.vocabulary)
    if hasattr(model, "population"):
        arrays |= {"counts": model.population.counts, **sparse_arrays("after", model.population.after)}
    if hasattr(model, "bands"):
        arrays |= {"low": model.bands.low, "high": model.bands.high}
        document["calibrated_on"] = model.bands.n
    if model.kind == "counting":
        arrays |= {"weights": model.weights, "exploring": model.exploring}
    elif model.kind == "lags":
        arrays |= {f"coefficients.{at}": one for at, one in enumerate(model.coefficients)}
        document["frames"] = [dict(vars(frame)) for frame in model.frames]
    elif model.kind in NAIVE:
        document |= {"season": model.season, "horizon": model.horizon, "weeks": model.weeks}
    elif model.kind in ("network", "load_network"):
        shape = model.shape if model.kind == "load_network" else (model.net and model.net.shape)
        document |= {"shape": shape.as_dict() if shape else None, "trained": model.net is not None}
        if model.net is not None:
            state = model.net.state_dict()
            arrays |= {f"net.{name}": tensor.detach().float().numpy() for name, tensor in state.items()}
    artifact.write(folder, arrays, document)


def load(folder: Path) -> Any:
    """The model, after its arrays were found to fit each other: an index out of bounds is refused here."""
    arrays, document = artifact.read(folder)
    _require(document.get("family") == "behavior", "It is of another family.")
    _require(
        isinstance(document.get("config"), dict) and isinstance(document.get("report"), dict),
        "Fields are missing.",
    )
    kind = document.get("kind")
    if kind == "counting" or kind in BASELINES:
        return _counted(str(kind), arrays, document)
    if kind == "lags":
        return _lags(arrays, document)
    if kind in NAIVE:
        return _naive(str(kind), arrays, document)
    if kind == "network":
        return _network(arrays, document)
    if kind == "load_network":
        return _load_network(arrays, document)
    raise _refused("Its kind is unknown.")


def _counted(kind: str, arrays: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> Any:
    labels = _labels(arrays)
    n = len(labels)
    counts = _array(arrays, "counts", np.int64, (n,))
    _require(not n or int(counts.min()) >= 0, "Its counts are below 0.")
    indptr = _array(arrays, "after.indptr", np.int64, (n + 1,))
    size = _length(arrays, "after.data")
    data, indices = (
        _array(arrays, "after.data", np.float64, (size,)),
        _array(arrays, "after.indices", np.int64, (size,)),
    )
    sound = (
        indptr[0] == 0 and indptr[-1] == size and bool((np.diff(indptr) >= 0).all()) and within(indices, n)
    )
    _require(sound and not (data < 0).any(), "Its counts point outside the vocabulary.")
    population = Population(counts, sp.csr_array((data, indices, indptr), shape=(n, n)))
    config = document["config"]
    if kind in BASELINES:
        _require(_number(config.get("backoff"), 1e-6, 1e6), "Its backoff is missing or out of bounds.")
        return markov.MarkovModel(kind, labels, population, config, document["report"])  # type: ignore[arg-type]
    _require(isinstance(config.get("moves"), bool), "Fields are missing.")
    weights = _array(arrays, "weights", np.float64, (len(counting.FEATURES),))
    exploring = _array(arrays, "exploring", np.float64, (len(counting.EXPLORING),))
    return counting.CountingModel(labels, population, weights, exploring, config, document["report"])


def _lags(arrays: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> LagModel:
    told = document.get("frames")
    _require(isinstance(told, list) and 0 < len(told) <= MOST_FRAMES, "Its frames are missing.")
    frames = [_frame(one) for one in told or ()]
    _require(len({frame.horizon for frame in frames}) == 1, "Its frames look ahead differently.")
    coefficients = [
        _array(
            arrays,
            f"coefficients.{at}",
            np.float64,
            (frame.features, frame.horizon if frame.design == "direct" else 1),
        )
        for at, frame in enumerate(frames)
    ]
    bands = _bands(arrays, document, frames[0].horizon)
    return LagModel(frames, coefficients, bands, document["config"], document["report"])


def _frame(told: Any) -> Frame:
    _require(isinstance(told, dict) and set(told) == set(Frame.__dataclass_fields__), "Fields are missing.")
    for name, (low, high) in FRAME.items():
        _require(type(told[name]) is int and low <= told[name] <= high, f"Its {name} is out of bounds.")
    good = told["center"] in ("last", "mean") and told["design"] in ("direct", "seasonal")
    _require(
        good and isinstance(told["log"], bool) and told["period"] <= told["lags"], "Its frame is unknown."
    )
    return Frame(**told)


def _naive(kind: str, arrays: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> NaiveModel:
    season, horizon, weeks = (document.get(name) for name in ("season", "horizon", "weeks"))
    good = all(type(value) is int and 0 < value <= 10_000 for value in (season, horizon, weeks))
    _require(good and horizon <= season, "Its season is missing or out of bounds.")  # type: ignore[operator]
    bands = _bands(arrays, document, int(horizon))  # type: ignore[arg-type]
    return NaiveModel(kind, season, horizon, weeks, bands, document["config"], document["report"])  # type: ignore[arg-type]


def _network(arrays: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> Any:
    from forge_models.behavior.network import EventNet, Shape
    from forge_models.behavior.network_model import NetworkModel

    labels, net = _labels(arrays), None
    if document.get("trained"):
        shape = _shape(Shape, document.get("shape"))
        _require(shape.labels == len(labels), "Its network is for another vocabulary.")
        net = _filled(EventNet(shape), arrays)
    return NetworkModel(labels, net, document["config"], document["report"])


def _load_network(arrays: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> Any:
    from forge_models.behavior.load_network import LoadNet, LoadNetworkModel, LoadShape

    shape = _shape(LoadShape, document.get("shape"))
    net = _filled(LoadNet(shape), arrays) if document.get("trained") else None
    bands = _bands(arrays, document, shape.horizon)
    return LoadNetworkModel(shape, net, bands, document["config"], document["report"])


def _shape(kind: Any, values: Any) -> Any:
    _require(
        isinstance(values, dict) and set(values) == set(kind.__dataclass_fields__), "Fields are missing."
    )
    for name, most in MOST.items():
        if name in values:
            sound = type(values[name]) is int and 0 < values[name] <= most
            _require(sound, f"Its {name} is missing or out of bounds.")
    try:
        shape = kind(**values)
        shape.engine()
    except (ForgeError, TypeError, ValueError):
        raise _refused("Its network cannot be built.") from None
    return shape


def _filled(net: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    import torch

    net.load_state_dict(
        {
            name: torch.from_numpy(np.array(_array(arrays, f"net.{name}", np.float32, tuple(tensor.shape))))
            for name, tensor in net.state_dict().items()
        }
    )
    return net.eval()


def _bands(arrays: Mapping[str, np.ndarray], document: Mapping[str, Any], horizon: int) -> Bands:
    n = document.get("calibrated_on")
    _require(type(n) is int and n >= 0, "Fields are missing.")
    low, high = (_array(arrays, name, np.float64, (horizon,)) for name in ("low", "high"))
    return Bands(low, high, int(n))  # type: ignore[arg-type]


def _labels(arrays: Mapping[str, np.ndarray]) -> list[str]:
    labels = artifact.unpack_strings("labels", arrays)
    _require(all(a < b for a, b in itertools.pairwise(labels)), "Its labels are not sorted or not unique.")
    return labels


def _array(arrays: Mapping[str, np.ndarray], name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    found = arrays.get(name)
    if found is None or found.dtype != dtype or found.shape != shape:
        raise _refused(f"Tensor {name} is missing or has another shape.")
    return found


def _length(arrays: Mapping[str, np.ndarray], name: str) -> int:
    found = arrays.get(name)
    return len(found) if found is not None and found.ndim else 0


def _number(value: Any, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high


def _require(good: bool, what: str) -> None:
    if not good:
        raise _refused(what)


def _refused(what: str) -> Refused:
    return Refused(
        "FORGE-ARTIFACT-BEHAVIOR",
        f"This model cannot be used. {what}",
        "Its arrays do not fit each other.",
        "Take the model from the registry again, or train it anew.",
    )
