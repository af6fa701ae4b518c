"""The tables that evidence is gathered from, made in this process: of example exports, and of invented lives."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.generator import generate
from forge_core import keys
from forge_core.archives import open_archive
from forge_core.sources import ReadReport, read, survey
from forge_models.profile.evidence import SCHEMA

KINDS = ("watch", "browse", "app_usage", "message", "calendar", "place")
START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday


def exported(
    folder: Path, people: int, years: float, seed: int = 7
) -> tuple[dict[str, pa.Table], dict[str, Any]]:
    """Clean-like tables by key, and the planted truth; subjects are called as their archives say."""
    out = generate(folder, people=people, years=years, seed=seed)
    batches: dict[str, list[pa.Table]] = {kind: [] for kind in KINDS}
    for archive in sorted(out.glob("*.zip")):
        with open_archive(archive) as opened:
            found = survey(opened)
            for batch in read(opened, found, None, ReadReport()):
                if batch.kind in KINDS:
                    rows = pa.Table.from_batches([batch.rows])
                    whose = {"source": batch.source, "export": archive.name, "subject": found.subject or "me"}
                    for name, value in whose.items():
                        if name in rows.column_names:
                            rows = rows.drop_columns([name])
                        rows = rows.append_column(name, pa.array([value] * rows.num_rows, pa.string()))
                    batches[batch.kind].append(rows)
    tables = {}
    for kind, some in batches.items():
        table = pa.concat_tables(some).filter(pc.is_valid(pc.field("time")))
        numbers = [str(uuid.UUID(int=n)) for n in range(table.num_rows)]
        tables[keys.clean(kind)] = table.append_column("event_id", pa.array(numbers))
    tables[keys.feature("place_sequences")] = visits(tables[keys.clean("place")])
    tables[keys.feature("activity_hourly")] = hourly(tables)
    return tables, json.loads((out / "truth.json").read_text())


def visits(places: pa.Table) -> pa.Table:
    stays = places.filter(pc.invert(pc.starts_with(places["item"], "point:")))
    names = {"item": "place", "time": "arrived_at"}
    return stays.select(["subject", "source", "export", "event_id", *names]).rename_columns(
        ["subject", "source", "export", "event_id", *names.values()]
    )


def hourly(tables: Mapping[str, pa.Table]) -> pa.Table:
    """Counts by hour and kind, as ``features/activity_hourly`` has them."""
    kinds = ("watch", "search", "browse", "message", "app_usage")
    parts = []
    for kind in kinds:
        if keys.clean(kind) in tables:
            table = tables[keys.clean(kind)]
            hour = pc.floor_temporal(table["time"].cast(pa.timestamp("us", tz="UTC")), unit="hour")
            counted = {one: pa.array([int(one == kind)] * table.num_rows, pa.int64()) for one in kinds}
            names = ("subject", "source", "export")
            parts.append(pa.table({name: table[name] for name in names} | {"hour": hour} | counted))
    grouped = pa.concat_tables(parts).group_by(["subject", "source", "export", "hour"])
    found = grouped.aggregate([(kind, "sum") for kind in kinds])
    return found.rename_columns([name.removesuffix("_sum") for name in found.column_names])


def evidence(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Evidence by hand, from (subject, day, kind, thing) or with source after them."""
    made = []
    for number, row in enumerate(rows):
        subject, day, kind, thing, source = (*row, "src")[:5]
        made.append(
            {
                "subject": subject, "source": source, "export": "e1", "time": START + timedelta(days=int(day)),
                "kind": kind, "thing": thing, "label": thing.partition(":")[2], "weight": 1.0, "events": 1,
                "told_by": "clean/watch", "event_id": f"event {number}",
            }
        )  # fmt: skip
    return pa.Table.from_pylist(made, SCHEMA)


def tastes(
    people: int = 6, weeks: int = 40, things: int = 30, seed: int = 0, kind: str = "interest"
) -> pa.Table:
    """Each person loves a few channels, which change in the middle; and looks at a few by chance."""
    draw = np.random.default_rng(seed)
    facet = {"interest": "channel", "routine": "watch", "contact": "to"}[kind]
    rows = []
    for person in range(people):
        loves = [draw.dirichlet(np.full(things, 0.1)) for _ in range(2)]
        for week in range(weeks):
            taste = 0.9 * loves[week > weeks // 2] + 0.1 / things
            for thing in draw.choice(things, size=8, p=taste):
                rows.append((f"p_{person}", 7 * week + int(draw.integers(7)), kind, f"{facet}:{thing}"))
    return evidence(rows)
