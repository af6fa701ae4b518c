"""Tables as text: cut into parts and taken apart again, stored raw, neutralised on their way out; F-P6."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.exporting import neutralised, write_csv
from forge_core.sources import Options
from forge_core.sources.base import MemberReport, Sink
from forge_core.sources.csv_parts import csv_parts, records


def sink(**limits):
    return Sink(MemberReport("member"), "me", Options(**limits))


@pytest.mark.parametrize(
    "cell", ["=cmd()", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=x", "\uff1dcmd()", "  =cmd()"]
)
def test_F_P6_text_is_stored_as_it_is_and_neutralised_on_its_way_out(cell):
    text = io.StringIO(newline="")

    write_csv(text, ["query"], [[cell], ["plain"], [-1.5]])

    rows = list(csv.reader(io.StringIO(text.getvalue(), newline="")))
    assert rows == [["query"], ["'" + cell], ["plain"], ["-1.5"]]
    assert neutralised("a=b") == "a=b"


def test_F_P6_embedded_newlines_and_a_lost_quotation_mark():
    text = 'a,b\n1,"two\nlines"\n2,"lost\n3,"x"\n4,y\n'
    into = sink(line_bytes=20)

    found = [
        record.fields for part in csv_parts(io.BytesIO(text.encode()), into) for record in records(part, into)
    ]

    assert [fields for fields in found if fields != ["a", "b"]] == [
        ["1", "two\nlines"],
        ["3", "x"],
        ["4", "y"],
    ]
    assert into.report.quarantined == {"malformed": 1}


@pytest.mark.parametrize("columns", [10_001, 1_000_000])
def test_F_P6_a_table_of_a_million_columns_is_set_aside(columns):
    into = sink()
    text = ",".join(["c"] * columns) + "\n" + ",".join(["=1"] * columns) + "\n"

    found = [record for part in csv_parts(io.BytesIO(text.encode()), into) for record in records(part, into)]

    assert found == []
    assert sum(into.report.quarantined.values()) >= 1


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.text("ab,\"\n\r'=", max_size=6), min_size=2, max_size=2), min_size=1, max_size=20)
)
def test_a_table_cut_anywhere_gives_the_records_of_the_whole(table):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["one", "two"], *table])
    into = sink(part_bytes=8)

    parts = list(csv_parts(io.BytesIO(text.getvalue().encode()), into))
    found = [record.fields for part in parts for record in list(records(part, into))[1:]]

    assert found == table
    assert not into.report.quarantined
