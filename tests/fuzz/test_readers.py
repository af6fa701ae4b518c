"""Every reader, with any bytes: an event stream or a quarantine, never a crash, a hang or a row out of contract."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from forge_core.sources import reader_named, readers
from tests.fuzz.reading import read, seeds

NAMES = [reader.name for reader in readers()]
# what breaks parsers: nesting, terminators, other encodings, numbers out of range, markup, directions of writing
SPLICES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"", b"\0", b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b"<", b">", b"&", b",", b";", b"\t", b"\n", b"\r\n",
         b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"NaN", b"1e999", b"-1", b"9" * 400, b"null", b"[" * 200,
         b'{"a":' * 200, b"<b>" * 200, b"&a;" * 50, b"\xe2\x80\xae", b"2099-01-01T00:00:00Z", b"0000-00-00",
         b"\nFrom x", b"BEGIN:VEVENT\n", b"=cmd()", b"\x1b[31m", b"A" * 5000]
    ),
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    """A seed with pieces cut out, doubled, moved and replaced."""
    data = seed
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 200)))
        piece = draw(st.one_of(SPLICES, st.just(data[start:stop] * 2)))
        data = data[:start] + piece + data[stop:]
    return data


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_is_read_by_its_reader(name: str) -> None:
    found = seeds(name)
    assert found, f"tests/fuzz/corpus/{name} is empty"
    reader = reader_named(name)
    rows, report = read(reader, found)
    if any(form.kinds for form in reader.formats):
        assert rows, report.as_dict()


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_F_P12_damaged_files_keep_the_contract(name: str, data: st.DataObject) -> None:
    member, seed = data.draw(st.sampled_from(sorted(seeds(name).items())))
    content = data.draw(mutated(seed))
    began = time.monotonic()
    read(reader_named(name), {member: content})
    assert time.monotonic() - began < 5


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=4000))
@example(b"")
@example(b"\0" * 100)
@example(b"[" * 10_000)
def test_F_P12_any_bytes_at_all(content: bytes) -> None:
    for reader in readers():
        read(reader, {"member": content})
