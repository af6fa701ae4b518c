"""What the recommender is asked and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from forge_core.errors import UsageError
from forge_models.family import Reason


@dataclass(frozen=True)
class Request:
    """``history`` holds item ids, oldest first; what ``exclude`` names is not offered either.

    ``times``, where given, has one for each of ``history``: microseconds since 1970, or ``interactions.NO_TIME``.
    ``state``: a person's recurrent state, of a model that has one; it stands in for the history, which is then empty.

    ``diversity`` (0..1): how much an item loses for being like one that is already on the list. Maximal marginal
    relevance: the next item of the list has the highest (1 - diversity) * score - diversity * similarity, where scores
    are brought to 0..1 and similarity is the largest cosine with what is on the list. 0 is the order of the scores.
    ``recency`` (0..1): how much the last ten events count beyond their place in the history. The score is
    (1 - recency) * the score of the whole history + recency * that of the last ten events alone, both standardised over
    all items. 0 is the model's own score.
    """

    history: Sequence[str] = ()
    k: int = 10
    exclude: Sequence[str] = ()
    times: Sequence[int] = ()
    state: Any = None
    diversity: float = 0.0
    recency: float = 0.0

    def __post_init__(self) -> None:
        for name in ("diversity", "recency"):
            if not 0.0 <= getattr(self, name) <= 1.0:  # NaN is not either
                raise UsageError("FORGE-REQUEST-SHARE", f"{name.capitalize()} is a number from 0 to 1.")


@dataclass(frozen=True)
class Recommendation:
    """One item; for a linear model the weights of ``reasons`` add up to ``score`` exactly."""

    item: str
    score: float
    reasons: Sequence[Reason] = ()


@dataclass(frozen=True)
class Prediction:
    """The answer, best item first. ``note`` says when it is not the model speaking but popularity.

    ``reasons_mean`` says what the weights of the reasons are, where they are no exact parts of the score.
    """

    items: Sequence[Recommendation] = field(default_factory=tuple)
    note: str = ""
    reasons_mean: str = ""
