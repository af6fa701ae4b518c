"""Texts of a table become the vectors of a space: each distinct text once, and none that has its vector already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from forge_resources.stores import Stores

BATCH = 4096  # texts that are in memory at a time
KNOWN = 50_000  # vectors that are read at a time: 77 MB of 384 dimensions


@dataclass(frozen=True)
class Embedded:
    """``vectors`` (n, d) float16, a row per row of ``rows``; how many texts there are, and how many were encoded."""

    rows: pa.Table
    vectors: np.ndarray
    texts: int
    encoded: int


def embed(
    stores: Stores,
    space: str,
    rows: pa.Table,
    texts: Callable[[list[str]], dict[str, str]],
    progress: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Vectors for ``rows``, which have a column ``hash`` of their text.

    ``texts`` gives the texts of some hashes; it is asked only for those that ``space`` has no vector of, made by
    the same encoder. Rows whose text is gone meanwhile are left out.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    encoder = stores.encoder
    hashes: list[str] = pc.unique(rows["hash"]).to_pylist()
    place = {one: number for number, one in enumerate(hashes)}
    vectors = np.zeros((len(hashes), encoder.dimensions), np.float16)
    there = np.zeros(len(hashes), bool)
    for start in range(0, len(hashes), KNOWN):
        known = stores.vectors.reusable(space, encoder.identity, hashes[start : start + KNOWN])
        for one, vector in known.items():
            vectors[place[one]], there[place[one]] = vector, True
    missing = [one for one, done in zip(hashes, there.tolist(), strict=True) if not done]
    for start in range(0, len(missing), BATCH):
        found = texts(missing[start : start + BATCH])
        if found:
            encoded = encoder.encode(list(found.values()))
            places = [place[one] for one in found]
            vectors[places], there[places] = encoded.astype(np.float16), True
        if progress:
            progress(min(start + BATCH, len(missing)), len(missing))
    of_row = np.array([place[one] for one in rows["hash"].to_pylist()], np.int64)
    kept = there[of_row]
    return Embedded(rows.filter(pa.array(kept)), vectors[of_row[kept]], len(hashes), len(missing))
