"""The anomaly models in the artifact format: save, load, and the bounds that a loaded one must keep.

A model holds habits of the population and weights, nothing by which a person is known. An index out of bounds, a
shape that does not fit or a table that is not sorted is refused here (``FORGE-ARTIFACT-ANOMALY``).
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from forge_core.errors import ForgeError
from forge_models import artifact
from forge_models.anomaly import account, routine
from forge_models.anomaly.calibration import Calibration
from forge_models.anomaly.models import AnomalyModel, Detector, Everything, Evidence, Near, Raw, Woods
from forge_models.anomaly.routine import RoutineView
from forge_models.anomaly.stored import Stored, refused, require
from forge_models.anomaly.tails import Side, Tails


def save(model: AnomalyModel, folder: Path) -> None:
    arrays: dict[str, np.ndarray] = {}
    view = model.view
    if isinstance(view, RoutineView):
        arrays |= {"view.level": view.level, "view.scale": view.scale}
    else:
        arrays |= artifact.pack_strings("items", view.items)
        for name in ("share", "hours", "rates", "means", "squares", "usual"):
            arrays[f"view.{name}"] = getattr(view, name)
    arrays |= _tails_arrays("tails", model.tails)
    arrays |= {"calibration.grid": model.calibration.grid, "calibration.rate": model.calibration.rate}
    own, document = _detector_arrays(model.detector)
    arrays |= own
    tail = [
        model.calibration.start,
        model.calibration.share,
        model.calibration.scale,
        model.calibration.shape,
    ]
    artifact.write(
        folder,
        arrays,
        {
            "family": "anomaly",
            "task": model.task,
            "kind": model.kind,
            "config": dict(model.config),
            "tail": tail,
            "detector": document,
            "report": {name: [dict(row) for row in rows] for name, rows in model.report.items()},
        },
    )


def load(task: str, folder: Path) -> AnomalyModel:
    arrays, document = artifact.read(folder)
    require(document.get("family") == "anomaly" and document.get("task") == task, "It is of another task.")
    config, own, report = document.get("config"), document.get("detector"), document.get("report")
    if not isinstance(config, dict) or not isinstance(own, dict) or not isinstance(report, dict):
        raise refused("Fields are missing.")
    stored = Stored(arrays)
    if task == "routine":
        width, shape = len(routine.NAMES), (2, len(routine.NAMES))
        view: Any = RoutineView(stored.floats("view.level", shape), stored.positive("view.scale", shape))
    else:
        width = len(account.NAMES)
        items = artifact.unpack_strings("items", arrays)
        require(all(a < b for a, b in itertools.pairwise(items)), "Its items are not sorted or not unique.")
        view = account.AccountView(
            items,
            stored.positive("view.share", (len(items) + 1,)),
            stored.positive("view.hours", (24,)),
            stored.positive("view.rates", (5,)),
            stored.positive("view.means", (5,)),
            stored.positive("view.squares", (5,)),
            stored.floats("view.usual", (2,)),
        )
    grid = stored.rising("calibration.grid")
    rate = stored.positive("calibration.rate", grid.shape)
    tail = document.get("tail")
    good = isinstance(tail, list) and len(tail) == 4 and all(type(one) in (int, float) for one in tail)
    if not isinstance(tail, list) or not good:
        raise refused("Its calibration is broken.")
    start, share, scale, shape_ = map(float, tail)
    require(scale > 0 and 0 <= shape_ < 1 and 0 < share <= 1, "Its calibration is broken.")
    found = Calibration(grid, rate, start, share, scale, shape_)
    tails = _tails_of(stored, "tails", width, task == "routine")
    detector = _detector(document.get("kind"), own, stored, width, task, len(getattr(view, "items", ())) + 1)
    return AnomalyModel(task, config, view, tails, detector, found, report)


def _tails_arrays(prefix: str, tails: Tails) -> dict[str, np.ndarray]:
    """All knots of all columns in three tensors: values, surprises, and how many knots each side has."""
    sides = [*tails.upper, *tails.lower]
    return {
        f"{prefix}.x": np.concatenate([side.x for side in sides]),
        f"{prefix}.t": np.concatenate([side.t for side in sides]),
        f"{prefix}.knots": np.array([len(side.x) for side in sides], np.int64),
    }


def _tails_of(stored: Stored, prefix: str, width: int, two_sided: bool) -> Tails:
    knots = stored.array(f"{prefix}.knots", np.int64, (width * (2 if two_sided else 1),))
    require(bool(np.all(knots >= 1)) and int(knots.max()) <= 1 << 20, "Its tails are broken.")
    total = int(knots.sum())
    x, t = stored.floats(f"{prefix}.x", (total,)), stored.floats(f"{prefix}.t", (total,))
    ends = np.cumsum(knots)[:-1]
    sides = [Side(a, b) for a, b in zip(np.split(x, ends), np.split(t, ends), strict=True)]
    for side in sides:
        rises = bool(np.all(np.diff(side.x) > 0)) and bool(np.all(np.diff(side.t) >= 0))
        require(rises and bool(side.t[0] >= 0), "Its tails are not sorted.")
    return Tails(sides[:width], sides[width:])


def _detector_arrays(detector: Detector) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    if isinstance(detector, Evidence):
        return {}, {"groups": [list(group) for group in detector.groups]}
    if isinstance(detector, Near):
        near = detector.neighbours
        return {"near.points": near.points, "near.centre": near.centre, "near.scale": near.scale}, {}
    if isinstance(detector, Woods):
        own = detector.forest
        arrays = {f"forest.{name}": getattr(own, name) for name in ("feature", "cut", "right", "roots")}
        return arrays, {"usual": float(own.usual)}
    if isinstance(detector, Raw):
        return _tails_arrays("own", detector.own), {"columns": list(detector.columns)}
    if isinstance(detector, Everything):
        return {}, {}
    net = detector.net  # type: ignore[attr-defined]
    if net is None:
        return {}, {"sizes": None}
    tensors = {f"net.{name}": tensor.detach().float().numpy() for name, tensor in net.state_dict().items()}
    sizes = list(net.sizes) if detector.kind == "autoencoder" else net.shape.as_dict()
    return tensors, {"sizes": sizes}


def _detector(kind: Any, own: dict[str, Any], stored: Stored, width: int, task: str, items: int) -> Detector:
    if kind == Evidence.kind:
        groups = own.get("groups")
        if not isinstance(groups, list) or not all(isinstance(group, list) and group for group in groups):
            raise refused("Its columns are missing.")
        good = all(type(one) is int and 0 <= one < width for group in groups for one in group)
        require(good, "Its columns are out of bounds.")
        return Evidence(tuple(tuple(group) for group in groups))
    if kind == Everything.kind:
        return Everything()
    if kind == Raw.kind:
        from forge_models.anomaly.fitting import COLUMNS

        require(own.get("columns") == list(COLUMNS[task]), "Its columns are unknown.")
        return Raw(tuple(COLUMNS[task]), _tails_of(stored, "own", len(COLUMNS[task]), task == "routine"))
    if kind == Near.kind:
        return Near(stored.neighbours(width))
    if kind == Woods.kind:
        return Woods(stored.forest(width, own.get("usual")))
    if kind in ("autoencoder", "sequence"):
        return _network(str(kind), own.get("sizes"), stored, width, items)
    raise refused("Its kind is unknown.")


def _network(kind: str, sizes: Any, stored: Stored, width: int, items: int) -> Detector:
    from forge_models.anomaly.autoencoder import Auto, AutoNet
    from forge_models.anomaly.sequence import Surprised
    from forge_models.anomaly.sequence_net import EventNet, Shape

    if kind == "autoencoder":
        if sizes is None:
            return Auto(None)
        good = isinstance(sizes, list) and len(sizes) == 3 and all(type(one) is int for one in sizes)
        require(good and sizes[0] == width and all(0 < one <= 4096 for one in sizes), "Its sizes are broken.")
        return Auto(stored.network(AutoNet(*sizes)))
    if sizes is None:
        return Surprised(None)
    names = {"items", "dims", "heads", "layers"}
    good = isinstance(sizes, dict) and set(sizes) == names and all(type(one) is int for one in sizes.values())
    require(good and all(0 < one <= 1 << 20 for one in sizes.values()), "Its sizes are broken.")
    require(
        sizes["items"] == items and sizes["dims"] <= 4096 and sizes["layers"] <= 64, "Its sizes are broken."
    )
    try:
        net = EventNet(Shape(**sizes))
    except ForgeError:
        raise refused("Its network cannot be built.") from None
    return Surprised(stored.network(net))
