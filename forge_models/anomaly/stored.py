"""What a stored anomaly model holds, taken out one tensor at a time and refused where it does not fit the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forge_core.errors import Refused
from forge_models.anomaly.forest import Forest
from forge_models.anomaly.neighbours import Neighbours


@dataclass(frozen=True)
class Stored:
    """``arrays`` as the artifact gives them: their bytes are verified, what they say is not."""

    arrays: Mapping[str, np.ndarray]

    def array(self, name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
        found = self.arrays.get(name)
        if found is None or found.dtype != dtype or found.shape != shape:
            raise refused(f"Tensor {name} is missing or has another shape.")
        return found

    def floats(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        return self.array(name, np.float64, shape)

    def positive(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        found = self.floats(name, shape)
        require(bool(np.all(found > 0)), f"Tensor {name} must be above 0.")
        return found

    def shape(self, name: str) -> tuple[int, ...]:
        found = self.arrays.get(name)
        if found is None:
            raise refused(f"Tensor {name} is missing.")
        return found.shape

    def rising(self, name: str) -> np.ndarray:
        """One dimension, ascending, not empty."""
        shape = self.shape(name)
        require(len(shape) == 1 and shape[0] > 0, f"Tensor {name} is empty.")
        found = self.floats(name, shape)
        require(bool(np.all(np.diff(found) > 0)), f"Tensor {name} is not sorted.")
        return found

    def neighbours(self, width: int) -> Neighbours:
        shape = self.shape("near.points")
        require(len(shape) == 3 and shape[2] == width, "Its points have another width.")
        return Neighbours(
            self.floats("near.points", shape),
            self.floats("near.centre", (width,)),
            self.positive("near.scale", (width,)),
        )

    def forest(self, width: int, usual: Any) -> Forest:
        """Every child lies behind its parent and inside: no walk leaves the arrays or goes round."""
        shape = self.shape("forest.feature")
        require(len(shape) == 1 and shape[0] > 0, "Its forest is empty.")
        nodes = shape[0]
        feature = self.array("forest.feature", np.int64, shape)
        right = self.array("forest.right", np.int64, shape)
        roots = self.array("forest.roots", np.int64, self.shape("forest.roots"))
        inner = np.flatnonzero(feature >= 0)
        good = (
            roots.ndim == 1
            and len(roots) > 0
            and bool(np.all((roots >= 0) & (roots < nodes)))
            and bool(np.all((feature >= -1) & (feature < width)))
            and bool(np.all((right[inner] > inner) & (right[inner] < nodes) & (inner + 1 < nodes)))
        )
        require(good, "Its trees point outside.")
        if type(usual) not in (int, float) or not usual > 0:
            raise refused("Fields are missing.")
        return Forest(feature, self.floats("forest.cut", shape), right, roots, float(usual))

    def network(self, net: Any) -> Any:
        """``net`` with the stored weights, in evaluation mode."""
        import torch

        wanted = net.state_dict()
        names = {name[4:] for name in self.arrays if name.startswith("net.")}
        require(names == set(wanted), "Its network has other tensors.")
        loaded = {
            name: torch.from_numpy(self.array(f"net.{name}", np.float32, tuple(tensor.shape)).copy())
            for name, tensor in wanted.items()
        }
        net.load_state_dict(loaded)
        return net.eval()


def require(good: bool, what: str) -> None:
    if not good:
        raise refused(what)


def refused(what: str) -> Refused:
    return Refused(
        "FORGE-ARTIFACT-ANOMALY",
        f"This model cannot be used. {what}",
        "Its arrays do not fit each other.",
        "Take the model from the registry again, or train it anew.",
    )
