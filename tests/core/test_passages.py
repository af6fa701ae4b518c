"""Passages hold all of a text that can be read, end where a reader would pause, and are never too long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.passages import FULL, FULL_WIDE, passages, readable

SENTENCE = "The harvest was late this year, and the rain came early. "


@given(st.text(max_size=5000))
def test_together_they_hold_every_readable_character(text: str) -> None:
    cut = list(passages(text))
    assert "".join("".join(cut).split()) == "".join(readable(text).split())
    assert all(0 < len(passage) <= FULL and passage == passage.strip() for passage in cut)


@given(st.text(st.sampled_from("ab. \n\x00́‍👩漢é\ud800"), max_size=4000))
def test_odd_characters_change_nothing_of_that(text: str) -> None:
    cut = list(passages(text))
    assert "\x00" not in "".join(cut)
    assert all(passage.encode() for passage in cut)  # no lone surrogate is left
    assert all(len(passage) <= FULL for passage in cut)


def test_a_passage_ends_with_a_sentence_and_rather_with_a_paragraph() -> None:
    sentences = list(passages(SENTENCE * 40))
    assert len(sentences) > 2
    assert all(passage.endswith("early.") for passage in sentences)
    first = next(passages(SENTENCE * 12 + "\n\n" + SENTENCE * 12))
    assert first == (SENTENCE * 12).strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("x" * 10_000_000, ["x" * 40 + "…"], id="10 MB without a space"),
        pytest.param("\x00" * 50, [], id="NUL"),
        pytest.param(" \n\t\r\n ", [], id="white space"),
        pytest.param("שלום עולם", ["שלום עולם"], id="right to left"),
        pytest.param("🙂", ["🙂"], id="an emoji"),
    ],
)
def test_what_is_hardly_text(text: str, expected: list[str]) -> None:
    assert list(passages(text)) == expected


def test_a_script_of_one_token_a_character_has_shorter_passages() -> None:
    cut = list(passages("漢字" * 1000))
    assert {len(passage) for passage in cut[:-1]} == {FULL_WIDE}


def test_a_joined_emoji_and_a_letter_with_marks_stay_whole() -> None:
    family = "👨‍👩‍👧"
    assert all(passage.startswith("👨") for passage in passages(family * 2000))
    assert not any(passage.startswith("́") for passage in passages("é" * 5000))
