"""A metric by group of subjects, with intervals, and a verdict only where there is one to give.

The group figures are fairlearn's (``MetricFrame``), the intervals are our bootstrap over subjects. A group
under 30 subjects says "too few": its interval is shown, and nothing is concluded from it. Two groups differ
when their 95 % intervals do not overlap, which is stricter than a test of the difference at 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from forge_core.evaluation.intervals import Interval, mean_interval

if TYPE_CHECKING:
    import numpy as np

LEAST = 30  # subjects in a group

Verdict = Literal["differs", "no difference shown", "too few"]


@dataclass(frozen=True)
class Group:
    """One group's mean of the metric with its interval; ``too_few`` subjects give no verdict."""

    name: str
    interval: Interval
    too_few: bool


@dataclass(frozen=True)
class Bias:
    """``difference`` is largest minus smallest mean among groups with enough subjects; NaN below two."""

    attribute: str
    metric: str
    overall: Interval
    groups: Sequence[Group]
    difference: float
    verdict: Verdict
    unknown: int  # subjects whose group is not known; they take no part

    @property
    def apart(self) -> bool:
        return self.verdict == "differs"

    @property
    def words(self) -> str:
        told = (
            f"{group.name} too few (n = {group.interval.n})"
            if group.too_few
            else f"{group.name} {group.interval.value:.3f} "
            f"[{group.interval.low:.3f}, {group.interval.high:.3f}] (n = {group.interval.n})"
            for group in self.groups
        )
        return f"{self.metric} {self.verdict}: {', '.join(told)}" if self.groups else "no group is known"


def by_group(
    values: np.ndarray,
    groups: Sequence[str | None],
    metric: str,
    attribute: str,
    least: int = LEAST,
    seed: int = 0,
) -> Bias:
    """``values`` (n,): the metric per subject; ``groups``: the group of each, None where it is unknown."""
    import numpy as np

    values = np.asarray(values, np.float64)
    if len(values) != len(groups):
        raise ValueError("each subject needs a group or None")
    known = np.array([group is not None for group in groups], bool)
    kept = values[known]
    names = np.array([group for group in groups if group is not None], object)
    means = _by_group(kept, names)
    found = []
    for name, mean in means.items():
        chosen = kept[names == name]
        interval = mean_interval(chosen, seed=seed)
        found.append(
            Group(name, Interval(mean, interval.low, interval.high, len(chosen)), len(chosen) < least)
        )
    judged = [group.interval for group in found if not group.too_few]
    apart = any(not one.overlaps(other) for one in judged for other in judged)
    verdict: Verdict = "too few" if len(judged) < 2 else "differs" if apart else "no difference shown"
    spread = [interval.value for interval in judged]
    difference = max(spread) - min(spread) if len(judged) >= 2 else float("nan")
    overall = mean_interval(kept, seed=seed)
    return Bias(attribute, metric, overall, tuple(found), difference, verdict, int((~known).sum()))


def _by_group(values: np.ndarray, names: np.ndarray) -> dict[str, float]:
    """The mean per group, in the order of the names."""
    if not len(values):
        return {}
    import numpy as np
    from fairlearn.metrics import MetricFrame

    frame = MetricFrame(
        metrics=lambda _, measured: float(np.mean(measured)),
        y_true=values,
        y_pred=values,
        sensitive_features=names,
    )
    return {str(name): float(value) for name, value in frame.by_group.items()}
