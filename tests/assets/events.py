"""Events put into raw as if an export had brought them: for what happens after reading."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from forge_core.times import UNKNOWN
from forge_resources.stores import Stores

PARTITION = "takeout-0123456789ab"
DAY = timedelta(days=1)
START = datetime(2024, 1, 1, 12, tzinfo=UTC)


def told(
    stores: Stores, kind: str, events: Sequence[Mapping[str, Any]], partition: str = PARTITION,
    made: datetime | None = None,
) -> None:  # fmt: skip
    """Publish ``events`` of one kind with an export of ``me`` that was made then."""
    with stores.database.transaction() as connection:
        connection.execute(
            "insert into forge.exports (partition, sha256, source, subject, file, bytes, status)"
            " values (%s, '', 'takeout', 'me', '', 1, 'published') on conflict do nothing",
            (partition,),
        )
        connection.execute(
            "insert into forge.publications values (%s, %s, %s, %s, 'x')",
            (partition, kind, len(events), len(events)),
        )
        if made:
            connection.execute(
                "insert into forge.reaches (until, partition) values (%s, %s)", (made, partition)
            )
        for sequence, event in enumerate(events):
            row = {"subject": "me", "source": "youtube", "item": "youtube:x", "export": partition} | {
                "event_id": uuid.uuid4(), "sequence": sequence, **event
            }  # fmt: skip
            if row.get("time") is None:
                row["time_flag"] = UNKNOWN.flag
            names, places = ", ".join(row), ", ".join(["%s"] * len(row))
            connection.execute(f"insert into raw.{kind} ({names}) values ({places})", list(row.values()))


def on_days(*days: int, **event: Any) -> list[dict[str, Any]]:
    """An event at noon of each of these days."""
    return [{"time": START + day * DAY, "item": f"youtube:v{day}", **event} for day in days]
