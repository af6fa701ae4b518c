"""The encoder as others use it: texts in, normalised vectors out, in the order given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from forge_models.encoder.description import Description
from forge_models.encoder.tokenising import Tokeniser

CHUNK = 8192  # texts that are tokenised and sorted together: enough that lengths lie close, few enough for any memory


class Backend(Protocol):
    """What computes.

    ``pooled(ids)`` gives (n, d) float32 for n lists of token ids; ``budget``: its best tokens per batch.
    """

    name: str
    budget: int

    def pooled(self, ids: Sequence[Sequence[int]]) -> np.ndarray: ...


class TextEncoder:
    """A model, ready to encode. An instance may be used by several threads.

    ``name`` as set; ``identity`` changes with anything that decides a vector (an index of another identity
    is refused); ``dimensions``; ``max_tokens`` (what lies behind them is not read); ``backend`` (what
    computes, and in which precision).
    """

    def __init__(self, name: str, description: Description, backend: Backend) -> None:
        self.name, self.identity = name, description.identity
        self.dimensions, self.max_tokens = description.dimensions, description.max_tokens
        self._tokeniser, self._backend = Tokeniser(description), backend

    @property
    def backend(self) -> str:
        return self._backend.name

    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """(n, d) float32 of Euclidean length 1, a row per text. Any text has a vector, an empty one too.

        ``progress(done, total)`` is called after each batch; raise in it to stop.
        """
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        done = 0
        for start in range(0, len(texts), CHUNK):
            ids = self._tokeniser.ids(texts[start : start + CHUNK])
            for batch in batches([len(one) for one in ids], self._backend.budget):
                found = self._backend.pooled([ids[i] for i in batch])
                vectors[np.add(batch, start)] = normalised(found)
                done += len(batch)
                if progress:
                    progress(done, len(texts))
        return vectors

    def encode_one(self, text: str) -> np.ndarray:
        """(d,) float32 of length 1: ``encode`` without the ways of a batch."""
        return normalised(self._backend.pooled(self._tokeniser.ids([text])))[0]


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Places of texts, longest first, in batches of at most ``budget`` tokens with their padding (or of one text).

    Sorted by length, so that hardly anything is padded. The longest come first: memory is at its highest at once.
    """
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable").tolist()
    start = 0
    while start < len(order):
        count = max(1, budget // max(1, lengths[order[start]]))
        yield order[start : start + count]
        start += count


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
