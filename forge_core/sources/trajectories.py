"""Positions of several people as scikit-mobility writes them: ``lat,lng,datetime,uid``.

Its samples (GeoLife) come as one packed text file. The clock is local or UTC, the file does not say: times are
read as UTC and flagged. Subjects are named after the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.cohort import stem, with_subjects
from forge_core.sources.csv_parts import csv_parts, first_records, records
from forge_core.sources.location_columns import Columns, batches

NAMES = ("lat", "lng", "datetime", "uid")
SOURCE = "trajectories"
UID_MAX = 64  # characters


class Trajectories(SplitReader):
    name = "trajectories"
    system = "trajectories"
    formats = (
        Format("positions of several people", "CSV", ("place",), "scikit-mobility: lat, lng, datetime, uid"),
    )

    def recognise(self, head: bytes) -> bool:
        found = first_records(head)
        return bool(found) and found[0] == list(NAMES)

    def population(self, members: Sequence[str]) -> str | None:
        return f"benchmark:{stem(min(members))}"

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return csv_parts(stream, sink)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        people: dict[str, Columns] = {}
        found = records(part, sink)
        if len(next(found, (0, (), ""))[1]) != len(NAMES):
            return
        for _, (latitude, longitude, at, uid), _ in found:
            try:
                north, east = float(latitude), float(longitude)
            except ValueError:
                sink.quarantine("malformed")
                continue
            if not (uid := uid.strip()) or len(uid) > UID_MAX:
                sink.quarantine("no subject")
                continue
            columns = people.setdefault(uid, Columns())
            columns.times.append(at)
            columns.latitude.append(north)
            columns.longitude.append(east)
        name = stem(sink.report.member)
        for uid, columns in people.items():
            for batch in batches(columns, sink, source=SOURCE):
                yield with_subjects(batch, [f"{name}:{uid}"] * batch.rows.num_rows)


READER = Trajectories()
