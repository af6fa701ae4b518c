"""iALS, implicit alternating least squares, solved exactly (Hu, Koren and Volinsky, ICDM 2008).

In the form and with the regularisation of Rendle et al. (RecSys 2022), whose tuned iALS is level with newer models:

    sum over what was done of (1 - <u, v>)^2  +  unobserved * sum over all pairs of <u, v>^2
    + regularisation * sum over rows of (events of the row + unobserved * columns)^nu |row|^2

How a side is solved. Each row has its own system, A = unobserved G + lambda I + V_r'V_r with G = V'V shared. In the
eigenbasis of G all but V_r'V_r is diagonal, so a row with fewer events L than half the dimensions d is solved as an
L x L system (push-through identity) in L^2 d instead of L d^2 steps, batched with others of its length; a longer row
by one symmetric product and a Cholesky solve. Rows are shared among threads, BLAS keeps to one: a row gives the
same factors on one core and on many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from scipy.linalg.lapack import sposv

from forge_core.errors import ForgeError
from forge_models.family import TrainingRun
from forge_models.recommender.interactions import Histories, encode
from forge_models.recommender.models import RecommenderModel
from forge_models.recommender.recency import ages, decay, query, training_histories
from forge_models.recommender.stored import Stored

BATCH = 2_000_000  # gathered factors held by a thread: 8 MB stay near the cache
SPREAD = 0.1  # standard deviation of the first item factors, times sqrt(dims): Rendle et al.


@dataclass(frozen=True)
class Objective:
    """``unobserved``: weight of pairs that were not seen; ``regularisation`` and its exponent ``nu``.

    ``weight`` and ``target`` of what was done are 1 and 1 in Rendle's form; ``implicit``'s is confidence - 1 and
    confidence, with unobserved 1 and nu 0.
    """

    unobserved: float
    regularisation: float
    nu: float = 1.0
    weight: float = 1.0
    target: float = 1.0

    def penalties(self, events: np.ndarray, columns: int) -> np.ndarray:
        """(rows,) float32: what is added to the diagonal of each row's system."""
        often = (events + self.unobserved * columns) ** self.nu
        return (self.regularisation * often).astype(np.float32)


@dataclass(frozen=True)
class IalsModel(RecommenderModel):
    """``factors`` (items, dims) float32. A subject's own are solved from the history when it is asked.

    ``config["recency"]``, where above 0, is the ``tau`` with which older events count less (``recency.query``).
    """

    factors: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    kind: ClassVar[str] = "ials"

    @property
    def recency(self) -> float:
        return float(self.config.get("recency", 0.0))

    @property
    def objective(self) -> Objective:
        return Objective(float(self.config["unobserved"]), float(self.config["regularisation"]))

    @cached_property
    def gram(self) -> np.ndarray:
        wide = self.factors.astype(np.float64)
        return np.asarray(wide.T @ wide)

    def item_vectors(self, items: np.ndarray) -> np.ndarray | None:
        return self.factors[items]

    def personal_scores(self, histories: Histories) -> np.ndarray:
        return solve(self.factors, query(histories, self.recency), self.objective) @ self.factors.T

    def contributions(self, history: Histories, items: np.ndarray) -> np.ndarray:
        """Exact (Hu et al., section 5): <v_i, A^-1 v_j>, for A the system of this history."""
        weight = decay(ages(history), self.recency)
        own = self.factors[history.items].astype(np.float64)
        objective = self.objective
        system = objective.unobserved * self.gram + (own * weight[:, None]).T @ own
        system[np.diag_indices(len(system))] += float(
            objective.penalties(weight.sum(keepdims=True), len(self.items))[0]
        )
        return np.asarray(
            weight[:, None] * (own @ np.linalg.solve(system, self.factors[items].T.astype(np.float64)))
        )


def fit(
    rows: pa.Table, dims: int, objective: Objective, epochs: int, recency: float, run: TrainingRun
) -> IalsModel:
    """iALS on the training ``rows``; the order of events counts in its answers alone."""
    data = encode(rows)
    matrix = training_histories(rows, data.items).matrix
    config = {
        "dims": dims,
        "unobserved": objective.unobserved,
        "regularisation": objective.regularisation,
        "epochs": epochs,
        "recency": recency,
    }
    factors = start(matrix.shape[1], dims, run.seed)
    transposed = matrix.T.tocsr()
    for epoch in range(epochs):
        run.progress(f"iALS: epoch {epoch + 1} of {epochs}")
        if run.cancelled():
            break
        subjects = solve(factors, matrix, objective)
        factors = solve(subjects, transposed, objective)
    return IalsModel(data.items, data.subjects_per_item, len(data.subjects), config, factors)


def start(items: int, dims: int, seed: int) -> np.ndarray:
    """The factors before the first epoch."""
    drawn = np.random.default_rng(seed).standard_normal((items, dims), np.float32)
    return drawn * np.float32(SPREAD / np.sqrt(dims))


def loss(subjects: np.ndarray, items: np.ndarray, matrix: sp.csr_array, objective: Objective) -> float:
    """What the epochs make smaller, up to a constant, for a ``matrix`` of ones."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    u, v = subjects.astype(np.float64), items.astype(np.float64)
    score = np.einsum("nd,nd->n", u[rows], v[matrix.indices])
    total = float(objective.weight * score @ score - 2 * objective.target * score.sum())
    total += objective.unobserved * float(np.vdot(u.T @ u, v.T @ v))
    for factors, events, columns in (
        (u, np.diff(matrix.indptr), len(v)),
        (v, np.bincount(matrix.indices, minlength=len(v)), len(u)),
    ):
        total += float(objective.penalties(events, columns) @ (factors**2).sum(axis=1))
    return total


def solve(factors: np.ndarray, matrix: sp.csr_array, objective: Objective) -> np.ndarray:
    """(rows, dims) float32: the exact minimum of each row of CSR ``matrix`` (rows, n), given ``factors`` (n, dims)."""
    from threadpoolctl import threadpool_limits

    n, d = factors.shape
    with threadpool_limits(1, "blas"):
        wide = factors.astype(np.float64)
        values, basis = np.linalg.eigh(wide.T @ wide)
        rotated = np.zeros((n + 1, d), np.float32)  # the last row is what padding points to
        rotated[:n] = wide @ basis
        diagonal = np.maximum(values, 0.0).astype(np.float32) * np.float32(objective.unobserved)
        sums = np.asarray(matrix.sum(axis=1)).ravel()
        system = _System(rotated, matrix, objective, diagonal, objective.penalties(sums, n))
        found = np.zeros((matrix.shape[0], d), np.float32)
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(partial(_solve_batch, system, found), _batches(np.diff(matrix.indptr), d)):
                pass
        return np.asarray(found @ basis.T.astype(np.float32))


@dataclass(frozen=True)
class _System:
    rotated: np.ndarray
    matrix: sp.csr_array
    objective: Objective
    diagonal: np.ndarray
    penalties: np.ndarray


def _batches(lengths: np.ndarray, d: int) -> Iterator[np.ndarray]:
    """Rows that are solved together: of about one length, the longest first; rows without events are in none."""
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    at = 0
    while at < len(order):
        size = max(1, BATCH // (int(lengths[order[at]]) * d))
        yield order[at : at + size]
        at += size


def _solve_batch(system: _System, found: np.ndarray, rows: np.ndarray) -> None:
    lengths = system.matrix.indptr[rows + 1] - system.matrix.indptr[rows]
    d = found.shape[1]
    long = 2 * lengths > d
    for row in rows[long]:
        found[row] = _long(system, int(row))
    if not long.all():
        found[rows[~long]] = _short(system, rows[~long], lengths[~long])


def _long(system: _System, row: int) -> np.ndarray:
    """One row as a (dims, dims) system."""
    span = slice(system.matrix.indptr[row], system.matrix.indptr[row + 1])
    own = system.rotated[system.matrix.indices[span]]
    weight = system.matrix.data[span].astype(np.float32)
    right = np.float32(system.objective.target) * (weight @ own)
    if system.objective.weight != 1.0 or weight.min() != 1.0:
        own *= np.sqrt(np.float32(system.objective.weight) * weight)[:, None]
    left = own.T @ own
    left[np.diag_indices(len(left))] += system.diagonal + system.penalties[row]
    _, solution, failed = sposv(left.T, right, lower=1, overwrite_a=1, overwrite_b=1)
    if failed:
        raise singular()
    return np.asarray(solution)


def _short(system: _System, rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Rows of about one length as (length, length) systems: (B, dims).

    With D the diagonal and Z = V D^-1/2: (V'WV + D)^-1 V'c = D^-1/2 Z' (I + W ZZ')^-1 c, kept symmetric by W^1/2.
    """
    n, width = len(system.rotated) - 1, int(lengths.max())
    places = np.arange(width)
    inside = places < lengths[:, None]
    source = np.minimum(system.matrix.indptr[rows][:, None] + places, len(system.matrix.indices) - 1)
    weight = np.where(inside, system.matrix.data[source], 0.0).astype(np.float32)
    root = np.sqrt(np.float32(system.objective.weight) * weight)
    scale = 1.0 / np.sqrt(system.diagonal + system.penalties[rows][:, None])
    z = system.rotated[np.where(inside, system.matrix.indices[source], n)]
    z *= scale[:, None, :]
    z *= root[:, :, None]
    kernel = z @ z.transpose(0, 2, 1)
    kernel[:, places, places] += 1.0
    target = np.divide(
        np.float32(system.objective.target) * weight, root, out=np.zeros_like(root), where=root > 0
    )
    dual = np.linalg.solve(kernel, target[:, :, None])
    return np.asarray((z.transpose(0, 2, 1) @ dual)[:, :, 0] * scale)


def singular() -> ForgeError:
    return ForgeError(
        "FORGE-IALS-SINGULAR",
        "iALS could not be solved.",
        "The system of a row is not positive definite.",
        "Use a larger regularisation.",
    )


# --- storage --------------------------------------------------------------------------------------


def arrays(model: IalsModel) -> dict[str, np.ndarray]:
    return {"factors": model.factors}


def from_arrays(stored: Stored) -> IalsModel:
    dims = int(stored.number("dims", 1, 1_000_000))
    stored.number("unobserved", 1e-12, 1e12)
    stored.number("regularisation", 1e-12, 1e12)
    stored.number("recency", 0.0, 1e9)
    return IalsModel(**stored.common, factors=stored.array("factors", np.float32, (stored.n, dims)))
