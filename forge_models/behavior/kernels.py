"""How much each earlier event of a subject speaks for what comes next: the votes of the counting tier.

Each component is a kernel over the earlier events: how long ago (half-lives in days and in events), after the same
place, at the same hour, on the same day of the week. Events vote for their labels; a component's share of the votes
backs off to the plain decayed frequency where it has little evidence (Witten and Bell 1991 in spirit, with a learned
weight of the component on top). What is known when an event is asked for is what came before it: the hour used is that
of leaving the place before, never the arrival that is to be foretold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forge_models.behavior.instants import DAY, day_of_week, hour_of_day
from forge_models.behavior.moves import Homes
from forge_models.behavior.timelines import Timeline

LOOKBACK = 1024  # earlier events that vote; with half-lives below they have said what they had to say
BLOCK = 256  # targets at once
BACKOFF = 1.0  # votes of the general share that stand behind a component's own
REMAINS = 0.1  # of what was believed before a move
COMPONENTS = (
    "week", "month", "season", "last events", "after this place", "after these two places", "hour",
    "hour of week", "hour after this place", "soon after this hour", "soon after, same weekday", "weekend alike",
)  # fmt: skip


@dataclass(frozen=True)
class Votes:
    """For a block of targets: ``labels`` (m,) codes of the labels in the window; ``shares`` (b, m, components) float32,
    each component's share; ``evidence`` (b, components): its votes; ``seen`` (b, m) which labels were met before."""

    targets: np.ndarray
    labels: np.ndarray
    shares: np.ndarray
    evidence: np.ndarray
    seen: np.ndarray
    once: np.ndarray  # (b, m) met exactly once
    new_lately: np.ndarray  # (b,) share of events, among the last twenty, that were somewhere new


def votes(line: Timeline, targets: np.ndarray, homes: Homes | None = None) -> Iterator[Votes]:
    """Votes for each of ``targets`` (positions from 1 to len(line): the last asks for what comes after all).

    ``homes``: where the subject was at home as known before each event; votes from another home count a tenth.
    """
    n = len(line)
    own, code = np.unique(line.labels, return_inverse=True)
    first = np.full(len(own), n)
    np.minimum.at(first, code, np.arange(n))
    second = np.full(len(own), n)
    later = np.arange(n) > first[code]
    np.minimum.at(second, code[later], np.arange(n)[later])
    new = np.zeros(n, np.float32)
    new[first] = 1.0
    # what was known before each event: the label before it, and when that was left
    before = np.concatenate([[-1], code])
    before2 = np.concatenate([[-1, -1], code])[: n + 1]
    left = np.concatenate([line.start[:1], line.end])
    hour, weekday = hour_of_day(left).astype(np.float32), day_of_week(left)
    arrived, arrived_day = hour_of_day(line.start).astype(np.float32), day_of_week(line.start)
    rest = weekday >= 5
    for at in range(0, len(targets), BLOCK):
        block = targets[at : at + BLOCK]
        if not n:  # nothing was ever seen
            none = np.zeros((len(block), 0), bool)
            yield Votes(
                block,
                own,
                np.zeros((len(block), 0, len(COMPONENTS)), np.float32),
                np.zeros((len(block), len(COMPONENTS)), np.float32),
                none,
                none,
                np.ones(len(block), np.float32),
            )
            continue
        low, high = max(0, int(block.min()) - LOOKBACK), int(block.max())
        past = np.arange(low, high)
        here, place = np.unique(
            code[low:high], return_inverse=True
        )  # what was met before the window is new again
        picked = np.zeros((high - low, len(here)), np.float32)
        picked[np.arange(high - low), place] = 1.0
        i, j = block[:, None], past[None, :]
        inside = ((j < i) & (j >= i - LOOKBACK)).astype(np.float32)
        if homes is not None:
            inside *= homes.trust(i, j, REMAINS)
        age = (np.maximum(left[i] - line.start[j], 0) / DAY).astype(np.float32)
        month = inside * np.exp2(-age / 30.0)
        season = inside * np.exp2(-age / 120.0)
        same = (before[i] == before[j]).astype(np.float32)
        hours = np.abs(hour[i] - hour[j])
        near = np.exp(-0.5 * (np.minimum(hours, 24 - hours) / 1.5) ** 2)
        ahead = np.exp(-((arrived[j] - hour[i]) % 24) / 3.0)
        same_day = (weekday[i] == weekday[j]).astype(np.float32)
        alike = (rest[i] == rest[j]).astype(np.float32)
        weights = (
            inside * np.exp2(-age / 7.0),
            month,
            season,
            inside * np.exp2(-np.maximum(i - j, 0) / 6.0).astype(np.float32),
            season * same,
            season * same * (before2[i] == before2[j]),
            season * near,
            season * near * same_day,
            season * near * same,
            season * ahead,
            season * ahead * (weekday[i] == arrived_day[j]),
            season * near * alike,
        )
        general = season @ picked
        general /= np.maximum(general.sum(1, keepdims=True), 1e-12)
        shares, evidence = [], []
        for weight in weights:
            got = weight @ picked
            total = got.sum(1, keepdims=True)
            shares.append((got + BACKOFF * general) / (total + BACKOFF))
            evidence.append(total[:, 0])
        seen = first[here][None, :] < block[:, None]
        recent = np.array([new[max(1, t - 20) : t].mean() if t > 1 else 1.0 for t in block], np.float32)
        yield Votes(
            block,
            own[here],
            np.stack(shares, 2),
            np.stack(evidence, 1),
            seen,
            seen & ~(second[here][None, :] < block[:, None]),
            recent,
        )
