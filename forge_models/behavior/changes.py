"""Change points of a life, found and said in words, so that nobody takes them for drift: moves, times away, a new
source that takes over, gaps, and lasting shifts of how much is done.

A weekly season is taken off first. A shift counts when its effect is large (``EFFECT`` standard deviations) and stands
out of what chance gives in a series that remembers itself; how many rows there are makes no alarm by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from forge_models.behavior import moves
from forge_models.behavior.instants import DAY
from forge_models.behavior.series import GAP, Load
from forge_models.behavior.timelines import Timeline

EFFECT = 0.8  # standard deviations
STANDS_OUT = 4.5  # of the largest standardised difference; chance reaches some 3 in a year of days
SEGMENT = 21  # days on each side of a shift
AWAY = 3 * DAY
TAKES_OVER = 14 * DAY


@dataclass(frozen=True)
class Change:
    """``kind``: move, away, new source, gap or shift; ``at`` and ``until`` microseconds, ``until`` None: it lasts."""

    kind: str
    at: int
    until: int | None
    words: str


def of_places(line: Timeline, names: Sequence[str]) -> list[Change]:
    """Moves and times away from home, of a timeline of places whose labels are named by ``names``."""
    regimes = moves.found(line)
    found = []
    for before, now in pairwise(regimes):
        old, new = line.name(before.home, names), line.name(now.home, names)
        at = int(line.start[now.first])
        words = f"since {said(at)} mostly at {new} instead of {old}: older habits count a tenth"
        found.append(Change("move", at, None, words))
    for number, one in enumerate(regimes):
        last = regimes[number + 1].first if number + 1 < len(regimes) else len(line)
        home = one.first + np.flatnonzero(line.labels[one.first : last] == one.home)
        for a, b in pairwise(home.tolist()):
            gone, back = int(line.end[a]), int(line.start[b])
            if back - gone >= AWAY and b - a >= 4:  # was elsewhere, and not merely silent
                words = f"away from {said(gone)} to {said(back)}"
                found.append(Change("away", gone, back, words))
    return sorted(found, key=lambda change: change.at)


def of_sources(start: dict[str, int], end: dict[str, int]) -> list[Change]:
    """``start`` and ``end``: of each source's events. One that begins when another ends takes over: a new phone."""
    found = []
    for old in sorted(end):
        for new in sorted(start):
            if (
                new != old
                and start[new] > start[old]
                and end[new] > end[old]
                and abs(start[new] - end[old]) <= TAKES_OVER
            ):
                words = f"since {said(start[new])} {new} instead of {old}: another device or account, no other habits"
                found.append(Change("new source", start[new], None, words))
    return found


def of_load(load: Load) -> list[Change]:
    """Gaps, times of silence and lasting shifts of a daily series."""
    found = []
    edges = np.flatnonzero(np.diff(np.concatenate([[True], load.known, [True]]).astype(int)))
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        at, until = int(load.at(int(low))), int(load.at(int(high)))
        weeks = (until - at) // GAP * 4
        words = (
            f"nothing known from {said(at)} to {said(until)} ({load.source}): a gap of {weeks} weeks or more"
        )
        found.append(Change("gap", at, until, words))
    values, days = load.values[load.known], np.flatnonzero(load.known)
    for place, effect in shifts(values, days % 7):
        at = int(load.at(int(days[place])))
        more = "more" if effect > 0 else "less"
        what = f"{more} {load.measure.replace('_', ' ')} ({load.source})"
        words = f"since {said(at)} lastingly {what}, by {abs(effect):.1f} standard deviations"
        found.append(Change("shift", at, None, words))
    return sorted(found, key=lambda change: change.at)


def shifts(values: np.ndarray, weekday: np.ndarray) -> list[tuple[int, float]]:
    """Places of lasting shifts of (n,) daily values and their effects in standard deviations, by binary segmentation
    (Scott and Knott 1974) of what is left without the weekly season."""
    left = np.log1p(np.maximum(values, 0.0))
    for day in range(7):
        mine = weekday == day
        if mine.any():
            left[mine] -= left[mine].mean()
    return sorted(_segment(left, 0))


def _segment(values: np.ndarray, offset: int) -> list[tuple[int, float]]:
    n = len(values)
    if n < 2 * SEGMENT:
        return []
    places = np.arange(SEGMENT, n - SEGMENT + 1)
    total = np.cumsum(values)
    first = total[places - 1] / places
    second = (total[-1] - total[places - 1]) / (n - places)
    weight = np.sqrt(places * (n - places) / n)
    best = int(np.argmax(np.abs(second - first) * weight))
    at, change = int(places[best]), float(second[best] - first[best])
    rest = np.concatenate([values[:at] - first[best], values[at:] - second[best]])
    spread = float(rest.std())
    if spread <= 1e-9:
        spread = 1e-9 if abs(change) > 1e-6 else np.inf
    # a series that remembers itself wanders: its mean is less sure than that of as many independent days
    memory = float(np.clip((rest[1:] * rest[:-1]).mean() / max(spread**2, 1e-18), 0.0, 0.9))
    sure = abs(change) * weight[best] / spread * np.sqrt((1 - memory) / (1 + memory))
    effect = change / spread
    if sure < STANDS_OUT or abs(effect) < EFFECT:
        return []
    found = [(offset + at, float(np.clip(effect, -99, 99)))]
    return [*_segment(values[:at], offset), *found, *_segment(values[at:], offset + at)]


def said(time: int) -> str:
    """A day, for people."""
    return datetime.fromtimestamp(time / 1e6, UTC).strftime("%Y-%m-%d")
