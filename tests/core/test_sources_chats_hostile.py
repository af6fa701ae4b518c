"""Row F-P1 for chats: any bytes at all are messages or counted; memory and time are bounded."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.archives.memory import MemoryArchive
from forge_core.sources import reader_named
from forge_core.sources.base import Context, MemberReport, ReadReport
from forge_core.sources.options import Options
from tests.core.chats import account, chat_message, frames, telegram_chat, telegram_message


def rows_of(name: str, content: bytes, options: Options = Options()) -> MemberReport:  # noqa: B008
    """What a reader makes of any bytes, recognised or not."""
    reader, report = reader_named(name), ReadReport()
    archive = MemoryArchive({"a/messages.json": content})
    for batch in reader.read(archive, archive.members, Context("me", report, options)):
        batch.rows.validate(full=True)
        assert all(batch.rows.column("item").to_pylist())
    return report.member("a/messages.json")


SEEDS = {
    "google_chat": json.dumps({"messages": [chat_message(1), chat_message(2)]}),
    "telegram": account(telegram_chat(1, telegram_message(1), telegram_message(2))),
    "signal": frames("one", "two<NL>three"),
}
DAMAGE = [b"", b'"', b"\\", b"[", b"}", b"\0", b"\xff", b"\n", b"NaN", b'{"']


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=150, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_F_P1_a_damaged_chat_is_rows_or_a_quarantine(name, data):
    content = bytearray(SEEDS[name].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 20))
        content[at : at + cut] = data.draw(st.sampled_from(DAMAGE) | st.binary(max_size=8))

    assert rows_of(name, bytes(content)).rows["message"] <= 3


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=60, deadline=5000)
@given(content=st.binary(max_size=300))
def test_F_P1_any_bytes_are_no_phantom_message(name, content):
    assert rows_of(name, content).rows["message"] == 0


@pytest.mark.parametrize(
    "middle",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '"' + "a" * 3_000_000,
        '{"id":2,"text":NaN}',
        '{"id":2,"text":"\\ud83c"}',
    ],
    ids=["open brackets", "open braces", "open string", "NaN", "lone surrogate"],
)
@pytest.mark.parametrize("name", SEEDS)
def test_F_P1_deep_endless_and_odd_values_do_not_break_a_chat_reader(name, middle):
    seed = SEEDS[name]
    at = seed.rindex("{", 0, seed.index("one" if name == "signal" else '"text'))

    rows_of(name, (seed[:at] + middle + "," + seed[at:]).encode())


MEMORY = """
import io
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

first, filler = {first!r}.encode(), {filler!r}.encode()
filler = filler * ((1 << 20) // len(filler))
reader, sink = reader_named({name!r}), Sink(MemberReport("m"), "me")
for part in reader.split(Endless(first, filler, 300), sink):
    for batch in reader.parse(part, sink):
        pass
print([l for l in open("/proc/self/status") if l.startswith("VmHWM")][0].split()[1])
"""


@pytest.mark.parametrize(
    ("name", "first", "filler"),
    [
        ("telegram", '{"name":"x","type":"personal_chat","id":1,"messages":[{"id":1,"text":"', "a"),
        (
            "telegram",
            '{"name":"x","type":"personal_chat","id":1,"messages":[',
            json.dumps(telegram_message(1)) + ",",
        ),
        ("telegram", '{"about":"x","contacts":{"list":[', '{"user_id":1},'),
        ("signal", frames("one"), "a"),
        ("signal", frames("one"), frames("one")),
    ],
    ids=["one string", "messages", "contacts", "one line", "frames"],
)
def test_F_P1_the_memory_of_chat_readers_is_bounded(name, first, filler):
    code = MEMORY.format(name=name, first=first, filler=filler)

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 300_000  # kB
