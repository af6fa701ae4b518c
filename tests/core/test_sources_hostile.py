"""Rows F-P1 and F-P5, and any bytes at all: an event stream or a quarantine, never a crash or a phantom."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.errors import ForgeError
from tests.core.readers import cell, folder, history, page, read_all, record

BEFORE, AFTER = json.dumps(record(1)), json.dumps(record(3))
ITEMS = {"youtube:video000001", "youtube:video000003"}


def between(tmp_path, middle: bytes | str):
    """Read a history whose middle record is ``middle``; its neighbours must be intact."""
    middle = middle.encode() if isinstance(middle, str) else middle
    content = b"[" + BEFORE.encode() + b",\n" + middle + b",\n" + AFTER.encode() + b"]"
    started = time.monotonic()
    found = read_all(folder(tmp_path, {"h.json": content}))
    assert time.monotonic() - started < 5
    assert {row["item"] for row in found.rows["watch"]} >= ITEMS
    return found


@pytest.mark.parametrize(
    ("middle", "reason"),
    [
        ('{"header":"YouTube","x":' + "[" * 100_000 + "]" * 100_000 + "}", "too deep"),
        ('{"header":"YouTube","x":' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}", "too deep"),
        ('{"header":"YouTube","title":NaN}', "malformed"),
        ('{"header":"YouTube","title":5}', "wrong type"),
        ('{"header":"YouTube","subtitles":{"name":"x"}}', "wrong type"),
        ('{"header":"YouTube","title":"a "quoted" word"}', "malformed"),
        ('{"header":"YouTube" "title":"x"}', "malformed"),
        (b'{"header":"YouTube","title":"\xff\xfe"}', "malformed"),
        ('{"header":"YouTube","time":1e999}', "wrong type"),
        ("5", "not an object"),
        ('"text"', "not an object"),
        ("null", "not an object"),
        ('{"header":"YouTube","title":"' + "a" * 3_000_000 + '"}', "too long"),
    ],
    ids=lambda value: None if isinstance(value, str) and len(value) < 20 else "",
)
def test_F_P1_a_broken_record_is_quarantined_and_its_neighbours_intact(tmp_path, middle, reason):
    found = between(tmp_path, middle)

    assert len(found.rows["watch"]) == 2
    assert found.quarantined == {reason: 1}


@pytest.mark.parametrize(
    "middle",
    [
        '{"header":"YouTube","title":"lost quote}',
        '{"header":"YouTube","title":"lost brace"',
        '{"header":"YouTube","title":{"lost":[}',
        '{"header":"YouTube","title":"stray"]}',
        '{"header":"YouTube","title":"stray"}}',
        '{"header":"YouTube","title":"stray"}]',
        '{"header":"YouTube","title":"stray","x":[[1]]]]]}}}',
    ],
)
def test_F_P1_reading_resumes_after_a_lost_quote_or_brace(tmp_path, middle):
    """The record before which structure is found again may be lost too, no more."""
    many = ",".join(json.dumps(record(number)) for number in range(10, 2010))
    content = f"[{BEFORE},\n{middle},\n{many}]"

    found = read_all(folder(tmp_path, {"h.json": content}))

    assert len(found.rows["watch"]) >= 2000
    assert sum(found.quarantined.values()) >= 1


@pytest.mark.parametrize(
    ("middle", "title"),
    [
        (json.dumps(record(2, title="Watched \ud83c lone")), "\ufffd lone"),
        (json.dumps(record(2, title="Watched a\0b")), "ab"),
        (json.dumps(record(2))[:-1] + ',"title":"Watched second"}', "second"),
        (json.dumps(record(2))[:-1] + ',"other":' + "9" * 5000 + "}", "Film 2"),
        (json.dumps(record(2))[:-1] + ',"other":1e999}', "Film 2"),
    ],
    ids=["lone surrogate", "NUL", "duplicate key", "5000 digits", "1e999"],
)
def test_F_P1_what_can_be_mended_is_read(tmp_path, middle, title):
    found = between(tmp_path, middle)

    assert [row["title"] for row in found.rows["watch"]][1] == title
    assert found.quarantined == {}


def test_F_P1_a_truncated_history_keeps_what_came(tmp_path):
    content = history(*map(record, range(100)))[:-300]

    found = read_all(folder(tmp_path, {"h.json": content}))

    assert len(found.rows["watch"]) >= 98
    assert found.quarantined == {"truncated": 1}


MEMORY = """
import io, sys, time
from forge_core.sources import reader_named
from forge_core.sources.base import MemberReport, Sink

class Endless(io.RawIOBase):
    def __init__(self, first, filler, count):
        self.parts, self.filler, self.count = [first], filler, count
    def read(self, size=-1):
        if self.parts:
            return self.parts.pop()
        self.count -= 1
        return self.filler if self.count >= 0 else b""

report = MemberReport("m")
first, filler = {first!r}.encode(), {filler!r}.encode()
filler = filler * ((1 << 20) // len(filler))
started = time.monotonic()
reader, sink = reader_named("youtube"), Sink(report, "me")
parts = reader.split(Endless(first, filler, {count}), sink)
rows = sum(batch.rows.num_rows for part in parts for batch in reader.parse(part, sink))
peak = [l for l in open("/proc/self/status") if l.startswith("VmHWM")][0].split()[1]
print(rows, sum(report.quarantined.values()), peak, time.monotonic() - started)
"""


@pytest.mark.parametrize(
    ("first", "filler"),
    [
        ("[" + BEFORE + ',{"header":"', "a"),
        ("[" + BEFORE + ',{"header":', "["),
        ("[" + BEFORE + ',{"header":', '{"a":'),
        ("[" + BEFORE + ",", "\\\\"),
        (page(cell(1))[:-20] + cell(2)[:400], "<b>"),
        (page(cell(1))[:-20] + '<div class="outer-cell', "x"),
    ],
    ids=["one string", "open brackets", "open braces", "backslashes", "open tags", "one attribute"],
)
def test_F_P1_F_P5_memory_and_time_are_bounded_however_long_one_line_is(first, filler):
    """300 MB of one line here; nothing is kept beyond the limit of one record, so 10 GB need no more."""
    code = MEMORY.format(first=first, filler=filler, count=300)

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows, quarantined, peak, seconds = done.stdout.split()

    assert (int(rows), int(quarantined)) == (1, 1)
    assert int(peak) < 300_000
    assert float(seconds) < 15


def test_F_P5_millions_of_nested_tags_are_set_aside_fast(tmp_path):
    bomb = "Watched&nbsp;" + "<b>" * 5_000_000
    started = time.monotonic()

    found = read_all(folder(tmp_path, {"h.html": page(cell(1), cell(2, body=bomb), cell(3))}))

    assert time.monotonic() - started < 5
    assert {row["item"] for row in found.rows["watch"]} == ITEMS
    assert found.quarantined == {"too long": 1}


@pytest.mark.parametrize("tag", ["<b>", "<div>", "<a href='x'>", "<table><td>", "<svg>", "<template>"])
def test_F_P5_many_tags_in_one_cell_take_bounded_time(tmp_path, tag):
    cells = [cell(number, body="Watched&nbsp;" + tag * (1900 // tag.count("<"))) for number in range(50)]
    started = time.monotonic()

    found = read_all(folder(tmp_path, {"h.html": page(cell(1), *cells, cell(3))}))

    assert time.monotonic() - started < 5
    assert {row["item"] for row in found.rows["watch"]} == ITEMS


def test_F_P5_an_entity_bomb_in_a_page_is_text(tmp_path):
    doctype = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
    url = "https://www.youtube.com/watch?v=video000001"
    body = f'Watched&nbsp;<a href="{url}">&a;&b;</a><br>'

    found = read_all(folder(tmp_path, {"h.html": doctype + page(cell(1, body=body))}))

    assert all("root:" not in (row["title"] or "") for row in found.rows.get("watch", []))


def test_F_P5_a_truncated_page_keeps_what_came(tmp_path):
    whole = page(*map(cell, range(100)))

    for cut in range(len(whole) - 1500, len(whole) - 1, 97):
        found = read_all(folder(tmp_path, {"h.html": whole[:cut]}))
        items = [row["item"] for row in found.rows["watch"]]
        assert items == [f"youtube:video{number:06d}" for number in range(len(items))]
        assert 97 <= len(items) <= 100
        assert all(row["time_flag"] is None for row in found.rows["watch"])


def test_no_value_of_the_data_is_in_the_report(tmp_path):
    secret = "Sekret Title"
    members = {
        "a.json": history(record(1), record(2, title=secret), record(3, time=secret)),
        "b.html": page(cell(1), cell(2, body=secret + "<br>"), cell(3, date=secret)),
    }

    found = read_all(folder(tmp_path, members))

    assert secret not in json.dumps(found.report.as_dict())
    assert secret not in json.dumps(found.survey.as_dict())


SEEDS = [
    history(record(1), record(2, details=[{"name": "From Google Ads"}]), record(3)).encode(),
    page(cell(1), cell(2), cell(3)).encode(),
    json.dumps({"Browser History": [{"page_transition": "LINK", "title": "t", "url": "https://a.test/",
                                     "time_usec": 1617404690134513}] * 3}).encode(),
    b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3\t881250949\n2\t3\t4\t881250950\n",
]  # fmt: skip


@settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_files_are_read_or_quarantined(tmp_path, data):
    content = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.one_of(st.binary(max_size=4), st.sampled_from([bytes([char]) for char in b'"\\{}],<&\0']))
        )
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))

    read_any(tmp_path, bytes(content[:cut]))


@settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prefix=st.sampled_from([b"", b"[{", *(seed[:length] for seed in SEEDS for length in (60, 250, 700))]),
    content=st.binary(max_size=400),
)
def test_any_bytes_are_read_or_quarantined(tmp_path, prefix, content):
    read_any(tmp_path, prefix + content)


@settings(max_examples=100, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    json_value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["header", "title", "titleUrl", "subtitles", "time"]), inner)
        ),
        max_leaves=12,
    )
)
def test_any_json_between_records_leaves_its_neighbours_alone(tmp_path, json_value):
    found = between(tmp_path, json.dumps(json_value))

    assert len(found.rows["watch"]) == 2


def read_any(tmp_path, content: bytes) -> None:
    try:
        found = read_all(folder(tmp_path, {"member": content}))
    except ForgeError as error:
        if error.code.startswith("FORGE-ARCHIVE-"):
            return  # refused at the door
        raise
    status = found.report.members["member"].status
    assert status in ("imported", "skipped", "quarantined")
    assert len(found.rows.get("watch", [])) <= 3
