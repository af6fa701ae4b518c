"""Passages as every task reads them: one pass over the encoder for sentiment and topics, one for names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from forge_models.nlp import texts
from forge_models.nlp.classifying import FrozenClassifier, encoder_of
from forge_models.nlp.topics import READ

WEEK = timedelta(days=7)
MONDAY = datetime(2001, 1, 1, tzinfo=UTC)
BLOCK = 4_096  # passages that are read at a time: memory does not grow with their number


@dataclass
class Read:
    """A passage's row, and what the models say of it; ``None`` where there are no words or no model."""

    row: Mapping[str, Any]
    text: str
    chances: np.ndarray | None = None
    topic: int | None = None
    near: float = 0.0
    names: Mapping[str, int] | None = None
    language: str | None = None

    @property
    def week(self) -> datetime | None:
        """The Monday on which its week began, UTC."""
        time = self.row["time"]
        return None if time is None else MONDAY + ((time - MONDAY) // WEEK) * WEEK


def read(
    models: Mapping[str, Any],
    chunks: pa.Table,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Read]:
    """Every passage of ``chunks``, read once by every model there is; what is said twice is read once."""
    rows = [Read(row, texts.said(row["text"])) for row in chunks.to_pylist()]
    spoken = [one for one in rows if texts.has_words(one.text)]
    different = sorted({one.text for one in spoken})
    known: dict[str, Read] = {text: Read({}, text) for text in different}
    for start in range(0, len(different), BLOCK):
        block = [known[text] for text in different[start : start + BLOCK]]
        _understand(models, block)
        progress(min(start + BLOCK, len(different)), len(different))
    for one in spoken:
        same = known[one.text]
        one.chances, one.topic, one.near, one.names = same.chances, same.topic, same.near, same.names
        one.language = one.row["language"] or same.language
    return rows


def _understand(models: Mapping[str, Any], block: Sequence[Read]) -> None:
    whole = [one.text for one in block]
    sentiment, topics, names, language = (
        models.get(n) for n in ("sentiment", "topics", "entities", "language")
    )
    pooled = None
    layers: tuple[int, ...] = ()
    if isinstance(sentiment, FrozenClassifier) and topics is not None and hasattr(topics, "encoder"):
        encoder = encoder_of(sentiment.encoder, sentiment.identity)
        if topics.identity == sentiment.identity:  # one pass serves both
            layers = tuple(sorted({*sentiment.layers, encoder.layers}))
            pooled = encoder.pooled(whole, layers, READ)
    if sentiment is not None:
        if pooled is not None:
            own = pooled[:, [layers.index(layer) for layer in sentiment.layers]]
            chances = _softmax(sentiment.from_pooled(own, whole))
        else:
            chances = sentiment.probabilities(whole)
        for one, row in zip(block, chances, strict=True):
            one.chances = row
    if topics is not None:
        found, near = topics.assign(whole, pooled=None if pooled is None else pooled[:, -1])
        for one, row, close in zip(block, found.tolist(), near.tolist(), strict=True):
            one.topic, one.near = (topics.ids[row] if row >= 0 else None), close
    if names is not None:
        for one, kinds in zip(block, counted(names, whole), strict=True):
            one.names = kinds
    if language is not None:
        for one, code in zip(block, language.languages_of(whole), strict=True):
            one.language = code or None


def counted(tagger: Any, whole: Sequence[str]) -> list[dict[str, int]]:
    """How many names of each type stand in each text."""
    from forge_models.nlp.spans import spans

    out = []
    for tags in tagger.tags([texts.tokens(text) for text in whole]):
        kinds: dict[str, int] = {}
        for _, _, kind in spans(tags):
            kinds[kind] = kinds.get(kind, 0) + 1
        out.append(kinds)
    return out


def _softmax(logits: np.ndarray) -> np.ndarray:
    from forge_models.nlp.linear import softmax

    return softmax(logits.astype(np.float64))
