"""Long JSON arrays: parts that hold every element once, however they are cut and whatever stands in strings."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.sources import MemberReport, Options, json_parts
from forge_core.sources.base import Sink
from forge_core.sources.json_stream import Decoder

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
    cut = list(json_parts.json_parts(small, into, [array] if array else [], ANCHOR, begin=ANCHOR))
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


def cut_with(content: bytes, part_bytes: int) -> tuple[list[Any], dict[str, int]]:
    """Elements of all parts, and what was counted on the way."""
    sink = Sink(MemberReport("x"), "me", Options(part_bytes=part_bytes))
    found = []
    for part in json_parts.json_parts(io.BytesIO(content), sink, [b"list"], rb'"a"'):
        found += json.loads(b"[" + part + b"]")
    return found, dict(sink.report.quarantined)


texts = st.text(alphabet='a"\\{}[],:é\n', max_size=12)
inner = st.recursive(
    texts | st.integers(), lambda some: st.lists(some, max_size=3) | st.dictionaries(texts, some)
)
elements = st.lists(st.fixed_dictionaries({"a": inner}, optional={"b": inner}), max_size=12)


@pytest.mark.parametrize(("chunk", "tail"), [(7, 64), (64, 16), (1 << 20, 1 << 16)])
@given(
    found=elements, indent=st.sampled_from([None, 1]), part_bytes=st.integers(1, 300), escaped=st.booleans()
)
def test_a_list_is_cut_between_its_elements_whatever_is_in_them(
    chunk, tail, found, indent, part_bytes, escaped
):
    content = json.dumps(
        {"before": "[", "list": found, "after": [{"a": 1}]}, indent=indent, ensure_ascii=escaped
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_parts, "TAIL", tail)
        patch.setattr(json_parts, "chunks", lambda stream, first: iter(lambda: stream.read(chunk), b""))

        assert cut_with(content.encode(), part_bytes) == (found, {})


def test_long_lists_are_cut_into_parts_of_the_size_asked_for():
    content = json.dumps({"list": [{"a": number, "b": "x" * 100} for number in range(50_000)]}).encode()
    sink = Sink(MemberReport("x"), "me", Options(part_bytes=2 << 20))

    sizes = [len(part) for part in json_parts.json_parts(io.BytesIO(content), sink, [b"list"], rb'"a"')]

    assert sum(sizes) > 5_800_000
    assert max(sizes) <= 3 << 20
    assert len(sizes) == 3
