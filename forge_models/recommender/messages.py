"""What the recommender is asked and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from forge_models.family import Reason


@dataclass(frozen=True)
class Request:
    """``history`` holds item ids, oldest first; what ``exclude`` names is not offered either.

    ``times``, where given, has one for each of ``history``: microseconds since 1970, or ``interactions.NO_TIME``.
    """

    history: Sequence[str]
    k: int = 10
    exclude: Sequence[str] = ()
    times: Sequence[int] = ()


@dataclass(frozen=True)
class Recommendation:
    """One item; for a linear model the weights of ``reasons`` add up to ``score`` exactly."""

    item: str
    score: float
    reasons: Sequence[Reason] = ()


@dataclass(frozen=True)
class Prediction:
    """The answer, best item first. ``note`` says when it is not the model speaking but popularity."""

    items: Sequence[Recommendation] = field(default_factory=tuple)
    note: str = ""
