"""Our readers on one file: ``ours PATH WORKERS [--check KIND]``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.arms import measure
from forge_core.archives import open_archive
from forge_core.sources import ReadReport, read, survey

FIELDS = {
    "message": (
        "item", "time", "thread", "sender", "recipients", "title", "body", "labels", "attachments",
    ),
    "search": ("product", "query", "url", "time"),
    "place": ("time", "latitude", "longitude", "accuracy"),
}  # fmt: skip


def main() -> None:
    path, workers = sys.argv[1], int(sys.argv[2])
    report, rows = ReadReport(), 0
    with open_archive(path) as archive:
        batches = read(archive, survey(archive), "me", report, workers=workers)
        if "--check" in sys.argv:
            measure.count(fields(batches, sys.argv[-1]))
            return
        for batch in batches:
            rows += batch.rows.num_rows
    totals = (report.total("quarantined"), report.total("passed_over"))
    measure.done(rows, set_aside=sum(totals[0].values()), passed_over=sum(totals[1].values()))


def fields(batches: Any, kind: str) -> Iterator[tuple[Any, ...]]:
    """The fields that peers read too; a time is milliseconds since 1970, a coordinate ten-millionths."""
    import pyarrow as pa

    for batch in batches:
        columns = []
        for name in FIELDS[kind]:
            column = batch.rows.column(name)
            if name == "time":
                columns.append([value // 1000 for value in column.cast(pa.int64()).to_pylist()])
            elif name in ("latitude", "longitude"):
                columns.append([round(value * 1e7) for value in column.to_pylist()])
            else:
                columns.append(column.to_pylist())
        yield from zip(*columns, strict=True)


if __name__ == "__main__":
    main()
