"""The family on public sets: what a small part of them teaches is enough to be well above chance and the baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_models.nlp import classifying, spans, tagging
from forge_models.nlp.reference import reference_set
from tests.models.data import public
from tests.models.nlp.data import run


@pytest.mark.data
def test_words_alone_tell_four_of_five_sentences_of_sst2() -> None:
    rows = reference_set("sst2", public("text-sst2")).to_pylist()
    parts = {p: [(r["text"], r["label"]) for r in rows if r["split"] == p] for p in ("train", "test")}
    model = classifying.fit_words(*map(list, zip(*parts["train"], strict=True)), {"strength": 3.0})
    chances = model.probabilities([text for text, _ in parts["test"]])
    said = [model.classes[i] for i in chances.argmax(axis=1)]
    right = [a == b for a, (_, b) in zip(said, parts["test"], strict=True)]
    assert sum(right) / len(right) > 0.80


def test_a_frozen_encoder_finds_names_that_counts_do_not(tmp_path: Path) -> None:
    rows = reference_set("wnut17").to_pylist()
    train = [(r["tokens"], r["tags"]) for r in rows if r["split"] == "train"][:150]
    test = [(r["tokens"], r["tags"]) for r in rows if r["split"] == "validation"][:60]
    counts = tagging.fit_lexicon(train, {"smoothing": 1.0})
    linear = tagging.fit_linear(train, {"ridge": 10.0, "layers": (4,)}, run(tmp_path))

    def score(model: tagging.Tagger) -> float:
        said = model.tags([words for words, _ in test])
        return spans.f1(spans.outcomes([tags for _, tags in test], said))[0]

    assert score(linear) > score(counts) + 0.05
