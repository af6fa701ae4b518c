"""Any bytes given to one reader: what it makes of them must keep the contract, or be set aside with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow.compute as pc

from forge_core.archives import MemberError
from forge_core.archives.memory import MemoryArchive
from forge_core.events import KINDS, arrow_schema
from forge_core.sources import Batch, MemberReport, Options, ReadReport, browser_database, reading, work
from forge_core.sources.base import Reader
from forge_core.sources.options import TableMapping
from forge_core.sources.survey import survey_with

CORPUS = Path(__file__).parent / "corpus"
DAY = 86_400_000_000
OPTIONS = Options(
    calendar_rule_seconds=1,  # a fuzzer wants many small inputs
    mappings=(  # that of the corpus
        TableMapping(
            "doors", "security", {"item": "Door", "time": "Zeit", "account": "Person", "outcome": "Ergebnis"},
            time_format="%d.%m.%Y %H:%M:%S", zone="Europe/Berlin",
        ),
    ),
)  # fmt: skip


def seeds(reader: str) -> dict[str, bytes]:
    """The files of a reader's corpus, by name."""
    folder = CORPUS / reader
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def read(reader: Reader, members: Mapping[str, bytes], options: Options = OPTIONS) -> tuple[int, ReadReport]:
    """Rows that ``reader`` makes of these files, each checked; raises whatever the reader raises."""
    archive, report, rows = MemoryArchive(members), ReadReport(), 0
    found = survey_with([reader], archive, None, options)
    reading.begin(report, found)
    with _unshielded():
        for part in reading.parts(archive, found, "me", options):
            for batch in part.batches:
                check(batch)
                rows += batch.rows.num_rows
            report.add(part.reports)
    reading.settle(report, found)
    return rows, report


def check(batch: Batch) -> None:
    """The rules of the contract that hold for every row of every reader."""
    rows = batch.rows
    assert batch.kind in KINDS
    assert rows.schema == arrow_schema(batch.kind)
    rows.validate(full=True)
    assert rows.num_rows
    item, time, flag = (rows.column(name) for name in ("item", "time", "time_flag"))
    assert not item.null_count
    assert pc.all(pc.greater(pc.find_substring(item, ":"), 0)).as_py()
    assert not rows.column("sequence").null_count
    assert not pc.any(pc.and_(pc.is_null(time), pc.is_null(flag))).as_py()
    if time.null_count < len(time):
        assert pc.min(time).value >= DAY
    for name in ("latitude", "longitude"):
        if name in rows.schema.names:
            bound = 90 if name == "latitude" else 180
            column = rows.column(name)
            assert not pc.any(pc.or_(pc.is_nan(column), pc.greater(pc.abs(column), bound))).as_py()
    assert batch.labels is None or len(batch.labels) == rows.num_rows


class _unshielded:
    """Lets faults of readers through, that ``parts`` would turn into a quarantined member."""

    def __enter__(self) -> None:
        self._patched = [(module, module.shielded) for module in (browser_database, reading, work)]
        for module, _ in self._patched:
            module.shielded = _plain  # type: ignore[attr-defined]

    def __exit__(self, *_: object) -> None:
        for module, shielded in self._patched:
            module.shielded = shielded  # type: ignore[attr-defined]


def _plain(report: MemberReport, read: Callable[[], Iterator[Batch]]) -> Iterator[Batch]:
    try:
        yield from read()
    except MemberError as error:
        report.status, report.reason = "quarantined", str(error)
