"""What a stored model holds, taken out one tensor at a time and refused where it does not fit the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from forge_core.errors import Refused


@dataclass(frozen=True)
class Stored:
    """``arrays`` and ``document`` as the artifact gives them; ``common`` are the fields that every model has."""

    arrays: Mapping[str, np.ndarray]
    document: Mapping[str, Any]
    common: Mapping[str, Any]

    @property
    def n(self) -> int:
        """How many items."""
        return len(self.common["items"])

    def array(self, name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
        found = self.arrays.get(name)
        if found is None or found.dtype != dtype or found.shape != shape:
            raise refused(f"Tensor {name} is missing or has another shape.")
        return found

    def length(self, name: str) -> int:
        """The first dimension of a tensor; 0 where it is missing or has none."""
        found = self.arrays.get(name)
        return len(found) if found is not None and found.ndim else 0

    def sparse(self, name: str, dtype: type, shape: tuple[int, int]) -> sp.csr_array:
        indptr = self.array(f"{name}.indptr", np.int64, (shape[0] + 1,))
        size = self.length(f"{name}.data")
        data = self.array(f"{name}.data", dtype, (size,))
        indices = self.array(f"{name}.indices", np.int64, (size,))
        fits = indptr[0] == 0 and indptr[-1] == size and bool(np.all(np.diff(indptr) >= 0))
        require(fits and within(indices, shape[1]), f"Indices of {name} point outside the vocabulary.")
        return sp.csr_array((data, indices, indptr), shape=shape)

    def head(self) -> np.ndarray:
        """The items that a model was solved for, ascending."""
        head = self.array("head", np.int64, (self.length("head"),))
        require(rising(head) and within(head, self.n), "Its head points outside the vocabulary.")
        return head

    def number(self, name: str, low: float, high: float) -> float:
        """A number of the configuration, between bounds."""
        value = self.common["config"].get(name)
        if type(value) not in (int, float) or not low <= value <= high:
            raise refused(f"Its {name} is missing or out of bounds.")
        return float(value)

    def report(self) -> dict[str, list[Any]]:
        found = self.document.get("report")
        if not isinstance(found, dict) or not all(isinstance(rows, list) for rows in found.values()):
            raise refused("Fields are missing.")
        return found

    def within(self, prefix: str, document: Mapping[str, Any]) -> Stored:
        """A model inside this one, of the same items: its tensors begin with ``prefix``."""
        config = document.get("config")
        if not isinstance(config, dict):
            raise refused("Fields are missing.")
        arrays = {name[len(prefix) :]: a for name, a in self.arrays.items() if name.startswith(prefix)}
        return replace(self, arrays=arrays, document=document, common={**self.common, "config": config})


def sparse_arrays(name: str, matrix: sp.csr_array) -> dict[str, np.ndarray]:
    return {
        f"{name}.data": matrix.data,
        f"{name}.indices": matrix.indices.astype(np.int64),
        f"{name}.indptr": matrix.indptr.astype(np.int64),
    }


def report_document(report: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    return {"report": {name: [dict(row) for row in rows] for name, rows in report.items()}}


def rising(values: np.ndarray) -> bool:
    return bool(np.all(np.diff(values) > 0))


def within(values: np.ndarray, n: int) -> bool:
    return values.size == 0 or (int(values.min()) >= 0 and int(values.max()) < n)


def require(good: bool, what: str) -> None:
    if not good:
        raise refused(what)


def refused(what: str) -> Refused:
    return Refused(
        "FORGE-ARTIFACT-RECOMMENDER",
        f"This model cannot be used. {what}",
        "Its arrays do not fit each other.",
        "Take the model from the registry again, or train it anew.",
    )
