"""A metric by group: a verdict only where the numbers allow one."""

from __future__ import annotations

import numpy as np
import pytest

from forge_core.evaluation.bias import by_group


def report(means: dict[str | None, tuple[float, int]]):
    rng = np.random.default_rng(0)
    values = [rng.normal(mean, 0.1, n) for mean, n in means.values()]
    groups = [name for name, (_, n) in means.items() for _ in range(n)]
    return by_group(np.concatenate(values), groups, "ndcg@10", "age_group")


def test_groups_whose_intervals_lie_apart_differ() -> None:
    found = report({"young": (0.3, 60), "old": (0.2, 60)})
    assert found.verdict == "differs"
    assert found.apart
    assert found.difference == pytest.approx(0.1, abs=0.05)


def test_groups_whose_intervals_overlap_show_no_difference() -> None:
    assert report({"young": (0.3, 60), "old": (0.3, 60)}).verdict == "no difference shown"


def test_f_d8_a_group_of_three_says_too_few_with_its_interval_and_without_a_verdict() -> None:
    found = report({"young": (0.3, 60), "old": (0.3, 60), "rare": (0.9, 3)})
    rare = next(group for group in found.groups if group.name == "rare")
    assert rare.too_few
    assert rare.interval.low < rare.interval.value < rare.interval.high
    assert found.verdict == "no difference shown"
    assert found.difference < 0.1  # the group of three has no part in it
    assert "rare too few (n = 3)" in found.words


def test_one_group_alone_gives_no_verdict() -> None:
    found = report({"young": (0.3, 60), "rare": (0.9, 29)})
    assert found.verdict == "too few"
    assert np.isnan(found.difference)


def test_subjects_of_unknown_group_take_no_part_and_are_counted() -> None:
    found = report({"young": (0.3, 40), "old": (0.3, 40), None: (0.9, 50)})
    assert found.unknown == 50
    assert [group.name for group in found.groups] == ["old", "young"]
    assert found.overall.n == 80


def test_no_subjects_are_no_error() -> None:
    found = by_group(np.zeros(0), [], "ndcg@10", "age_group")
    assert (found.verdict, found.groups) == ("too few", ())
