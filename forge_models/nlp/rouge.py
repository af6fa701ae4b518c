"""ROUGE-1, ROUGE-2 and ROUGE-L as F1 (Lin 2004), on words in lower case, without stemming. Pure functions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

MOST = 2_000  # words of a text that are compared: the longest common part takes their product in time
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())[:MOST]


def rouge(said: str, reference: str) -> dict[str, float]:
    """``rouge1``, ``rouge2`` and ``rougeL``, each 0 to 1."""
    a, b = words(said), words(reference)
    return {
        "rouge1": overlap(a, b, 1),
        "rouge2": overlap(a, b, 2),
        "rougeL": f1(common(a, b), len(a), len(b)),
    }


def overlap(a: Sequence[str], b: Sequence[str], n: int) -> float:
    """F1 of the n-grams of two texts, each counted as often as it stands in both."""
    one = Counter(zip(*(a[i:] for i in range(n)), strict=False))
    other = Counter(zip(*(b[i:] for i in range(n)), strict=False))
    return f1(sum((one & other).values()), sum(one.values()), sum(other.values()))


def common(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for x in a:
        before = 0
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], before + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


def f1(both: int, one: int, other: int) -> float:
    return 2.0 * both / (one + other) if both else 0.0
