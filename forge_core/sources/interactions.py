"""Pairs of user and item as recommender libraries exchange them: ``user item 1`` per line (SELFRec).

What the items are the files do not say: they are watch events of unknown time in the set ``interactions``.
The files of a split (train, valid, test) are parts of one set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from forge_core.events import TimeFlag
from forge_core.sources.base import BATCH_ROWS, Batch, Format, Sink, SplitReader
from forge_core.sources.cohort import rows_of
from forge_core.sources.log_lines import line_parts, lines

_HEAD = re.compile(rb"(?:\d{1,9} \d{1,9} 1(?:\.0)?\r?\n){3}")
_LINE = re.compile(rb"(\d{1,9}) (\d{1,9}) 1(?:\.0)?\Z")
SET = "interactions"


class Interactions(SplitReader):
    name = "interactions"
    system = "interactions"
    formats = (Format("user-item pairs", "text", ("watch",), "SELFRec: user, item and 1 on each line"),)

    def recognise(self, head: bytes) -> bool:
        return bool(_HEAD.match(head))

    def population(self, members: Sequence[str]) -> str | None:
        return f"benchmark:{SET}"

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return line_parts(stream, sink)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        subjects: list[str] = []
        items: list[str] = []
        positions: list[int] = []
        for number, line in lines(part, sink):
            if not (found := _LINE.match(line.rstrip())):
                sink.quarantine("malformed")
                continue
            subjects.append(f"{SET}:{found[1].decode()}")
            items.append(f"{SET}:{found[2].decode()}")
            positions.append(sink.position(number))
            if len(items) == BATCH_ROWS:
                yield _batch(sink, subjects, items, positions)
                subjects, items, positions = [], [], []
        if items:
            yield _batch(sink, subjects, items, positions)


def _batch(sink: Sink, subjects: list[str], items: list[str], positions: list[int]) -> Batch:
    columns = {"item": items, "sequence": positions, "time_flag": [TimeFlag.UNKNOWN.value] * len(items)}
    return rows_of(sink, "watch", SET, subjects, columns)


READER = Interactions()
