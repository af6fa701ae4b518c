"""A space in memory, for serving: faiss beside PostgreSQL, which stays the truth.

Up to ten thousand rows every vector is compared. Above that an inverted file of 4-bit product codes (Jégou et al.
2011; André et al. 2015, fast scan) proposes and half-precision vectors decide; how many lists are probed is measured
when it is built. A filter that leaves few rows is answered by comparing just those.

In step: a trigger counts the changes of a space. The count is read when it was last read ``stale_after`` seconds ago
(0.1; 0 reads it at each search), and what was added or deleted since is taken over before the answer, so a deleted
row is answered for no longer than that. While a large space is (re)built in the background, PostgreSQL answers.
Nothing is written to disk.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from forge_core.errors import ForgeError
from forge_resources import near_building, near_rows
from forge_resources.near_rows import Held
from forge_resources.vectors import EVERYTHING, Filter, Hit, Vectors, codes, spaces
from forge_resources.vectors.filters import Words
from forge_resources.vectors.spaces import Space

if TYPE_CHECKING:
    from forge_resources.vectors.searching import Session

MOST_DELTA = 20_000  # rows beside the index, compared one by one: four milliseconds
MOST_DEAD = 0.2  # of the rows, passed over in the lists


class ServingIndex:
    """One space. Safe for threads; each searches with one core, a batch with all of them."""

    def __init__(self, vectors: Vectors, space: str, stale_after: float = 0.1, target: float = 0.99) -> None:
        self.vectors, self.space = vectors, spaces.name(space)
        self.stale_after, self.target = stale_after, target
        self.failure: ForgeError | None = None  # of the last build in the background
        self._held: Held | None = None
        self._line: Space | None = None
        self._looked_at = float("-inf")
        self._lock = threading.Lock()
        self._building: threading.Thread | None = None
        self._words: dict[str, tuple[float, Words]] = {}

    def load(self) -> Held:
        """Take the space into memory now, or bring it up to date, and wait for it."""
        with self._lock, self.vectors.sessions.use() as session:
            return self._refresh(session, wait=True)  # type: ignore[return-value]

    @property
    def rows(self) -> int:
        """Rows in memory."""
        return self._held.living if self._held is not None else 0

    def search(
        self, vector: np.ndarray, k: int = 10, filter: Filter = EVERYTHING, model: str | None = None
    ) -> list[Hit]:
        """The ``k`` rows nearest to ``vector`` (d,), as :meth:`Vectors.search` finds them."""
        return self.search_many(np.asarray(vector, np.float32).reshape(1, -1), k, filter, model)[0]

    def search_many(
        self, vectors: np.ndarray, k: int = 10, filter: Filter = EVERYTHING, model: str | None = None
    ) -> list[list[Hit]]:
        """The same for each row of ``vectors`` (m, d) float32."""
        began = time.monotonic()
        held = self._current(began)
        if held is None or not filter.needs() <= held.columns:
            return [self.vectors.search(self.space, vector, k, filter, model) for vector in vectors]
        held.line.expect(model, vectors.shape[1])
        halves, directed = codes.normalised(vectors)
        words = self._consent(filter.purpose, began) if filter.purpose is not None else None
        found = held.nearest(halves.astype(np.float32), k, filter, words)
        return [hits if has else [] for hits, has in zip(found, directed, strict=True)]

    def _current(self, now: float) -> Held | None:
        """What is in memory if it is in step, else None."""
        if now - self._looked_at <= self.stale_after:
            return self._held
        with self._lock:
            if now <= self._looked_at:  # another thread has looked since this search began
                return self._held
            with self.vectors.sessions.use() as session:
                return self._refresh(session, wait=False)

    def _refresh(self, session: Session, wait: bool) -> Held | None:
        now = time.monotonic()
        line = spaces.get(session.connection, self.space)
        held = self._held
        if held is not None and held.line.generation == line.generation:
            if held.line.changes != line.changes:
                held = near_rows.follow(session.connection, held)
        elif held is not None:
            held = None  # written anew: nothing of it may be answered
        if held is not None and (len(held.extra) > MOST_DELTA or held.dead > MOST_DEAD * max(held.living, 1)):
            self._build(wait)  # it still answers rightly, only slower
            held = self._held if wait else held
        elif held is None:
            self._held = None
            self._build(wait or line.rows <= near_rows.EXACT_ROWS)
            held = self._held
        self._held, self._looked_at = held, now
        return held

    def _build(self, wait: bool) -> None:
        if wait:
            with self.vectors.sessions.use() as session:
                self._held = near_building.load(session.connection, self.space, self.target)
        elif self._building is None or not self._building.is_alive():
            self._building = threading.Thread(
                target=self._build_apart, name=f"index of {self.space}", daemon=True
            )
            self._building.start()

    def _build_apart(self) -> None:
        try:
            with self.vectors.sessions.use() as session:
                built = near_building.load(session.connection, self.space, self.target)
        except ForgeError as error:  # the next search asks the database, and starts another build
            self.failure = error
            return
        finally:
            self.vectors.sessions.close()
        with self._lock:
            self._held, self._looked_at = (
                built,
                float("-inf"),
            )  # what came meanwhile is followed at the next search

    def _consent(self, purpose: str, now: float) -> Words:
        """What consent says, as old as the rows may be."""
        known = self._words.get(purpose)
        if known is not None and now - known[0] <= self.stale_after:
            return known[1]
        with self.vectors.sessions.use() as session:
            words = Words.read(session.connection, purpose)
        self._words[purpose] = (now, words)
        return words
