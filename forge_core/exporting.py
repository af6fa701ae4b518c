"""Tables that leave Forge: text that a spreadsheet would run is made harmless first."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import TextIO

# OWASP, CSV injection: a cell that begins so may be taken for a formula; full-width forms are taken alike
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def neutralised(text: str) -> str:
    """The text behind an apostrophe where a spreadsheet could take it for a formula."""
    if text.startswith(FORMULA) or text.lstrip().startswith(FORMULA):
        return "'" + text
    return text


def write_csv(stream: TextIO, names: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a table with every text neutralised and quoted; open the stream with ``newline=""``. Returns rows."""
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([neutralised(name) for name in names])
    count = 0
    for row in rows:
        writer.writerow([neutralised(value) if isinstance(value, str) else value for value in row])
        count += 1
    return count
