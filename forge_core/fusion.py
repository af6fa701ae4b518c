"""Several rankings made one: reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

DAMPING = 60  # the paper's k: how little the first places count more than those after them


def fused(
    rankings: Mapping[str, Sequence[str]], weights: Mapping[str, float] | None = None
) -> list[tuple[str, float]]:
    """(id, score) by falling score from rankings of ids, best first; ties keep the order in which ids were met.

    An id's score is the sum of ``weight / (60 + place)`` over the rankings that hold it, places from 1.
    """
    scores: dict[str, float] = {}
    for name, ranking in rankings.items():
        weight = (weights or {}).get(name, 1.0)
        for place, one in enumerate(dict.fromkeys(ranking), start=1):
            scores[one] = scores.get(one, 0.0) + weight / (DAMPING + place)
    return sorted(scores.items(), key=lambda pair: -pair[1])
