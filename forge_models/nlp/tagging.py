"""Names in tokenised text: counts of words, and a linear model on a frozen encoder. The network is in tagging_net.py.

All are the same to use: ``tags(sentences)`` gives BIO tags per word. What a word looks like goes beside what the
encoder says of it, since the encoder reads no capitals: hashes of the word, of its first and last letters, and its
shape.
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
from forge_models.nlp import spans
from forge_models.nlp.classifying import Report, encoder_of, stopper
from forge_models.nlp.encoding import Check, frozen

HASHES = (8192, 4096, 4096, 512, 128)  # word, first three letters, last three, shape, how it is written
LOOKS = 11
LEAST_SENTENCES, LEAST_NAMES = 30, 20
SCALES, BOLDNESS = (6.0, 12.0, 24.0), (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # tried for the linear model
CONTEXT = 4096  # words of a document that are read at a time


@dataclass(frozen=True)
class Tagger:
    """``tags`` in the order of all arrays; ``start`` and ``transitions`` in logarithms, what is not allowed -1e4."""

    labels: tuple[str, ...]
    start: np.ndarray
    transitions: np.ndarray
    config: Mapping[str, Any]
    report: Report = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    kind: ClassVar[str] = ""

    def emissions(self, sentences: Sequence[Sequence[str]], check: Check | None = None) -> list[np.ndarray]:
        """(words, tags) per sentence, in logarithms up to a constant."""
        raise NotImplementedError

    def tags(self, sentences: Sequence[Sequence[str]], check: Check | None = None) -> list[list[str]]:
        pieces = [(i, at) for i, words in enumerate(sentences) for at in range(0, len(words), CONTEXT)]
        found = self.emissions([sentences[i][at : at + CONTEXT] for i, at in pieces], check)
        out: list[list[str]] = [[] for _ in sentences]
        for (i, _), rows in zip(pieces, found, strict=True):
            path = spans.viterbi(rows.astype(np.float64), self.start, self.transitions)
            out[i] += [self.labels[tag] for tag in path]
        return out


@dataclass(frozen=True, kw_only=True)
class LexiconTagger(Tagger):
    """A hidden Markov model: what tags a word had in training; an unknown one, what words of its shape had."""

    words: tuple[str, ...]
    word_scores: np.ndarray  # (words, tags)
    shape_scores: np.ndarray  # (HASHES[3], tags)
    kind: ClassVar[str] = "lexicon"

    def emissions(self, sentences: Sequence[Sequence[str]], check: Check | None = None) -> list[np.ndarray]:
        place = {word: number for number, word in enumerate(self.words)}
        out = []
        for words in sentences:
            rows = self.shape_scores[[looks_of(word)[3] for word in words]].reshape(len(words), -1).copy()
            for at, word in enumerate(words):
                known = place.get(word.lower())
                if known is not None:
                    rows[at] = self.word_scores[known]
            out.append(rows)
        return out


@dataclass(frozen=True, kw_only=True)
class LinearTagger(Tagger):
    """Ridge regression on a word's vectors and looks, those of its neighbours too: ``weights`` (features, tags)."""

    encoder: str
    identity: str
    layers: tuple[int, ...]
    weights: np.ndarray
    scale: float
    kind: ClassVar[str] = "linear"

    def emissions(self, sentences: Sequence[Sequence[str]], check: Check | None = None) -> list[np.ndarray]:
        encoder = encoder_of(self.encoder, self.identity)
        vectors = dict(encoder.words(sentences, self.layers, check=check))
        found = []
        for i, words in enumerate(sentences):
            rows = linear_features(vectors[i], words) @ self.weights if len(words) else no_words(self)
            rows[:, 0] -= float(self.config["boldness"])
            found.append(self.scale * rows)
        return found


def no_words(tagger: Tagger) -> np.ndarray:
    return np.zeros((0, len(tagger.labels)), np.float32)


def fit_lexicon(
    rows: Sequence[tuple[Sequence[str], Sequence[str]]], config: Mapping[str, Any]
) -> LexiconTagger:
    """``rows`` are (words, tags). ``config``: ``smoothing``, added to every count."""
    labels, coded, start, transitions = prepared(rows)
    n, add = len(labels), float(config["smoothing"])
    by_word: dict[str, np.ndarray] = {}
    by_shape, total = np.zeros((HASHES[3], n)), np.full(n, add)
    for (words, _), tags in zip(rows, coded, strict=True):
        for word, tag in zip(words, tags, strict=True):
            by_word.setdefault(word.lower(), np.zeros(n))[tag] += 1
            by_shape[looks_of(word)[3], tag] += 1
            total[tag] += 1
    prior = total / total.sum()
    known = tuple(sorted(by_word))

    def scores(
        counts: np.ndarray,
    ) -> np.ndarray:  # of a tag given the word, over the tag's own share: a likelihood
        shares = (counts + add * prior) / (counts.sum(axis=1, keepdims=True) + add)
        found: np.ndarray = np.log(np.maximum(shares / prior, 1e-9)).astype(np.float32)
        return found

    word_scores = scores(np.stack([by_word[word] for word in known]))
    report = {"fit": [{"sentences": len(rows), "words": len(known)}]}
    return LexiconTagger(
        labels, start, transitions, config, report, words=known, word_scores=word_scores,
        shape_scores=scores(by_shape),
    )  # fmt: skip


def fit_linear(
    rows: Sequence[tuple[Sequence[str], Sequence[str]]],
    config: Mapping[str, Any],
    run: TrainingRun,
    encoder: str = DEFAULT,
) -> LinearTagger:
    """``config``: ``ridge``, ``layers`` (places of the encoder's). The scale is chosen on held-back sentences."""
    labels, coded, start, transitions = prepared(rows)
    known = frozen(encoder)
    layers = tuple(sorted({min(int(layer), known.layers) for layer in config["layers"]}))
    vectors = dict(known.words([words for words, _ in rows], layers, check=stopper(run)))
    order = np.random.default_rng(run.seed).permutation(len(rows))
    held, kept = order[: len(rows) // 10], order[len(rows) // 10 :]
    gram, moment = _moments(rows, coded, vectors, kept, len(labels))
    ridge = float(config["ridge"]) * np.eye(len(gram))
    weights = np.linalg.solve(gram + ridge, moment).astype(np.float32)
    model = LinearTagger(
        labels, start, transitions, config, encoder=encoder, identity=known.identity, layers=layers, weights=weights,
        scale=1.0,
    )  # fmt: skip
    features = [linear_features(vectors[i], rows[i][0]) @ weights for i in held]
    scale, boldness = _best_scale(model, features, [rows[i][1] for i in held])
    more, moved = _moments(rows, coded, vectors, held, len(labels))
    weights = np.linalg.solve(gram + more + ridge, moment + moved).astype(np.float32)
    report = {"fit": [{"sentences": len(rows), "features": len(gram), "scale": scale, "boldness": boldness}]}
    config = {**config, "boldness": boldness}
    return LinearTagger(
        labels, start, transitions, config, report, encoder=encoder, identity=known.identity, layers=layers,
        weights=weights, scale=scale,
    )  # fmt: skip


def linear_features(vectors: np.ndarray, words: Sequence[str]) -> np.ndarray:
    """(words, features) float32: vectors and looks, and the looks of the words before and behind."""
    looks = np.array([written(word) for word in words], np.float32).reshape(len(words), LOOKS)
    before, behind = np.zeros_like(looks), np.zeros_like(looks)
    before[1:], behind[:-1] = looks[:-1], looks[1:]
    one = np.ones((len(words), 1), np.float32)
    first = np.zeros_like(one)
    first[:1] = 1.0
    return np.concatenate([vectors, looks, before, behind, first, one], axis=1)


def written(word: str) -> tuple[float, ...]:
    """How a word is written, as ``LOOKS`` figures."""
    head = word[:1]
    return (
        float(head.isupper()), float(word.isupper()), float(word.isupper() and len(word) > 1), float(word.islower()),
        float(any(c.isupper() for c in word[1:])), float(word.isdigit()), float(any(c.isdigit() for c in word)),
        float(head == "@"), float(head == "#"), float(not any(c.isalnum() for c in word)), min(len(word), 20) / 20,
    )  # fmt: skip


def looks_of(word: str) -> tuple[int, ...]:
    """A place in each table of ``HASHES``: the same on every machine."""
    lower = word.lower()
    shape, last = "", ""
    for c in word[:24]:
        now = "X" if c.isupper() else "x" if c.isalpha() else "9" if c.isdigit() else c
        if shape[-2:] != now * 2:
            shape += now
        last = now
    how = "".join(str(int(flag)) for flag in written(word)[:10]) + last
    keys = (lower, lower[:3], lower[-3:], shape, how)
    return tuple(
        zlib.crc32(key.encode("utf-8", "replace")) % size for key, size in zip(keys, HASHES, strict=True)
    )


def _moments(
    rows: Any, coded: Any, vectors: Any, chosen: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    gram: Any = 0.0
    moment: Any = 0.0
    for part in np.array_split(chosen, max(1, len(chosen) // 500)):
        X = np.concatenate([linear_features(vectors[i], rows[i][0]) for i in part]).astype(np.float64)
        Y = np.eye(n)[np.concatenate([coded[i] for i in part])]
        gram, moment = gram + X.T @ X, moment + X.T @ Y
    return gram, moment


def _best_scale(
    model: Tagger, features: Sequence[np.ndarray], gold: Sequence[Sequence[str]]
) -> tuple[float, float]:
    """By what the regression's shares are multiplied against the transitions, and what is taken off O before."""
    best = (-1.0, 8.0, 0.0)
    for boldness in BOLDNESS:
        for scale in SCALES:
            said = []
            for rows in features:
                weighed = scale * rows.astype(np.float64)
                weighed[:, 0] -= scale * boldness
                said.append([model.labels[t] for t in spans.viterbi(weighed, model.start, model.transitions)])
            best = max(best, (spans.f1(spans.outcomes(gold, said))[0], scale, boldness))
    return best[1], best[2]


def prepared(
    rows: Sequence[tuple[Sequence[str], Sequence[str]]],
) -> tuple[tuple[str, ...], list[np.ndarray], np.ndarray, np.ndarray]:
    """Labels, the codes of each sentence, and the counted start and transitions; refuses too little."""
    names = sum(tag.startswith("B-") for _, tags in rows for tag in tags)
    if len(rows) < LEAST_SENTENCES or names < LEAST_NAMES:
        raise ForgeError(
            "FORGE-NLP-NAMES",
            "There is not enough labelled text to learn names from.",
            f"It needs {LEAST_SENTENCES} sentences with {LEAST_NAMES} names; there are {len(rows)} with {names}.",
            "Take the set that ships with Forge, or one with more names.",
        )
    labels = spans.tag_set(tags for _, tags in rows)
    code = {tag: number for number, tag in enumerate(labels)}
    coded = [np.array([code[tag] for tag in tags], np.int64) for _, tags in rows]
    may_start, may_follow = spans.allowed(labels)
    start, transitions = spans.counted([c.tolist() for c in coded], len(labels), may_start, may_follow)
    return labels, coded, start, transitions
