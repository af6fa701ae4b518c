"""One event at a time, in microseconds: the same surprises as in batch, from counts that are kept per stream.

A ``Watch`` belongs to an account model whose detector scores single rows (evidence or neighbours). A ``StreamState``
holds the counts of one stream; ``step`` judges an event by what came before it and then counts it. Events of a stream
come in the order of time; one that claims to be earlier is taken to happen now (a clock that went back).
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from forge_core.errors import UsageError
from forge_models.anomaly import account
from forge_models.anomaly.calibration import LEARNING_DAYS, LEARNING_EVENTS, own_days
from forge_models.anomaly.models import AnomalyModel
from forge_models.anomaly.streams import DAY, SECOND

FLAGS = (*account.SEEN, "travel", "failed")
FAILURES = [place for place, name in enumerate(account.NAMES) if name.startswith("failures_")]
COLUMN = {name: f"new_{name}" for name in account.SEEN} | {"travel": "impossible_travel", "failed": "failed"}


@dataclass
class StreamState:
    """What is counted of one stream."""

    events: int = 0
    first: int = 0
    last: int = 0
    items: dict[str, int] = field(default_factory=dict)
    hours: list[int] = field(default_factory=lambda: [0] * 24)
    surprise: list[float] = field(default_factory=lambda: [0.0, 0.0])  # summed, of item and hour
    flags: list[float] = field(default_factory=lambda: [0.0] * 5)
    known: list[float] = field(default_factory=lambda: [0.0] * 5)
    recent: dict[str, deque[int]] = field(default_factory=dict)
    weight: list[float] = field(default_factory=lambda: [0.0] * 5)
    total: list[float] = field(default_factory=lambda: [0.0] * 5)
    squares: list[float] = field(default_factory=lambda: [0.0] * 5)
    fresh: deque[tuple[int, float]] = field(default_factory=deque)
    day: int = -1
    top: float = -math.inf
    tops: list[float] = field(default_factory=list)  # highest scores of the days before, ascending


@dataclass(frozen=True)
class Judged:
    """``score`` of the detector; ``days``: expected once in so many; ``alertable``: the stream is known well enough."""

    score: float
    days: float
    alertable: bool
    rare: list[float]


class Watch:
    """Scores single events by ``model``."""

    def __init__(self, model: AnomalyModel) -> None:
        view = model.view
        if not isinstance(view, account.AccountView) or not hasattr(model.detector, "one"):
            raise UsageError("FORGE-ANOMALY-ONLINE", "This model does not score single events.")
        self.model, self.detector = model, model.detector
        self.share = {item: float(view.share[place]) for place, item in enumerate(view.items)}
        self.other = float(view.share[-1])
        hours = view.hours.tolist()
        self.hours = [hours[h] + 0.5 * (hours[h - 1] + hours[(h + 1) % 24]) for h in range(24)]
        self.rates, self.means, self.squares = view.rates.tolist(), view.means.tolist(), view.squares.tolist()
        self.usual = view.usual.tolist()
        self.sides = model.tails.upper

    def begin(self) -> StreamState:
        return StreamState(recent={name: deque() for name in account.COUNTED})

    def step(self, state: StreamState, event: Mapping[str, Any]) -> Judged:
        """``event``: ``time`` (microseconds), ``item``, and the marks as in ``features/security_events``."""
        time = max(int(event["time"]), state.last) if state.events else int(event["time"])
        if not state.events:
            state.first = time
        item = event["item"]
        values = self._values(state, item, time, event)
        rare = [side.one(value) for side, value in zip(self.sides, values, strict=True)]
        score = float(self.detector.one(rare))
        day = time // DAY
        if day != state.day:
            if state.day >= 0:
                insort(state.tops, state.top)
            state.day, state.top = day, -math.inf
        rate = self.model.calibration.one(score)
        reached = len(state.tops) - bisect_left(state.tops, score)
        days = own_days(rate, reached, len(state.tops)) if rate <= 1.0 / 7.0 else 1.0 / rate
        alertable = time - state.first >= LEARNING_DAYS * DAY and state.events >= LEARNING_EVENTS
        state.top = max(state.top, score)
        state.events, state.last = state.events + 1, time
        return Judged(score, days, alertable, rare)

    def _values(self, state: StreamState, item: str, time: int, event: Mapping[str, Any]) -> list[float]:
        """The surprises of ``AccountView.values``; the event is counted on the way."""
        n = state.events
        seconds = time // SECOND
        hour = seconds // 3600 % 24
        seen = state.items.get(item, 0)
        told_item = -math.log((seen + account.ITEMS * self.share.get(item, self.other)) / (n + account.ITEMS))
        near = state.hours[hour] + 0.5 * (state.hours[hour - 1] + state.hours[(hour + 1) % 24])
        told_hour = -math.log((near + account.HOURS * self.hours[hour]) / (2.0 * n + 2.0 * account.HOURS))
        found = []
        for place, (told, weight) in enumerate(((told_item, account.ITEMS), (told_hour, account.HOURS))):
            centre = (state.surprise[place] + weight * self.usual[place]) / (n + weight)
            found.append(min(max(told - centre, 0.0), account.CAP))
            state.surprise[place] += told
        state.items[item] = seen + 1
        state.hours[hour] += 1
        for place, name in enumerate(FLAGS):
            value = event.get(COLUMN[name])
            known = value is not None
            if value:
                chance = (state.flags[place] + account.FLAGS * self.rates[place]) / (
                    state.known[place] + account.FLAGS
                )
                found.append(min(max(-math.log(chance), 0.0), account.CAP))
                state.flags[place] += 1.0
            else:
                found.append(0.0)
            state.known[place] += known or name == "failed"
        failed, events = bool(event.get("failed")), []
        for place, (name, (what, span)) in enumerate(account.COUNTED.items()):
            window = state.recent[name]
            if what == "events" or failed:
                window.append(seconds)
            while window and window[0] < seconds - span:
                window.popleft()
            if place < 2:
                events.append(len(window))
            weight = 1.0 / (events[0] if span == account.HOUR else events[1])
            found.append(self._counted(state, place, len(window), weight))
        new = sum(found[2:6])
        if new:
            state.fresh.append((seconds, new))
        while state.fresh and state.fresh[0][0] < seconds - account.HOUR:
            state.fresh.popleft()
        fresh = sum(value for _, value in state.fresh)
        found.append(min(fresh, account.CAP))
        heard = fresh + found[FAILURES[1]]
        if not failed:
            for place in FAILURES:
                found[place] = 0.0
        found.append(min(heard, account.CAP) if account.sensitive(item) else 0.0)
        return found

    def _counted(self, state: StreamState, place: int, count: int, weight: float) -> float:
        """As ``account.tail_surprise``."""
        known = state.weight[place] + account.WINDOWS
        mean = (state.total[place] + account.WINDOWS * self.means[place]) / known
        square = (state.squares[place] + account.WINDOWS * self.squares[place]) / known
        state.weight[place] += weight
        state.total[place] += weight * count
        state.squares[place] += weight * count * count
        if not count:
            return 0.0
        from scipy.special import betainc

        variance = max(square - mean * mean, mean * 1.01 + 1e-6)
        chance = float(betainc(count, mean * mean / (variance - mean), 1.0 - mean / variance))
        return min(-math.log(max(chance, math.exp(-account.CAP))), account.CAP)
