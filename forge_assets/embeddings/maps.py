"""A space as a picture: its vectors in two dimensions. For looking at, never for learning from."""

from collections import Counter
from typing import TYPE_CHECKING

from forge_assets import pictures

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

TOPIC = "topic"  # not a column: clusters of the points themselves, which name nothing
POINTS = 1500  # drawn of a larger space, a fixed sample
COLOURS = 7  # groups that have a colour; the rest is grey
FEWEST = 30  # points from which UMAP says more than the first two principal components


def space_map(
    rows: "pa.Table", vectors: "np.ndarray", label: str | None, seed: int, quick: bool
) -> pictures.Drawn:
    """UMAP (McInnes, Healy and Melville 2018) by cosine, coloured by the column ``label``; principal components
    where there are few points or ``quick`` is asked for."""
    import numpy as np

    chosen = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:POINTS])
    points = np.asarray(vectors[chosen], np.float32)
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    labels = _labels(rows, points, chosen, label, seed)
    by_umap = len(points) >= FEWEST and not quick
    flat = _umap(points, seed) if by_umap else _principal(points)
    how = f"{'UMAP' if by_umap else 'principal components'} of {len(points):,} of {len(vectors):,}"
    frequent = [name for name, _ in Counter(labels).most_common(COLOURS)]
    groups = {name: flat[[one == name for one in labels]] for name in sorted(frequent)}
    rest = flat[[one not in groups for one in labels]]
    return pictures.scatter(groups, rest, how, label)


def _labels(
    rows: "pa.Table", points: "np.ndarray", chosen: "np.ndarray", label: str | None, seed: int
) -> list[str]:
    if label == TOPIC and len(points) >= FEWEST:
        from sklearn.cluster import KMeans

        found = KMeans(COLOURS, n_init=3, random_state=seed).fit_predict(points)
        return [str(one + 1) for one in found]
    if label is None or label == TOPIC:
        return ["all"] * len(chosen)
    column = rows[label].to_pylist()
    return [str(column[i]) if column[i] is not None else "unknown" for i in chosen]


def _umap(points: "np.ndarray", seed: int) -> "np.ndarray":
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread
        from umap import UMAP

        reducer = UMAP(n_neighbors=min(15, len(points) - 1), metric="cosine", random_state=seed, n_jobs=1)
        return reducer.fit_transform(points)


def _principal(points: "np.ndarray") -> "np.ndarray":
    import numpy as np

    flat = np.zeros((len(points), 2), np.float32)
    if len(points) > 1:
        left, values, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
        width = min(2, len(values))
        flat[:, :width] = left[:, :width] * values[:width]
    return flat
