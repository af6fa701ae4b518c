"""Activities of daily living (UCI, Ordóñez): start, end and activity of one home, as calendar entries.

The clock of the home has no zone. The subject is named after the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from forge_core.sources.activity import slug
from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.cohort import Cohort, stem
from forge_core.sources.log_lines import line_parts, lines
from forge_core.times import parse_iso

_HEAD = re.compile(rb"Start time[ \t]+End time[ \t]+Activity[ \t]*\r?\n[- \t]{3,}\r?\n")
_TITLES = re.compile(rb"Start time[ \t]|[- \t]+\Z")
_LINE = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[ \t]+(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[ \t]+(\S[^\t]{0,99}?)\s*\Z"
)
SET = "daily-activities"


class DailyActivities(SplitReader):
    name = "daily_activities"
    system = "activities"
    formats = (
        Format("activities of daily living", "text", ("calendar",), "UCI ADL: start, end and activity"),
    )

    def recognise(self, head: bytes) -> bool:
        return bool(_HEAD.match(head))

    def population(self, members: Sequence[str]) -> str | None:
        return f"benchmark:{SET}"

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return line_parts(stream, sink)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        cohort, subject = Cohort(sink, SET), f"{SET}:{stem(sink.report.member).removesuffix('-adls')}"
        for number, line in lines(part, sink):
            if _TITLES.match(line):
                continue
            if not (found := _LINE.match(line.decode("utf-8", "replace"))):
                sink.quarantine("malformed")
                continue
            start, end = parse_iso(found[1]), parse_iso(found[2])
            if start is None or end is None:
                sink.quarantine("unknown date")
            elif start.micros is not None and end.micros is not None and end.micros < start.micros:
                sink.quarantine("ends before it begins")
            else:
                cohort.add(
                    subject, "calendar", f"{SET}:{slug(found[3])}", start, sink.position(number),
                    title=found[3], end_time=end.micros, all_day=False,
                )  # fmt: skip
            yield from cohort.full()
        yield from cohort.rest()


READER = DailyActivities()
