"""Where a subject is at home, as known before each event: a move to another home is no drift but a new chapter.

Home is the place with most of the time of the last two weeks (most of the visits where departures are unknown). Another
place takes over when it held the lead with at least ``SHARE`` for two weeks while the old home had less than
``LEFTOVER``; nothing later is looked at. Who comes back (a holiday) finds the old beliefs again, for regimes are known
by their home.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forge_models.behavior.instants import DAY
from forge_models.behavior.timelines import Timeline

WINDOW = 14  # days
SHARE, LEFTOVER = 0.35, 0.05
LEAST = 8  # visits in the window


@dataclass(frozen=True)
class Regime:
    """From event ``first`` on the home was ``home`` (a code); it was noticed before event ``noticed``."""

    first: int
    noticed: int
    home: int


def found(line: Timeline) -> list[Regime]:
    """The homes of a timeline in their order; the first is whatever home the subject began with."""
    n = len(line)
    if n < 2 * LEAST or len(set(line.labels.tolist())) < 2:
        return []
    labels, code = np.unique(line.labels, return_inverse=True)
    seconds = line.end - line.start
    # unknown departures would make every visit nothing; a visit then counts as one
    spent = np.minimum(seconds, DAY) / DAY if (seconds > 0).mean() > 0.5 else np.ones(n)
    days = (line.start - line.start[0]) // DAY
    regimes: list[Regime] = []
    for day in np.unique(days):
        high = int(np.searchsorted(days, day, "right"))
        low = int(np.searchsorted(days, day - WINDOW, "right"))
        if high - low < LEAST or days[high - 1] - days[low] < WINDOW - 2:
            continue
        share = np.bincount(code[low:high], spent[low:high], len(labels))
        total = share.sum()
        if total <= 0:
            continue
        best = int(share.argmax())
        if share[best] < SHARE * total:
            continue
        if not regimes:
            regimes.append(Regime(0, 0, int(labels[best])))
        elif labels[best] != regimes[-1].home:
            old = int(np.searchsorted(labels, regimes[-1].home))
            if share[old] < LEFTOVER * total:
                since = low + int(np.flatnonzero(code[low:high] == best)[0])
                regimes.append(Regime(since, high, int(labels[best])))
    return regimes


@dataclass(frozen=True)
class Homes:
    """``now`` (n + 1,): the home as known before each event; ``of`` (n,): the home that each event belongs to;
    ``noticed`` (n,): before which event that was known."""

    now: np.ndarray
    of: np.ndarray
    noticed: np.ndarray

    def trust(self, i: np.ndarray, j: np.ndarray, remains: float) -> np.ndarray:
        """How much event ``j`` counts before event ``i``: 1, or ``remains`` where it belongs to another home."""
        same = (self.of[j] == self.now[i]) | (self.noticed[j] > i)
        return np.where(same, 1.0, remains).astype(np.float32)


def homes(line: Timeline) -> Homes | None:
    """None where there was no move."""
    regimes = found(line)
    if len(regimes) < 2:
        return None
    n = len(line)
    now, of = np.full(n + 1, regimes[0].home, np.int64), np.full(n, regimes[0].home, np.int64)
    noticed = np.zeros(n, np.int64)
    for one in regimes[1:]:
        now[one.noticed :] = one.home
        of[one.first :] = one.home
        noticed[one.first :] = one.noticed
    return Homes(now, of, noticed)
