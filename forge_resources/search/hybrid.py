"""Search by words and by meaning, fused: passages with what they are of, when they were written, and where from.

The passages that both agree on say more of what is meant than the query does: their mean, added to the query's vector,
is asked once more (feedback: Rocchio 1971; with dense vectors Li et al. 2023), and the three rankings are fused.

Consent, source and time are conditions inside both queries. What comes out was never embedded or indexed
without consent to ``understand``, and is asked for it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from forge_core import keys
from forge_core.errors import ForgeError, UsageError
from forge_core.fusion import fused
from forge_models.encoder import finding
from forge_resources.search import lexical
from forge_resources.vectors.filters import Filter, Words, condition

if TYPE_CHECKING:
    from forge_resources.stores import Stores

SPACE = "documents"
PURPOSE = "understand"
DEPTH = 200  # of each ranking that is fused: what both know a little of counts, too
# Meaning finds more of what is asked for than words do; words find names and numbers that meaning does not know.
# Chosen on the first halves of the benchmark's sets: see benchmarks/search.py.
WEIGHTS = {"meaning": 1.0, "words": 0.35, "feedback": 1.0}
FEEDBACK = 20  # passages of the first two rankings, fused, whose mean is as much as the query itself


@dataclass(frozen=True)
class Search:
    """What is asked: words, and which passages may answer."""

    words: str
    k: int = 10
    sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    subject: str | None = None  # a pseudonym

    def filter(self) -> Filter:
        return Filter(self.subject, self.sources, self.since, self.until, PURPOSE)


@dataclass(frozen=True)
class Passage:
    """One answer. ``found_by`` says at which place each ranking has it."""

    chunk: str
    score: float
    found_by: dict[str, int]
    kind: str
    title: str | None
    text: str
    time: datetime | None
    source: str
    export: str
    language: str | None
    author: str | None
    event: str

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "time": self.time.isoformat() if self.time else None}


def search(stores: Stores, asked: Search) -> list[Passage]:
    """The ``k`` best passages; FORGE-INDEX-MISSING where nothing is indexed yet, FORGE-INDEX-MODEL where the index
    was made by another encoder than the settings name."""
    if not asked.words.strip():
        raise UsageError("FORGE-SEARCH-EMPTY", "There is nothing to search for.", fix="Give some words.")
    if not stores.database.exists(keys.table(keys.DOCUMENT_VECTORS)) or stores.vectors.space(SPACE) is None:
        raise ForgeError(
            "FORGE-INDEX-MISSING",
            "No text is indexed yet.",
            "embeddings/documents was not built: there is no text, or no consent to understand it.",
            "Build it with `forge build embeddings/documents`; `forge status` says why it may wait.",
        )
    rankings = ranked(stores, asked.words, asked.filter())
    return _passages(stores, fused(rankings, WEIGHTS), rankings)[: asked.k]


def ranked(stores: Stores, words: str, filter: Filter, depth: int = DEPTH) -> dict[str, list[str]]:
    """Ids of passages, the best first: by meaning, by words, and by meaning with what those two found."""
    identity, vector = _vector(stores, words)

    def near(vector: np.ndarray) -> list[str]:
        return [hit.id for hit in stores.vectors.search(SPACE, vector, depth, filter, identity)]

    found = {"meaning": near(vector), "words": by_words(stores, words, filter, depth)}
    mean = stores.vectors.mean(SPACE, [one for one, _ in fused(found, WEIGHTS)[:FEEDBACK]])
    return found if mean is None else {**found, "feedback": near(vector + mean)}


def _vector(stores: Stores, words: str) -> tuple[str, np.ndarray]:
    """The encoder's identity and its vector (d,) float32 of ``words``."""
    # both from the cache where they are: a search that was made before needs no encoder in memory
    identity, vector = stores.cache.get_or(
        "intermediate",
        ("query vector", finding.label(stores.settings.text_encoder), words),
        lambda: [stores.encoder.identity, np.asarray(stores.encoder.encode_one(words), np.float64).tolist()],
    )
    return identity, np.asarray(vector, np.float32)


def by_words(stores: Stores, words: str, filter: Filter, depth: int = DEPTH) -> list[str]:
    """Ids of passages by the words they share with ``words``, the best first."""
    with stores.database.transaction() as connection:
        allowed = Words.read(connection, filter.purpose) if filter.purpose else None
        return lexical.nearest(
            connection, lexical.weighed(connection, words), depth, condition(filter, allowed)
        )


def _passages(
    stores: Stores, best: Sequence[tuple[str, float]], rankings: dict[str, list[str]]
) -> list[Passage]:
    """What stands behind the ids; the same text, such as a letter to many, answers once."""
    found = {
        row[0]: row[1:]
        for row in stores.database.rows(
            "select distinct on (hash, source) chunk_id, kind, title, text, time, source, export, language, author,"
            " event_id::text"
            " from features.chunks join unnest(%s::text[]) with ordinality asked (chunk_id, place) using (chunk_id)"
            " order by hash, source, place",
            ([chunk for chunk, _ in best],),
        )
    }
    return [
        Passage(
            chunk, score, {name: ids.index(chunk) + 1 for name, ids in rankings.items() if chunk in ids}, *found[chunk]
        )
        for chunk, score in best
        if chunk in found  # it may have left since it was indexed
    ]  # fmt: skip
