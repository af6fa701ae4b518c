"""Long JSON arrays: parts that hold every element once, however they are cut and whatever stands in strings."""

from __future__ import annotations

import io
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.sources import MemberReport, Options
from forge_core.sources.base import Sink
from forge_core.sources.json_stream import Decoder, parts

ANCHOR = rb'"(?:header|title)"'


class Element(msgspec.Struct):
    header: str = ""
    title: str = ""


DECODE = Decoder(Element, ANCHOR)


def sink(part_bytes: int = 4096) -> Sink:
    return Sink(MemberReport("x"), "me", Options(part_bytes=part_bytes))


def read(
    data: bytes, array: bytes | None = None, part_bytes: int = 4096
) -> tuple[list[str], dict[str, int], int]:
    into = sink(part_bytes)
    stream = io.BytesIO(data)
    small = type("Small", (io.BytesIO,), {"read": lambda self, size=-1: stream.read(min(size, 1000))})()
    cut = list(parts(small, into, array, ANCHOR))
    titles = [element.title for part in cut for found in DECODE(part, into) for element in found]
    return titles, dict(into.report.quarantined), len(cut)


NASTY = [
    '[Official] "video" ],{"header":',
    "}]}",
    "\\",
    '\\"',
    '],"Other":[{"title":"',
    "\\\\",
    "é歌\u2028",
    ',{"title":"x"}',
]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("array", [None, b"List"])
def test_every_element_comes_once_whatever_its_strings_hold(indent, array):
    elements = [{"header": f"h{n}", "title": f"{NASTY[n % len(NASTY)]} {n}"} for n in range(800)]
    whole = (
        elements
        if array is None
        else {"Before": [{"title": "no"}], "List": elements, "After": [{"title": "no"}]}
    )

    titles, quarantined, count = read(json.dumps(whole, indent=indent).encode(), array)

    assert titles == [element["title"] for element in elements]
    assert quarantined == {}
    assert count > 3


@pytest.mark.parametrize(
    "broken", ['{"header":"lost quote}', '{"header":"lost brace"', '{"title":5}', "7", '{"header":"x"}]']
)
@pytest.mark.parametrize("at", [3, 150, 299])
def test_F_P1_a_broken_element_of_a_long_array_leaves_the_others_alone(broken, at):
    elements = [json.dumps({"header": "h", "title": f"t {n} ]}}[{{"}) for n in range(300)]

    titles, quarantined, _ = read(("[" + ",".join([*elements[:at], broken, *elements[at:]]) + "]").encode())

    known = {json.loads(element)["title"] for element in elements}
    assert len(known - set(titles)) <= 1  # at most the neighbour that a lost quotation mark swallows
    assert (
        1 <= sum(quarantined.values()) <= 3
    )  # brackets in strings may count, where quotation marks are lost


def test_a_truncated_array_says_so():
    data = json.dumps([{"header": "h", "title": str(n)} for n in range(500)]).encode()

    titles, quarantined, _ = read(data[:-20])

    assert len(titles) == 499
    assert sum(quarantined.values()) >= 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=80), max_size=60), st.integers(50, 3000), st.sampled_from([None, 1]))
def test_any_strings_are_read_back(texts, part_bytes, indent):
    data = json.dumps([{"title": text} for text in texts], ensure_ascii=False, indent=indent).encode()

    assert read(data, part_bytes=part_bytes)[:2] == (texts, {})
