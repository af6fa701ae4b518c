"""``forge predict`` where there is nothing to answer from; answers themselves: tests/integration."""

from __future__ import annotations

from pathlib import Path

from tests.cli.runner import forge


def test_f_i3_a_subject_must_be_named() -> None:
    assert forge("predict", "recommender").code == 2


def test_f_i3_a_subject_and_an_item_are_two_questions() -> None:
    assert forge("predict", "recommender", "--subject", "me", "--like", "youtube:x").code == 2


def test_f_i3_an_item_without_a_place_is_wrong_usage(home: Path) -> None:
    ended = forge("predict", "recommender", "--like", "youtube:nothing", "--json")

    assert ended.code == 2
    assert ended.json["error"]["code"] == "FORGE-ITEM-UNKNOWN"
    assert "nothing" not in ended.json["error"]["what"]


def test_f_i3_an_unknown_family_is_wrong_usage(home: Path) -> None:
    ended = forge("predict", "oracle", "--subject", "me", "--json")

    assert ended.code == 2
    assert "recommender" in ended.json["error"]["fix"]


def test_f_i3_k_must_be_a_sensible_number() -> None:
    assert forge("predict", "recommender", "--subject", "me", "-k", "0").code == 2
