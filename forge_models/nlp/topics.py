"""What texts are about: groups of their vectors. Two ways to group here; the network is in topics_net.py.

``clusters``: the encoder's vectors without what all texts share, reduced by PCA, grouped by spherical k-means.
``word_clusters``: the same on TF-IDF reduced by a truncated SVD, the baseline. A model is judged by how much better the
words of a later text are foretold by its topic than by all texts together (``word_gain``, nats a word): topics that say
nothing of the words to come gain nothing.

A model keeps no word of anybody: words are places of a hash. Names are made of the texts that are told of (naming.py).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forge_core.errors import ForgeError
from forge_models.encoder import DEFAULT
from forge_models.family import TrainingRun
from forge_models.nlp import clustering
from forge_models.nlp.classifying import Report, encoder_of, stopper
from forge_models.nlp.encoding import Check, frozen
from forge_models.nlp.texts import has_words, words

PLACES = 16_384  # of the hash of words
READ = 128  # tokens of a text
COUNTS = (4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40)
PER_TOPIC = 10  # texts there must be for each, on average
LEAST = 60  # texts: below, groups are chance
DIMS = 48  # of the reduction
SMOOTH = 500.0  # words of all texts that every topic is given (Dirichlet smoothing; Zhai and Lafferty 2004)
NONE = -1  # the topic of a text without words


@dataclass(frozen=True)
class TopicModel:
    """``ids`` (k,) of the topics; ``counts`` (k, PLACES) float32: words of their training texts, by hash."""

    ids: tuple[int, ...]
    centroids: np.ndarray  # (k, d) float32, in the space that ``vectors`` gives
    counts: np.ndarray
    sizes: np.ndarray  # (k,) int64: training texts
    config: Mapping[str, Any]
    report: Report = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    kind: ClassVar[str] = ""

    def vectors(
        self, texts: Sequence[str], check: Check | None = None, pooled: np.ndarray | None = None
    ) -> np.ndarray:
        """(n, d) float32 in the space of the centroids; ``pooled`` (n, dims): the encoder's, where they are known."""
        raise NotImplementedError

    def assign(
        self, texts: Sequence[str], check: Check | None = None, pooled: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The row of each text's topic, int64 (n,), ``NONE`` without words; and how near it is, 0 to 1."""
        rows, near = np.full(len(texts), NONE), np.zeros(len(texts))
        spoken = np.array([has_words(text) for text in texts], bool)
        if spoken.any():
            some = None if pooled is None else pooled[spoken]
            chosen = [text for text, yes in zip(texts, spoken, strict=True) if yes]
            rows[spoken], near[spoken] = clustering.assign(self.vectors(chosen, check, some), self.centroids)
        return rows, np.clip(near, 0.0, 1.0)

    def word_gain(self, texts: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """(n,) float64: mean over a text's words of ln p(word | topic) - ln p(word); 0 without words or topic."""
        whole = self.counts.sum(axis=0).astype(np.float64) + 0.01
        share = whole / whole.sum()
        inside = (self.counts + SMOOTH * share) / (self.counts.sum(axis=1, keepdims=True) + SMOOTH)
        gain = np.log(inside / share)
        found = np.zeros(len(texts))
        for i, (text, row) in enumerate(zip(texts, rows, strict=True)):
            places = hashed(text)
            if row != NONE and len(places):
                found[i] = gain[row, places].mean()
        return found


@dataclass(frozen=True, kw_only=True)
class ClusterTopics(TopicModel):
    """On the encoder's vectors: ``mean`` (dims,) is taken off, ``components`` (d, dims) reduce."""

    encoder: str
    identity: str
    mean: np.ndarray
    components: np.ndarray
    kind: ClassVar[str] = "clusters"

    def vectors(
        self, texts: Sequence[str], check: Check | None = None, pooled: np.ndarray | None = None
    ) -> np.ndarray:
        known = encoder_of(self.encoder, self.identity)
        if pooled is None:
            pooled = known.pooled(texts, (known.layers,), READ, check)[:, 0]
        return clustering.normal((pooled - self.mean) @ self.components.T)


@dataclass(frozen=True, kw_only=True)
class WordTopics(TopicModel):
    """On TF-IDF of hashed words: ``idf`` (PLACES,), ``components`` (d, PLACES)."""

    idf: np.ndarray
    components: np.ndarray
    kind: ClassVar[str] = "word_clusters"

    def vectors(
        self, texts: Sequence[str], check: Check | None = None, pooled: np.ndarray | None = None
    ) -> np.ndarray:
        return clustering.normal(_tfidf(texts, self.idf) @ self.components.T)


def fit_clusters(
    texts: Sequence[str],
    config: Mapping[str, Any],
    run: TrainingRun,
    encoder: str = DEFAULT,
    before: TopicModel | None = None,
    pooled: np.ndarray | None = None,
) -> ClusterTopics:
    """``config``: ``topics`` (0: chosen), ``dims``. ``before``: whose ids go on; ``pooled``: vectors, where known."""
    texts, pooled = _spoken(texts, pooled)
    known = frozen(encoder)
    if pooled is None:
        pooled = known.pooled(texts, (known.layers,), READ, stopper(run))[:, 0]
    mean = pooled.mean(axis=0)
    components = _principal(pooled - mean, int(config["dims"]))
    space = clustering.normal((pooled - mean) @ components.T)
    centroids, table = _centroids(space, config, run.seed)
    return ClusterTopics(
        **_common(texts, space, centroids, config, table, before), encoder=encoder,
        identity=known.identity, mean=mean, components=components,
    )  # fmt: skip


def fit_words(
    texts: Sequence[str], config: Mapping[str, Any], run: TrainingRun, before: TopicModel | None = None
) -> WordTopics:
    """``config`` as of ``fit_clusters``; ``learned`` False: texts drawn at random are the centroids."""
    from forge_models.selection import reduce_sparse

    texts, _ = _spoken(texts, None)
    counted = np.zeros(PLACES)
    for text in texts:
        counted[np.unique(hashed(text))] += 1
    idf = np.log((1 + len(texts)) / (1 + counted)).astype(np.float32)
    components = reduce_sparse(_tfidf(texts, idf), int(config["dims"]), run.seed).components.astype(
        np.float32
    )
    space = clustering.normal(_tfidf(texts, idf) @ components.T)
    centroids, table = _centroids(space, config, run.seed)
    return WordTopics(
        **_common(texts, space, centroids, config, table, before), idf=idf, components=components
    )


def hashed(text: str) -> np.ndarray:
    """The place of each word of at least three letters, int64, with repeats."""
    found = [zlib.crc32(word.encode("utf-8", "replace")) % PLACES for word in words(text) if len(word) > 2]
    return np.array(found, np.int64)


def word_counts(texts: Sequence[str], rows: np.ndarray, k: int) -> np.ndarray:
    """(k, PLACES) float32: how often each word stands in the texts of each topic."""
    found = np.zeros((k, PLACES), np.float32)
    for text, row in zip(texts, rows, strict=True):
        if row != NONE:
            np.add.at(found[row], hashed(text), 1.0)
    return found


def word_centroids(counts: np.ndarray) -> np.ndarray:
    """(k, PLACES) float32: each topic's class-based TF-IDF, of length 1. By these, topics of two runs are compared:
    they mean the same whatever the encoder, the reduction and the candidate were."""
    whole = counts.sum(axis=0)
    average = whole.sum() / max(1, len(counts))
    weighed = np.sqrt(counts) * np.log1p(average / np.maximum(whole, 1.0))
    return clustering.normal(weighed).astype(np.float32)


def _spoken(texts: Sequence[str], pooled: np.ndarray | None) -> tuple[list[str], np.ndarray | None]:
    kept = [i for i, text in enumerate(texts) if has_words(text)]
    different = len({texts[i] for i in kept})
    if different < LEAST:
        raise ForgeError(
            "FORGE-NLP-TOPICS",
            "There is not enough text to find topics in.",
            f"It needs {LEAST} different texts with words; there are {different}.",
            "Ingest more mail, chats or documents.",
        )
    return [texts[i] for i in kept], None if pooled is None else pooled[kept]


def _centroids(
    space: np.ndarray, config: Mapping[str, Any], seed: int
) -> tuple[np.ndarray, list[dict[str, float]]]:
    if not config.get("learned", True):
        return clustering.drawn(space, int(config["topics"]), seed), []
    if int(config["topics"]):
        return clustering.k_means(space, int(config["topics"]), seed), []
    return clustering.choose(space, [k for k in COUNTS if k * PER_TOPIC <= len(space)] or [2], seed)


def _common(
    texts: Sequence[str],
    space: np.ndarray,
    centroids: np.ndarray,
    config: Mapping[str, Any],
    table: list[dict[str, float]],
    before: TopicModel | None,
) -> dict[str, Any]:
    rows = clustering.assign(space, centroids)[0]
    counts = word_counts(texts, rows, len(centroids))
    old = word_centroids(before.counts) if before else np.zeros((0, PLACES), np.float32)
    return {
        "ids": tuple(clustering.matched(word_centroids(counts), old, before.ids if before else ())),
        "centroids": centroids.astype(np.float32),
        "counts": counts,
        "sizes": np.bincount(rows, minlength=len(centroids)).astype(np.int64),
        "config": dict(config),
        "report": {"topics": [{"texts": len(texts), "topics": len(centroids)}], "counts_tried": table},
    }


def _principal(centred: np.ndarray, dims: int) -> np.ndarray:
    """(d, features) float32, from the covariance: the signs are fixed, so that a run repeats."""
    values, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(centred))
    chosen = directions[:, np.argsort(-values)[: min(dims, len(values))]].T
    sign = np.sign(chosen[np.arange(len(chosen)), np.abs(chosen).argmax(axis=1)])
    found: np.ndarray = (chosen * sign[:, None]).astype(np.float32)
    return found


def _tfidf(texts: Sequence[str], idf: np.ndarray) -> Any:
    import scipy.sparse as sp

    from forge_models.nlp.linear import unit_rows

    places = [hashed(text) for text in texts]
    indptr = np.concatenate([[0], np.cumsum([len(one) for one in places])]).astype(np.int64)
    indices = np.concatenate([*places, np.zeros(0, np.int64)])
    found = sp.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(len(texts), PLACES))
    found.sum_duplicates()
    found.data = (1.0 + np.log(found.data)) * idf[found.indices]
    return unit_rows(found)
