"""What a topic is called: the words that stand out in its texts, by class-based TF-IDF.

Grootendorst (2022): all texts of a topic are one document, a word weighs by its frequency there times ln(1 + A / f),
A words a topic on average, f the word's count in all. A word that is hardly likelier in the topic than elsewhere names
nothing, in whatever language: no list of stop words is needed, and the short English one only helps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from forge_models.nlp.texts import words

WORDS = 5
LEAST_TEXTS = 2  # of the topic that have the word: one person's odd word names nothing
LIFT = 1.5  # times likelier than in all texts


def names(texts: Sequence[str], topics: np.ndarray, count: int = WORDS) -> dict[int, tuple[str, ...]]:
    """For each topic in ``topics`` (n,), its words, the most telling first; negative topics have no name."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    inside: dict[int, Counter[str]] = {}
    standing: dict[int, Counter[str]] = {}
    whole: Counter[str] = Counter()
    for text, topic in zip(texts, topics.tolist(), strict=True):
        if topic < 0:
            continue
        found = [word for word in words(text) if len(word) > 2 and word not in ENGLISH_STOP_WORDS]
        inside.setdefault(topic, Counter()).update(found)
        standing.setdefault(topic, Counter()).update(set(found))
        whole.update(found)
    total = sum(whole.values())
    average = total / max(1, len(inside))
    named: dict[int, tuple[str, ...]] = {}
    for topic, counts in sorted(inside.items()):
        own = sum(counts.values())
        scored = [
            (-(n / own) * float(np.log(1.0 + average / whole[word])), word)
            for word, n in counts.items()
            if standing[topic][word] >= LEAST_TEXTS
            and (len(inside) == 1 or n / own >= LIFT * whole[word] / total)
        ]
        named[topic] = tuple(word for _, word in sorted(scored)[:count])
    return named
