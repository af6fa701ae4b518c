"""Public samples of logs in loghub's layout: OpenSSH, Linux, Apache, BGL and HDFS.

A log is of the set where its parsed twin lies beside it (``…_structured.csv``, which repeats the log and is not
read); BGL and HDFS have layouts of their own. BGL's first column is a label: it is kept apart from the event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from forge_core.archives import Archive, Member
from forge_core.events import TimeFlag
from forge_core.sources.apache_log import APACHE, add_apache
from forge_core.sources.base import Batch, Context, Format, Head, Sink, guarded
from forge_core.sources.log_lines import line_parts, lines, visible
from forge_core.sources.loghub_layout import is_twin, with_twin
from forge_core.sources.options import Options
from forge_core.sources.syslog import add_line, take_apart
from forge_core.times import SECOND, Moment, parse_epoch, plausible

_BGL = re.compile(
    rb"(-|[A-Z]{3,12}) (\d{9,10}) \d{4}\.\d\d\.\d\d (\S{1,64}) \d{4}-\d\d-\d\d-\d\d\.\d\d\.\d\d\.\d{1,6} \S{1,64} "
    rb"(\S{1,16}) (\S{1,32}) (\S{1,16})(?: |\Z)"
)
_HDFS = re.compile(
    rb"(\d\d)(\d\d)(\d\d) (\d\d)(\d\d)(\d\d) \d{1,9} (INFO|WARN|ERROR|FATAL|DEBUG) (dfs\.[\w.$]{1,80}): "
)
_BAD = frozenset(("ERROR", "FATAL", "SEVERE", "FAILURE"))
_SYSTEM = re.compile(r"[^a-z0-9]+")


class LogHub:
    name = "loghub"
    system = "loghub"
    formats = (
        Format(
            "loghub samples", "text", ("security",), "OpenSSH, Linux, Apache, BGL (labelled) and HDFS logs"
        ),
    )

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        samples = with_twin(heads)
        logs = {
            name
            for name, head in heads.items()
            if _BGL.match(head.data) or _HDFS.match(head.data) or (name in samples and _is_log(head.data))
        }
        beside = {name.rpartition("/")[0] for name in logs}
        twins = [n for n, head in heads.items() if is_twin(head.data) and n.rpartition("/")[0] in beside]
        return [*sorted(logs), *twins]

    def population(self, members: Sequence[str]) -> str | None:
        return "benchmark:loghub"

    def read(self, archive: Archive, members: Sequence[Member], context: Context) -> Iterator[Batch]:
        for member in members:
            report = context.report.member(member.name, self.name)
            if is_twin(archive.head(member, 4096)):
                report.status, report.reason = "skipped", "the log itself is read"
                continue
            sink = Sink(report, f"loghub:{_system(member.name)}", context.options)
            yield from guarded(report, partial(self._rows, archive, member, sink))

    def _rows(self, archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
        with archive.open(member) as stream:
            for place, part in enumerate(line_parts(stream, sink)):
                sink.part = place
                for number, line in lines(part, sink):
                    _add(sink, line, sink.position(number))
                    yield from sink.full()
        yield from sink.rest()


def _is_log(head: bytes) -> bool:
    line = head.partition(b"\n")[0].decode("utf-8", "replace").rstrip("\r")
    return take_apart(line) is not None or APACHE.match(line) is not None


def _system(member: str) -> str:
    """``openssh`` of ``OpenSSH/OpenSSH_2k.log``."""
    stem = member.rpartition("/")[2].rpartition(".")[0].casefold()
    return _SYSTEM.sub("-", stem.removesuffix("_2k")).strip("-") or "log"


def _add(sink: Sink, line: bytes, position: int) -> None:
    text = line.decode("utf-8", "replace")
    if found := _BGL.match(line):
        label, epoch, node, _, component, level = (part.decode("utf-8", "replace") for part in found.groups())
        at = parse_epoch(epoch)
        name = component.lower()
        sink.add(
            "security", "loghub", f"bgl:{name}", at or Moment(None, None, TimeFlag.UNKNOWN.value), position,
            label="normal" if label == "-" else label, action=name, device=visible(node),
            outcome="failure" if level in _BAD else "unknown", message=visible(text.partition(" ")[2]),
        )  # fmt: skip
    elif found := _HDFS.match(line):
        name = found[8].decode("utf-8", "replace").rpartition("$")[2].rpartition(".")[2]
        moment = _hdfs_time([int(part) for part in found.groups()[:6]])
        if moment is None:
            sink.quarantine("unknown date")
            return
        sink.add(
            "security", "loghub", f"hdfs:{name.lower()}", moment, position, action=name.lower(),
            outcome="failure" if found[7].decode("utf-8", "replace") in _BAD else "unknown", message=visible(text),
        )  # fmt: skip
    elif taken := take_apart(text):
        add_line(sink, "loghub", taken, position, text)
    elif not add_apache(sink, "loghub", text, position):
        sink.quarantine("malformed")


def _hdfs_time(parts: list[int]) -> Moment | None:
    """``081109 203615``: the century is the layout's (%y), the zone is not told."""
    year, month, day, hour, minute, second = parts
    try:
        at = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return plausible(int(at.timestamp()) * SECOND, None, TimeFlag.NO_ZONE.value)


READER = LogHub()
