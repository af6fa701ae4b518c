"""What the models are asked: of each thing that a line has seen, after each week, whether it comes in the next one.

What they know of it is past alone: sums that decay with several half-lives, when it came last, how regular it was, how
much there is beside it. A thing is asked for as long as it was seen in the last ``MEMORY`` weeks of its line, and of
many only the ``MOST`` of largest decayed weight: a statement nobody would make is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from forge_models.profile.lines import Line

HALF_LIVES = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 64.0])  # weeks with activity
RANKED_BY = 3  # its half-life is by which things are chosen
MEMORY = 26
MOST = 200
CHUNK = 4096  # things of a line at once
LIMIT = 400_000  # questions held at once: some 120 MB
NAMES = (
    *(f"rate_{int(life)}" for life in HALF_LIVES), "last", "second_last", "month_ago", "gap", "age", "times",
    "weight", "share", "breadth", "known", "pause", "regular",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """n questions. ``unit`` (n,): which of the ``units`` lines' weeks; ``line``, ``at``, ``thing`` (n,): where.

    ``came`` (n,) bool: it came in the week after ``at`` (False where there is none); ``x`` (n, len(NAMES));
    ``seen`` and ``weeks`` (n, len(HALF_LIVES)): decayed numbers of weeks with the thing, and of weeks since the thing
    came first; ``all_weeks`` likewise since the line began.
    """

    lines: Sequence[Line]
    units: int
    unit: np.ndarray
    line: np.ndarray
    at: np.ndarray
    thing: np.ndarray
    came: np.ndarray
    x: np.ndarray
    seen: np.ndarray
    weeks: np.ndarray
    all_weeks: np.ndarray

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def facets(self) -> np.ndarray:
        """(n,) the facet of each question."""
        names = np.array([line.facet for line in self.lines] or [""], dtype=object)
        return names[self.line]

    def chosen(self, keep: np.ndarray) -> Asked:
        """The questions of ``keep`` (n,) bool; units keep their numbers."""
        arrays = ("unit", "line", "at", "thing", "came", "x", "seen", "weeks", "all_weeks")
        return replace(self, **{name: getattr(self, name)[keep] for name in arrays})


def asked(lines: Sequence[Line], part: int | None, judged: bool = False) -> Asked:
    """Questions whose answer lies in ``part`` (0, 1, 2); None: those after the last week, whose answer is not known.

    Of more than ``LIMIT`` every so many-th week is asked after. ``judged``: only units in which something came and
    something did not: of the others no order can be told.
    """
    found: list[dict[str, np.ndarray]] = []
    units = 0
    planned = [(number, wanted, candidates(line, wanted)) for number, line, wanted in _wanted(lines, part)]
    every = 1 + sum(len(things) for _, _, some in planned for things in some) // LIMIT
    for number, wanted, things in planned:
        line = lines[number]
        one = _of_line(line, wanted[::every], things[::every])
        if judged and len(one["at"]):
            came = np.bincount(one["at"], one["came"], len(line))
            both = (came > 0) & (came < np.bincount(one["at"], minlength=len(line)))
            one = {name: values[both[one["at"]]] for name, values in one.items()}
        if not len(one["at"]):
            continue
        ids, unit = np.unique(one["at"], return_inverse=True)
        one["unit"] = unit + units
        one["line"] = np.full(len(unit), number)
        units += len(ids)
        found.append(one)
    if not found:
        none, table = np.zeros(0, np.int64), np.zeros((0, len(HALF_LIVES)))
        x = np.zeros((0, len(NAMES)))
        return Asked(lines, 0, none, none, none, none, np.zeros(0, bool), x, table, table, table)
    joined = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    return Asked(lines, units, **joined)


def _wanted(lines: Sequence[Line], part: int | None) -> Iterator[tuple[int, Line, np.ndarray]]:
    """The weeks of each line after which is asked, where there are any."""
    for number, line in enumerate(lines):
        last = np.array([len(line) - 1])
        wanted = last if part is None else np.flatnonzero(line.part[1:] == part)
        if len(wanted):
            yield number, line, wanted


def candidates(line: Line, wanted: np.ndarray) -> list[np.ndarray]:
    """For each week of ``wanted``, rising, the things that are asked for after it."""
    keep = 0.5 ** (1 / HALF_LIVES[RANKED_BY])
    score, last = np.zeros(len(line.things)), np.full(len(line.things), -(1 << 30))
    starts = np.searchsorted(line.at, np.arange(int(wanted[-1]) + 2))
    asked_at, found = set(wanted.tolist()), []
    for at in range(int(wanted[-1]) + 1):
        rows = slice(starts[at], starts[at + 1])
        score *= keep
        score[line.thing[rows]] += 1.0
        last[line.thing[rows]] = at
        if at in asked_at:
            alive = np.flatnonzero(last > at - MEMORY)
            if len(alive) > MOST:
                best = np.argsort(-score[alive], kind="stable")[:MOST]
                alive = np.sort(alive[best])
            found.append(alive)
    return found


def _of_line(line: Line, wanted: np.ndarray, ever: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    at = np.repeat(wanted, [len(one) for one in ever])
    thing = np.concatenate(ever)
    frame = _Frame(line)
    needed = np.unique(thing)
    parts = []
    for start in range(0, len(needed), CHUNK):
        own = needed[start : start + CHUNK]
        inside = np.flatnonzero((thing >= own[0]) & (thing <= own[-1]))
        inside = inside[np.isin(thing[inside], own)]
        told = frame.of(own, at[inside], np.searchsorted(own, thing[inside]))
        parts.append({"row": inside, "at": at[inside], "thing": thing[inside]} | told)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined.pop("row"), kind="stable")
    known = np.array([len(one) for one in ever], np.float64)
    size = dict(zip(wanted.tolist(), known.tolist(), strict=True))
    joined = {name: values[order] for name, values in joined.items()}
    joined["x"][:, NAMES.index("known")] = np.log1p([size[one] for one in joined["at"].tolist()])
    return joined


class _Frame:
    """The weeks of one line, from which the figures of its things are made."""

    def __init__(self, line: Line) -> None:
        from scipy.signal import lfilter

        self.line, self.filter = line, lfilter
        self.keep = 0.5 ** (1 / HALF_LIVES)
        length = len(line)
        self.all_weeks = np.stack([self._decayed(np.ones(length), d) for d in self.keep], 1)
        total = np.bincount(line.at, line.weight, length)
        distinct = np.bincount(line.at, minlength=length).astype(np.float64)
        self.total = self._decayed(total, self.keep[RANKED_BY])
        self.breadth = self._decayed(distinct, self.keep[2]) / self.all_weeks[:, 2]
        self.pause = np.diff(line.weeks, prepend=line.weeks[:1] - 1).astype(np.float64)

    def _decayed(self, values: np.ndarray, keep: float) -> np.ndarray:
        """Sums along the first axis, each step of which keeps ``keep`` of what was before."""
        return self.filter([1.0], [1.0, -keep], values, axis=0)

    def of(self, own: np.ndarray, at: np.ndarray, column: np.ndarray) -> dict[str, np.ndarray]:
        """Figures of the pairs (``at``, ``column``) of the things ``own``."""
        line, length = self.line, len(self.line)
        inside = np.isin(line.thing, own)
        place = np.searchsorted(own, line.thing[inside])
        there, weight = np.zeros((length, len(own))), np.zeros((length, len(own)))
        there[line.at[inside], place] = 1.0
        weight[line.at[inside], place] = line.weight[inside]
        weeks = np.arange(length)[:, None]
        last = np.maximum.accumulate(np.where(there > 0, weeks, -1), 0)
        first = np.argmax(there > 0, 0)
        seen = np.stack([self._decayed(there, d)[at, column] for d in self.keep], 1)
        age = at - first[column]
        powers = self.keep[None, :] ** (age[:, None] + 1)
        since = (1 - powers) / (1 - self.keep[None, :])
        times = np.cumsum(there, 0)[at, column]
        heavy = self._decayed(weight, self.keep[RANKED_BY])[at, column]
        gap = at - last[at, column]

        def ago(steps: int) -> np.ndarray:
            return np.where(at >= steps, there[np.maximum(at - steps, 0), column], 0.0)

        after = np.minimum(at + 1, length - 1)
        came = (there[after, column] > 0) & (at + 1 < length)
        rates = (seen + 0.2) / (self.all_weeks[at] + 1.0)
        # of a habit that comes every so many weeks, how far the pause until now is from its usual one
        usual = np.where(times > 1, (age - gap) / np.maximum(times - 1, 1), age + 1.0)
        regular = np.where(times > 2, -np.abs(np.log((gap + 1) / np.maximum(usual, 1.0))), -1.0)
        x = np.column_stack([
            np.log(rates / (1 - np.minimum(rates, 0.99))), ago(0), ago(1), ago(3), np.log1p(gap), np.log1p(age),
            np.log1p(times), np.log1p(heavy), np.log(heavy / (self.total[at] + 1e-9) + 1e-3),
            np.log1p(self.breadth[at]), np.zeros(len(at)), np.log1p(np.maximum(self.pause[at] - 1, 0)), regular,
        ])  # fmt: skip
        return {"came": came, "x": x, "seen": seen, "weeks": since, "all_weeks": self.all_weeks[at]}
