"""What the UI shows of a clean table of events: rows per day, silences, what came twice, what was left out."""

from typing import Any

from dagster import MetadataValue, TableMetadataValue, TableRecord

from forge_assets import pictures
from forge_assets.outcome import shown
from forge_assets.raw.showing import readers_of
from forge_resources.postgres import Database
from forge_resources.rhythm import Rhythm
from forge_resources.stores import Stores

REASONS = 12  # the most frequent ones; there are few


def showing(stores: Stores, kind: str, rhythm: Rhythm) -> dict[str, Any]:
    """Metadata of ``clean/<kind>``: sums over people, and never a name of a file."""
    days = rhythm.days
    metadata: dict[str, Any] = {
        "days_with_events": len(days),
        "first_day": str(min(days)) if days else "–",
        "last_day": str(max(days)) if days else "–",
        "longest_silence_days": max((s.longest or 0 for s in rhythm.sources), default=0),
        "gaps": sum(source.gaps for source in rhythm.sources),
        "arrived_again": _arrived_again(stores.database, kind),
    }
    if days:
        metadata["rows_per_day"] = shown(stores, pictures.heat_strip(days, "events"))
    if rhythm.sources:
        metadata["sources"] = _sources(rhythm)
    if left_out := _left_out(stores.database, kind):
        metadata["left_out"] = MetadataValue.table(left_out)
    return metadata


def _sources(rhythm: Rhythm) -> TableMetadataValue:
    """One line per source: its life, and its silences beside what is usual for the people in it."""
    return MetadataValue.table(
        [
            TableRecord(
                {
                    "source": source.source,
                    "people": source.subjects,
                    "events": source.rows,
                    "days": source.days,
                    "first": str(source.first_day or "–"),
                    "last": str(source.last_day or "–"),
                    "usual silence": "–" if source.usual is None else f"{source.usual:.0f} d",
                    "longest": "–" if source.longest is None else f"{source.longest} d",
                    "gaps": source.gaps,
                }
            )
            for source in rhythm.sources
        ]
    )


def _arrived_again(database: Database, kind: str) -> int:
    """Events of exports that an earlier export, or another file format, had told of already."""
    arrived = database.value(
        "select coalesce(sum(rows), 0)::bigint from forge.publications where kind = %s", (kind,)
    )
    return max(0, arrived - database.count(f"raw.{kind}"))


def _left_out(database: Database, kind: str) -> list[TableRecord]:
    """Why records of files that can hold this kind are no events of it: broken ones, and those that are none."""
    rows = database.rows(
        "select reason.key, sum(reason.value::bigint)::bigint, count(*) from forge.members,"
        " jsonb_each_text(reasons) reason where reader = any(%s) group by 1 order by 2 desc, 3 desc, 1 limit %s",
        (list(readers_of(kind)), REASONS),
    )
    return [TableRecord({"reason": why, "records": records, "files": files}) for why, records, files in rows]
