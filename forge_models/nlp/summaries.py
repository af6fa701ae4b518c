"""Extractive summaries: which sentences, or turns of a conversation, tell most of a text.

``lead`` takes the first ones, which is hard to beat. ``ranked`` scores a sentence by what is
known of it: its place, its length, how near it is to the whole text (by the encoder's vectors and by words; Radev et
al. 2004). ``network`` adds the vectors themselves (summaries_net.py). Both choose by
maximal marginal relevance (Carbonell and Goldstein 1998): a sentence that repeats one already chosen counts less.
What they learn from are references where there are any, and titles of letters and documents where not.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forge_core.errors import ForgeError
from forge_models.encoder import DEFAULT
from forge_models.family import TrainingRun
from forge_models.nlp import rouge
from forge_models.nlp.classifying import Report, encoder_of, stopper
from forge_models.nlp.encoding import Check, frozen
from forge_models.nlp.texts import SENTENCES, has_words, sentences, words

LEAST = 20  # texts with references
READ = 64  # tokens of a sentence
FEATURES = 12
COUNTS = (2, 3, 4)  # sentences of a summary that are tried where none is set
ROUNDS = 5
TURNS = 4  # lines from which on a text is a conversation, whose lines are its sentences


@dataclass(frozen=True)
class Summariser:
    """``chosen(units)``: places of the sentences that make the summary, in the text's order."""

    config: Mapping[str, Any]
    report: Report = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    kind: ClassVar[str] = "lead"

    def chosen(self, texts: Sequence[Sequence[str]], check: Check | None = None) -> list[list[int]]:
        """``texts`` in units, as ``units`` gives them; at most ``sentences`` of the config for each."""
        return [list(range(min(int(self.config["sentences"]), len(one)))) for one in texts]


@dataclass(frozen=True, kw_only=True)
class RankedSummariser(Summariser):
    """``weights`` (FEATURES,) of the standardised features; ``mean`` and ``deviation`` (FEATURES,) of training."""

    encoder: str
    identity: str
    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray
    kind: ClassVar[str] = "ranked"

    def scores(self, features: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """(sentences,): how much of the reference each is thought to hold."""
        found: np.ndarray = ((features - self.mean) / self.deviation) @ self.weights
        return found

    def chosen(self, texts: Sequence[Sequence[str]], check: Check | None = None) -> list[list[int]]:
        count, repeat = int(self.config["sentences"]), float(self.config["repetition"])
        long = [i for i, one in enumerate(texts) if len(one) > count]
        found = [list(range(len(one))) for one in texts]
        flat = [sentence for i in long for sentence in texts[i]]
        vectors = _vectors(self.encoder, self.identity, flat, check)
        start = 0
        for i in long:
            own = vectors[start : start + len(texts[i])]
            start += len(own)
            found[i] = relevant(self.scores(features(texts[i], own), own), own, count, repeat)
        return found


def units(text: str) -> list[str]:
    """A conversation's turns, or a text's sentences; those without words are none."""
    lines = [line.strip() for line in text[: 10 * SENTENCES * 100].splitlines() if has_words(line)]
    return lines[:SENTENCES] if len(lines) >= TURNS else sentences(text)


def relevant(scores: np.ndarray, vectors: np.ndarray, count: int, repetition: float) -> list[int]:
    """Maximal marginal relevance: places in order. ``repetition``: what likeness to a chosen one costs (deviations)."""
    left, taken = np.ones(len(scores), bool), list[int]()
    spread = float(scores.std()) or 1.0
    near = np.zeros(len(scores))
    while left.any() and len(taken) < count:
        value = np.where(left, scores / spread - repetition * near, -np.inf)
        best = int(value.argmax())
        taken.append(best)
        left[best] = False
        near = np.maximum(near, vectors @ vectors[best])
    return sorted(taken)


def features(text: Sequence[str], vectors: np.ndarray) -> np.ndarray:
    """(sentences, FEATURES) float64; ``vectors`` (sentences, d) of length 1."""
    n = len(text)
    place = np.arange(n)
    cosine = vectors @ vectors.T
    own = [set(words(one)) for one in text]
    counts: dict[str, int] = {}
    for some in own:
        for word in some:
            counts[word] = counts.get(word, 0) + 1
    shared = np.array([np.mean([counts[w] / n for w in some]) if some else 0.0 for some in own])
    lengths = np.array([len(words(one)) for one in text], np.float64)
    centre = vectors.mean(axis=0)
    return np.column_stack([
        1.0 / (1.0 + place), place == 0, place == 1, place / max(1, n - 1), place == n - 1,
        np.log1p(lengths), lengths / max(1.0, lengths.max()), vectors @ centre / max(1e-9, np.linalg.norm(centre)),
        (cosine.sum(axis=1) - 1.0) / max(1, n - 1), shared, [("?" in one) for one in text],
        [sum(c.isupper() or c.isdigit() for c in one) / max(1, len(one)) for one in text],
    ]).astype(np.float64)  # fmt: skip


def fit_lead(config: Mapping[str, Any]) -> Summariser:
    return Summariser(config)


def fit_ranked(
    texts: Sequence[str],
    references: Sequence[str],
    config: Mapping[str, Any],
    run: TrainingRun,
    encoder: str = DEFAULT,
) -> RankedSummariser:
    """``config``: ``sentences`` of a summary (0: chosen), ``repetition``, ``ridge``.

    A ridge regression on sentences is where the search begins, or the first sentences, whichever are better.
    """
    known, X, y, vectors = learned_from(texts, references, run, encoder)
    mean, deviation = X.mean(axis=0), np.maximum(X.std(axis=0), 1e-6)
    Z = (X - mean) / deviation
    ridge = np.linalg.solve(Z.T @ Z + float(config["ridge"]) * np.eye(FEATURES), Z.T @ (y - y.mean()))
    told = _pairs(texts, references)
    edges = np.cumsum([0, *(len(own) for own, _ in told)])
    cut = [slice(a, b) for a, b in itertools.pairwise(edges.tolist())]
    cases = [
        Case(Z[at], vectors[at], [rouge.words(one) for one in own], rouge.words(said))
        for at, (own, said) in zip(cut, told, strict=True)
    ]
    counts = [int(config["sentences"])] if int(config["sentences"]) else COUNTS
    best = (-1.0, counts[0], ridge)
    for count in counts:
        chosen = {**config, "sentences": count}
        starts = [_unit(ridge), np.eye(FEATURES)[0], _unit(_unit(ridge) + np.eye(FEATURES)[0])]
        reached = max((value_of(cases, one, chosen), at) for at, one in enumerate(starts))[1]
        value, weights = climb(cases, starts[reached], chosen)
        if value > best[0]:
            best = (value, count, weights)
    row = {"texts": len(told), "sentences": len(X), "chosen": best[1], "training_rouge": best[0]}
    return RankedSummariser(
        {**config, "sentences": best[1]}, {"fit": [row]}, encoder=encoder, identity=known, mean=mean,
        deviation=deviation, weights=best[2],
    )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A training text: standardised features, vectors, the words of its sentences, and those of its reference."""

    features: np.ndarray
    vectors: np.ndarray
    words: Sequence[Sequence[str]]
    reference: Sequence[str]


def value_of(cases: Sequence[Case], weights: np.ndarray, config: Mapping[str, Any]) -> float:
    """The mean of ROUGE-1 and ROUGE-2 of the summaries that ``weights`` choose."""
    total = 0.0
    for case in cases:
        scores = case.features @ weights
        places = relevant(scores, case.vectors, int(config["sentences"]), float(config["repetition"]))
        said = [word for place in places for word in case.words[place]]
        total += sum(rouge.overlap(said, case.reference, n) for n in (1, 2))
    return total / (2 * len(cases))


def climb(cases: Sequence[Case], weights: np.ndarray, config: Mapping[str, Any]) -> tuple[float, np.ndarray]:
    """Coordinate ascent of the summaries' own ROUGE, which is flat nearly everywhere and has no gradient."""
    best, step = value_of(cases, weights, config), 0.5
    for _ in range(ROUNDS):
        before = best
        for place in range(FEATURES):
            for way in (step, -step):
                moved = weights.copy()
                moved[place] += way
                value = value_of(cases, moved, config)
                if value > best + 1e-6:
                    best, weights = value, moved
                    break
        step /= 2 if best <= before + 1e-4 else 1
    return best, weights


def _unit(weights: np.ndarray) -> np.ndarray:
    found: np.ndarray = weights / max(1e-9, float(np.linalg.norm(weights)))
    return found


def _pairs(texts: Sequence[str], references: Sequence[str]) -> list[tuple[list[str], str]]:
    """Those that say something to learn from, in units: several sentences, and a reference with words."""
    found = [(units(text), said) for text, said in zip(texts, references, strict=True)]
    return [(own, said) for own, said in found if len(own) > 1 and has_words(said)]


def learned_from(
    texts: Sequence[str], references: Sequence[str], run: TrainingRun, encoder: str
) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """The encoder's identity, features (n, FEATURES), targets (n,) and vectors (n, d) of all sentences.

    The target is the sentence's ROUGE-1 and ROUGE-2 with the reference, in units of the text's mean.
    """
    pairs = _pairs(texts, references)
    if len(pairs) < LEAST:
        raise ForgeError(
            "FORGE-NLP-SUMMARIES",
            "There are not enough texts with a title or a summary to learn from.",
            f"It needs {LEAST}; there are {len(pairs)}.",
        )
    known = frozen(encoder)
    vectors = _vectors(encoder, known.identity, [one for own, _ in pairs for one in own], stopper(run))
    X, y, start = [], [], 0
    for own, said in pairs:
        X.append(features(own, vectors[start : start + len(own)]))
        start += len(own)
        b = rouge.words(said)
        y.append([sum(rouge.overlap(rouge.words(one), b, n) for n in (1, 2)) for one in own])
    return known.identity, np.concatenate(X), np.concatenate(y), vectors


def _vectors(name: str, identity: str, flat: Sequence[str], check: Check | None) -> np.ndarray:
    known = encoder_of(name, identity)
    return known.pooled(flat, (known.layers,), READ, check)[:, 0]
