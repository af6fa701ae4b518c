"""Names as runs of BIO tags: from tags to spans, the best allowed path, and strict F1. Pure functions on arrays.

A span counts where its begin, its end and its type are right (Tjong Kim Sang and De Meulder 2003; seqeval's strict
mode for BIO): an I- that follows no B- or I- of its type begins no name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

Span = tuple[int, int, str]  # first word, word behind the last, type
OUTSIDE = "O"


def spans(tags: Sequence[str]) -> list[Span]:
    """The names in a sentence's tags."""
    found: list[Span] = []
    start, kind = -1, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        if tag != f"I-{kind}" and start >= 0:
            found.append((start, place, kind))
            start, kind = -1, ""
        if tag.startswith("B-"):
            start, kind = place, tag[2:]
    return found


def tag_set(sentences: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """``O`` first, then B- and I- of every type that occurs, in order."""
    kinds = sorted({tag[2:] for tags in sentences for tag in tags if tag != OUTSIDE})
    return (OUTSIDE, *(f"{mark}-{kind}" for kind in kinds for mark in "BI"))


def allowed(tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """What may begin a sentence (tags,) and what may follow what (before, after): bool."""
    inside = np.array([tag.startswith("I-") for tag in tags])
    follow = np.ones((len(tags), len(tags)), bool)
    for after, tag in enumerate(tags):
        if tag.startswith("I-"):
            follow[:, after] = [before[1:] == tag[1:] and before != OUTSIDE for before in tags]
    return ~inside, follow


def viterbi(emissions: np.ndarray, start: np.ndarray, transitions: np.ndarray) -> list[int]:
    """The best path: ``emissions`` (words, tags), ``start`` (tags,), ``transitions`` (before, after), in logarithms."""
    if not len(emissions):
        return []
    score, back = start + emissions[0], []
    for row in emissions[1:]:
        whole = score[:, None] + transitions
        back.append(whole.argmax(axis=0))
        score = whole.max(axis=0) + row
    path = [int(score.argmax())]
    for before in reversed(back):
        path.append(int(before[path[-1]]))
    return path[::-1]


def counted(
    tags: Sequence[Sequence[int]], n: int, may_start: np.ndarray, may_follow: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of a sentence's first tag and of a tag after another, from counts plus one; else -1e4."""
    start, follow = np.ones(n), np.ones((n, n))
    for one in tags:
        if len(one):
            start[one[0]] += 1
            np.add.at(follow, (np.asarray(one[:-1], np.int64), np.asarray(one[1:], np.int64)), 1)
    start, follow = start * may_start, follow * may_follow
    with np.errstate(divide="ignore"):
        first = np.log(start / start.sum())
        after = np.log(follow / follow.sum(axis=1, keepdims=True))
    return np.maximum(first, -1e4), np.maximum(after, -1e4)


def outcomes(gold: Sequence[Sequence[str]], said: Sequence[Sequence[str]]) -> np.ndarray:
    """(sentences, 3) float64: names found right, names said, names there."""
    rows = []
    for right, answer in zip(gold, said, strict=True):
        there, found = set(spans(right)), set(spans(answer))
        rows.append((len(there & found), len(found), len(there)))
    return np.array(rows, np.float64).reshape(-1, 3)


def f1(counts: np.ndarray) -> tuple[float, float, float]:
    """Micro-averaged (F1, precision, recall) from summed ``outcomes``; 0 where nothing was said or was there."""
    right, found, there = counts.reshape(-1, 3).sum(axis=0)
    precision, recall = right / found if found else 0.0, right / there if there else 0.0
    both = precision + recall
    return float(2 * precision * recall / both if both else 0.0), float(precision), float(recall)
