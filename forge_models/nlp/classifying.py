"""Texts to classes, in three tiers: words counted, a frozen encoder beside them, and the encoder fine-tuned.

All are the same to use: ``probabilities(texts)`` is (n, classes) float64, rows sum to 1. A text without words has the
classes' shares of the training rows: nothing was said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forge_core.errors import ForgeError
from forge_models.encoder import DEFAULT
from forge_models.encoder.text_encoder import batches
from forge_models.family import TrainingRun
from forge_models.nlp.encoding import TOKENS, Check, LayeredEncoder, described, frozen
from forge_models.nlp.linear import Vocabulary, log_count_ratio, logistic, softmax
from forge_models.nlp.texts import has_words

FOLDS = 5  # the counts' opinion of a training row is asked of counts that did not see it
LEAST = 20  # rows, of two classes with five each: below, no boundary means anything
LEAST_OF_A_CLASS = 5
Report = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Classifier:
    """``classes`` in the order of the columns; ``prior`` (classes,) float64: their shares in training."""

    classes: tuple[str, ...]
    prior: np.ndarray
    config: Mapping[str, Any]
    report: Report = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    kind: ClassVar[str] = ""

    def probabilities(self, texts: Sequence[str], check: Check | None = None) -> np.ndarray:
        found = np.tile(self.prior, (len(texts), 1))
        speaking = [i for i, text in enumerate(texts) if has_words(text)]
        if speaking:
            found[speaking] = softmax(self.logits([texts[i] for i in speaking], check).astype(np.float64))
        return found

    def logits(self, texts: Sequence[str], check: Check | None = None) -> np.ndarray:
        raise NotImplementedError


@dataclass(frozen=True)
class MajorityClassifier(Classifier):
    """Always the shares of the classes: what a model must beat, whatever the data."""

    kind: ClassVar[str] = "majority"

    def logits(self, texts: Sequence[str], check: Check | None = None) -> np.ndarray:
        return np.tile(np.log(np.maximum(self.prior, 1e-9)), (len(texts), 1))


@dataclass(frozen=True, kw_only=True)
class WordClassifier(Classifier):
    """NB-SVM: ``weights`` (classes, terms) float32 of the TF-IDF, ``bias`` (classes,)."""

    vocabulary: Vocabulary
    weights: np.ndarray
    bias: np.ndarray
    kind: ClassVar[str] = "words"

    def logits(self, texts: Sequence[str], check: Check | None = None) -> np.ndarray:
        found: np.ndarray = self.vocabulary.tfidf(texts) @ self.weights.T + self.bias
        return found


@dataclass(frozen=True, kw_only=True)
class FrozenClassifier(Classifier):
    """Means of ``layers`` of a frozen encoder, and what the counts say: ``weights`` (classes, features + classes)."""

    encoder: str
    identity: str
    layers: tuple[int, ...]
    words: WordClassifier
    weights: np.ndarray
    bias: np.ndarray
    kind: ClassVar[str] = "frozen"

    def logits(self, texts: Sequence[str], check: Check | None = None) -> np.ndarray:
        pooled = encoder_of(self.encoder, self.identity).pooled(texts, self.layers, check=check)
        return self.from_pooled(pooled, texts)

    def from_pooled(self, pooled: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Logits where the layers of the texts are at hand, (n, layers, d) as ``LayeredEncoder.pooled`` gives them."""
        features = np.column_stack([pooled.reshape(len(texts), -1), centred(self.words.logits(texts))])
        found: np.ndarray = features @ self.weights.T + self.bias
        return found


@dataclass(frozen=True, kw_only=True)
class TunedClassifier(Classifier):
    """An encoder of its own: ``tensors`` by the names of the model's file; ``mix`` of layers, ``head`` and ``bias``."""

    encoder: str
    identity: str
    tensors: Mapping[str, np.ndarray]
    mix: np.ndarray
    head: np.ndarray
    bias: np.ndarray
    kind: ClassVar[str] = "tuned"
    _own: list[LayeredEncoder] = field(default_factory=list, compare=False, repr=False)

    def logits(self, texts: Sequence[str], check: Check | None = None) -> np.ndarray:
        require_encoder(self.encoder, self.identity)
        if not self._own:
            self._own.append(LayeredEncoder(described(self.encoder), self.tensors))
        encoder, found = self._own[0], np.zeros((len(texts), len(self.classes)), np.float32)
        ids = encoder.token_ids(texts, int(self.config.get("tokens", 96)))
        for batch in batches([len(one) for one in ids], TOKENS):
            if check:
                check()
            hidden = encoder.hidden([ids[i] for i in batch], range(encoder.layers + 1))
            lengths = np.array([len(ids[i]) for i in batch])
            share = (np.arange(hidden[0].shape[1]) < lengths[:, None]) / lengths[:, None]
            mean = sum(m * np.einsum("bld,bl->bd", h, share) for m, h in zip(self.mix, hidden, strict=True))
            found[batch] = mean @ self.head.T + self.bias
        return found


def fit_words(texts: Sequence[str], labels: Sequence[str], config: Mapping[str, Any]) -> WordClassifier:
    """``config``: ``strength`` (the inverse of the penalty)."""
    classes, codes, prior = coded(labels)
    vocabulary, weights, bias = _words(texts, codes, len(classes), float(config["strength"]))
    report = {"fit": [{"texts": len(texts), "terms": len(vocabulary.terms), "classes": len(classes)}]}
    return WordClassifier(classes, prior, config, report, vocabulary=vocabulary, weights=weights, bias=bias)


def fit_frozen(
    texts: Sequence[str],
    labels: Sequence[str],
    config: Mapping[str, Any],
    run: TrainingRun,
    encoder: str = DEFAULT,
    pooled: np.ndarray | None = None,
) -> FrozenClassifier:
    """``config``: ``strength``, ``word_strength``, ``layers`` (how many, from the last). ``pooled``: where known."""
    classes, codes, prior = coded(labels)
    known = frozen(encoder)
    layers = layers_of(known, int(config["layers"]))
    if pooled is None:
        pooled = known.pooled(texts, layers, check=stopper(run))
    strength = float(config["word_strength"])
    opinion = np.zeros((len(texts), len(classes)), np.float32)
    fold = np.random.default_rng(run.seed).permutation(len(texts)) % FOLDS
    for number in range(FOLDS):
        held, kept = np.flatnonzero(fold == number).tolist(), np.flatnonzero(fold != number).tolist()
        vocabulary, weights, bias = _words([texts[i] for i in kept], codes[kept], len(classes), strength)
        opinion[held] = vocabulary.tfidf([texts[i] for i in held]) @ weights.T + bias
    words = fit_words(texts, labels, {"strength": strength})
    features = np.column_stack([pooled.reshape(len(texts), -1), centred(opinion)])
    weights, bias = logistic(features, codes, len(classes), float(config["strength"]))
    row = {"texts": len(texts), "layers": len(layers), "terms": len(words.vocabulary.terms)}
    return FrozenClassifier(
        classes, prior, config, {"fit": [row]}, encoder=encoder, identity=known.identity, layers=layers, words=words,
        weights=weights, bias=bias,
    )  # fmt: skip


def fit_tuned(
    texts: Sequence[str],
    labels: Sequence[str],
    config: Mapping[str, Any],
    run: TrainingRun,
    encoder: str = DEFAULT,
) -> TunedClassifier:
    """``config`` as ``finetuning.tune`` reads it."""
    from forge_models.nlp.finetuning import tune

    classes, codes, prior = coded(labels)
    tuned = tune(encoder, texts, codes, len(classes), config, run)
    return TunedClassifier(
        classes, prior, config, tuned.report, tuned.history, encoder=encoder, identity=described(encoder).identity,
        tensors=tuned.weights, mix=tuned.mix, head=tuned.head, bias=tuned.bias,
    )  # fmt: skip


def fit_majority(labels: Sequence[str]) -> MajorityClassifier:
    classes, _, prior = coded(labels)
    return MajorityClassifier(classes, prior, {})


def layers_of(encoder: LayeredEncoder, count: int) -> tuple[int, ...]:
    """The last ``count`` layers, as many as there are."""
    return tuple(range(max(0, encoder.layers + 1 - count), encoder.layers + 1))


def centred(logits: np.ndarray) -> np.ndarray:
    """(n, classes), rows of mean 0: logits mean nothing but by their differences."""
    found: np.ndarray = logits - logits.mean(axis=1, keepdims=True)
    return found


def encoder_of(name: str, identity: str) -> LayeredEncoder:
    require_encoder(name, identity)
    return frozen(name)


def require_encoder(name: str, identity: str) -> None:
    """Refuse features of another encoder than the one that was learned on."""
    if described(name).identity != identity:
        raise ForgeError(
            "FORGE-NLP-ENCODER",
            "The text encoder is not the one that this model was trained with.",
            "Its weights, its tokeniser or its settings changed.",
            "Train the nlp family again: forge build nlp.",
        )


def stopper(run: TrainingRun) -> Check:
    """Raises between batches when the run was cancelled."""

    def check() -> None:
        if run.cancelled():
            raise ForgeError("FORGE-NLP-CANCELLED", "The fit was cancelled.")

    return check


def _words(
    texts: Sequence[str], codes: np.ndarray, classes: int, strength: float
) -> tuple[Vocabulary, np.ndarray, np.ndarray]:
    vocabulary = Vocabulary.fit(texts)
    weights = np.zeros((classes, len(vocabulary.terms)), np.float32)
    bias = np.zeros(classes, np.float32)
    if not vocabulary.terms:
        return vocabulary, weights, bias
    tfidf = vocabulary.tfidf(texts)
    ratio = log_count_ratio(vocabulary.counts(texts), codes, classes)
    for number in range(classes) if classes > 2 else (1,):
        own, at = logistic(tfidf * ratio[number][None, :], (codes == number).astype(np.int64), 2, strength)
        weights[number], bias[number] = own[1] * ratio[number], at[1] - at[0]
    return vocabulary, weights, bias


def coded(labels: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Classes in order, the code of each label, and the shares; refuses what no boundary can be drawn through."""
    classes, codes, counts = np.unique(np.asarray(labels, object), return_inverse=True, return_counts=True)
    enough = len(classes) >= 2 and len(labels) >= LEAST and counts.min() >= LEAST_OF_A_CLASS
    if not enough:
        raise ForgeError(
            "FORGE-NLP-LABELS",
            "There is not enough labelled text to learn classes from.",
            f"It needs {LEAST} texts of two classes, {LEAST_OF_A_CLASS} of each; there are {len(labels)} of"
            f" {len(classes)} classes, {int(counts.min(initial=len(labels)))} of the rarest.",
            "Add labelled text, or take the sets that ship with Forge.",
        )
    return tuple(map(str, classes)), codes.astype(np.int64), counts / counts.sum()
