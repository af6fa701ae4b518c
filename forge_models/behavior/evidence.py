"""What of a subject's own past speaks for an answer: how often it was so in moments like this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forge_models.behavior.instants import day_of_week, hour_of_day
from forge_models.behavior.timelines import Timeline

DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
LEAST = 3  # moments that were like this one, or nothing is said of them
NEAR = 2.0  # hours


@dataclass(frozen=True)
class Evidence:
    """``times`` of ``of`` moments that were ``when`` the answer came true."""

    when: str
    times: int
    of: int

    @property
    def words(self) -> str:
        return f"{self.when} ({self.times} of {self.of} times)"

    @property
    def share(self) -> float:
        return self.times / max(self.of, 1)


def evidence(line: Timeline, code: int, names: Sequence[str]) -> list[Evidence]:
    """From the most telling to the most general, which is always there; the moment is that after all of ``line``."""
    n = len(line)
    if not n:
        return [Evidence("in all", 0, 0)]
    came = line.labels[1:] == code
    before, left = line.labels[:-1], line.end[:-1]
    now, last = int(line.end[-1]), int(line.labels[-1])
    hour, day = float(hour_of_day(np.array([now]))[0]), int(day_of_week(np.array([now]))[0])
    apart = np.abs(hour_of_day(left) - hour)
    near = np.minimum(apart, 24 - apart) <= NEAR
    same, today = before == last, np.asarray(day_of_week(left)) == day
    after, at = f"after {line.name(last, names)}", f"around {int(hour):02d}:00 UTC"
    conditions = (
        (f"usually {DAYS[day]} {at} {after}", same & near & today),
        (f"usually {at} {after}", same & near),
        (after, same),
        (f"{DAYS[day]} {at}", near & today),
        (at, near),
    )
    found = [Evidence(when, int((which & came).sum()), int(which.sum())) for when, which in conditions]
    telling = [one for one in found if one.of >= LEAST and one.times > 0]
    return [*telling, Evidence("in all", int((line.labels == code).sum()), n)]
