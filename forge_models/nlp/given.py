"""Models of others as candidates: a Hugging Face model or a spaCy pipeline that the settings name (``models``).

What its labels mean here is learned from the training rows: each label of the model is the class, or the type of name,
that it meets most often there; what meets none is dropped. The artifact holds that table and the model's digest, not
its weights: a folder that has changed since is another model and is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from forge_core.errors import Refused
from forge_models.family import TrainingRun
from forge_models.nlp import texts
from forge_models.nlp.classifying import Check, Classifier, coded
from forge_models.nlp.pipelines import Kind, Label, Pipeline, load
from forge_models.nlp.tagging import Tagger, prepared

SPACY = "spacy:"  # before a name: a spaCy pipeline
LEARNED_FROM = 600  # training rows that the table of labels is made of
OTHERS = "O"


@lru_cache(2)
def pipeline(name: str, kind: Kind) -> Pipeline:
    """The model of that name, kept while it is used."""
    if name.startswith(SPACY):
        return load(name.removeprefix(SPACY), "spacy")
    return load(name, kind)


def known(name: str, kind: Kind, digest: str) -> Pipeline:
    """The same, which must be the very one that was judged."""
    found = pipeline(name, kind)
    if found.digest != digest:
        raise Refused(
            "FORGE-PIPELINE-CHANGED",
            "The model that the settings name is not the one that was judged.",
            "Its files have changed since.",
            "Build nlp/tuning and what follows again.",
        )
    return found


@dataclass(frozen=True, kw_only=True)
class GivenClassifier(Classifier):
    """``table`` (labels, classes) float64: for each of the model's ``said`` labels the shares of our classes."""

    model: str
    digest: str
    said: tuple[str, ...]
    table: np.ndarray
    kind: ClassVar[str] = "pipeline"

    def logits(self, texts: Sequence[str], check: Check | None = None) -> np.ndarray:
        model = known(self.model, "text-classification", self.digest)
        return np.log(np.maximum(self.shares(model(texts)), 1e-9))

    def shares(self, answers: Sequence[Sequence[Label]]) -> np.ndarray:
        """(n, classes) float64: as sure as the model is of its label, and else as the classes are spread."""
        place = {label: number for number, label in enumerate(self.said)}
        found = np.tile(self.prior, (len(answers), 1))
        for row, labels in enumerate(answers):
            whole = [one for one in labels if one.start < 0 and one.label in place]
            if whole:
                best = max(whole, key=lambda one: one.score)
                found[row] = best.score * self.table[place[best.label]] + (1.0 - best.score) * self.prior
        return found


@dataclass(frozen=True, kw_only=True)
class GivenTagger(Tagger):
    """``meant``: our type of name for each of the model's labels in ``said``."""

    model: str
    digest: str
    said: tuple[str, ...]
    meant: tuple[str, ...]
    kind: ClassVar[str] = "pipeline"

    def tags(self, sentences: Sequence[Sequence[str]], check: Check | None = None) -> list[list[str]]:
        types = dict(zip(self.said, self.meant, strict=True))
        whole, places = _laid_out(sentences)
        out = []
        model = known(self.model, "token-classification", self.digest)
        for labels, where in zip(model(whole), places, strict=True):
            row = [OTHERS] * len(where)
            for one in labels:
                inside = _words(one, where)
                if one.label in types and inside:
                    row[inside[0]] = f"B-{types[one.label]}"
                    for word in inside[1:]:
                        row[word] = f"I-{types[one.label]}"
            out.append(row)
        return out


def fit_classifier(whole: Sequence[str], labels: Sequence[str], run: TrainingRun) -> GivenClassifier:
    """The model named for ``sentiment``, with its labels in our classes."""
    name = run.models["sentiment"]
    classes, codes, prior = coded(labels)
    model = pipeline(name, "text-classification")
    chosen = _some(len(whole), run.seed)
    counts: dict[str, np.ndarray] = {}
    for i, found in zip(chosen, model([texts.said(whole[i]) for i in chosen]), strict=True):
        for one in (label for label in found if label.start < 0):
            counts.setdefault(one.label, np.full(len(classes), 0.5))[codes[i]] += one.score
    said = tuple(sorted(counts))
    table = np.array([counts[label] / counts[label].sum() for label in said]).reshape(-1, len(classes))
    return GivenClassifier(
        classes, prior, {}, _report(model, said), model=name, digest=model.digest, said=said, table=table
    )


def fit_tagger(rows: Sequence[tuple[Sequence[str], Sequence[str]]], run: TrainingRun) -> GivenTagger:
    """The model named for ``entities``, with its labels as our types of names."""
    name = run.models["entities"]
    labels, _, start, transitions = prepared(rows)
    model = pipeline(name, "token-classification")
    chosen = [rows[i] for i in _some(len(rows), run.seed)]
    whole, places = _laid_out([words for words, _ in chosen])
    met: dict[str, Counter[str]] = {}
    for (_, tags), found, where in zip(chosen, model(whole), places, strict=True):
        for one in found:
            for word in _words(one, where):
                met.setdefault(one.label, Counter())[tags[word].partition("-")[2]] += 1
    best = {label: _most(seen) for label, seen in met.items()}
    said = tuple(sorted(label for label, kind in best.items() if kind))
    return GivenTagger(
        labels, start, transitions, {}, _report(model, said), model=name, digest=model.digest, said=said,
        meant=tuple(best[label] for label in said),
    )  # fmt: skip


def _most(seen: Counter[str]) -> str:
    """The type that a label meets most often; none where it mostly meets words that are no name."""
    kind, _ = max(sorted(seen.items()), key=lambda one: one[1])
    return kind


def _some(n: int, seed: int) -> list[int]:
    chosen = np.random.default_rng(seed).choice(n, min(n, LEARNED_FROM), replace=False)
    return sorted(int(i) for i in chosen)


def _report(model: Pipeline, said: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {"model": [{"model": model.digest, "kind": model.kind, "labels": ", ".join(said)}]}


def _laid_out(sentences: Sequence[Sequence[str]]) -> tuple[list[str], list[list[tuple[int, int]]]]:
    """Each sentence as a text, and where each of its words begins and ends in it."""
    places = []
    for words in sentences:
        at, own = 0, []
        for word in words:
            own.append((at, at + len(word)))
            at += len(word) + 1
        places.append(own)
    return [" ".join(words) for words in sentences], places


def _words(one: Label, where: Sequence[tuple[int, int]]) -> list[int]:
    """The words that a span touches; a span of the whole text is none."""
    if one.start < 0:
        return []
    return [place for place, (start, end) in enumerate(where) if start < one.end and end > one.start]
