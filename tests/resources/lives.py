"""Events put straight into clean tables: random lives, and single events by hand."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from forge_core import events
from forge_resources.postgres import Database

START = datetime(2024, 1, 1, tzinfo=UTC)
COMMON = {"source": "youtube", "export": "takeout-0123456789ab", "subject": "p_anna", "sequence": 0}
ITEM = {"place": "stay:52.52,13.40", "message": "mail:1", "document": "doc:1", "calendar": "ics:1"}


def at(days: float = 0, hours: float = 0, minutes: float = 0) -> datetime:
    return START + timedelta(days=days, hours=hours, minutes=minutes)


def happened(database: Database, kind: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert events of one kind; columns that a row does not give are those of ``COMMON`` or null."""
    names = [column.name for column in events.columns(kind)]
    statement = f"copy clean.{kind} ({', '.join(names)}) from stdin"
    with database.transaction() as connection, connection.cursor().copy(statement) as copy:
        for row in rows:
            full = {**COMMON, "item": ITEM.get(kind, "youtube:a"), "event_id": uuid.uuid4(), **row}
            copy.write_row([full.get(name) for name in names])


def life(
    seed: int, days: tuple[int, int], subject: str = "p_anna", source: str = "youtube"
) -> dict[str, list[dict]]:
    """Random events of every kind that features are made of, between two days."""
    draw = random.Random(seed)

    def moment() -> datetime:
        return at(
            days=draw.randrange(*days), hours=draw.choice((1, 8, 9, 20, 21, 23)), minutes=draw.random() * 60
        )

    def some(kind: str, count: int, **more: Any) -> list[dict]:
        return [
            {"subject": subject, "source": source, "time": moment(), "sequence": n, **{k: v() for k, v in more.items()}}
            for n in range(count)
        ]  # fmt: skip

    video = lambda: f"youtube:{draw.randrange(12)}"  # noqa: E731
    country = lambda: draw.choice(("DE", "DE", "FR", None))  # noqa: E731
    told = {
        "watch": some("watch", 60, item=video, title=lambda: "Title", channel=lambda: "Channel"),
        "search": some("search", 20, item=lambda: "search:x"),
        "browse": some("browse", 20, item=lambda: "web:x"),
        "message": some("message", 10, body=lambda: "Words of a letter.", sender=lambda: "c_bob"),
        "document": some("document", 3, body=lambda: "Words of a document."),
        "app_usage": some("app_usage", 5, item=lambda: "app:x"),
        "security": some(
            "security", 30, item=lambda: draw.choice(("login:in", "login:out")), country=country,
            address=lambda: draw.choice(("10.0.0.1", "10.0.9.1", "2001:db8::1", None)),
            device=lambda: draw.choice(("phone", "laptop")),
            outcome=lambda: draw.choice(("success", "failure", None)),
        ),
        "calendar": some("calendar", 8, all_day=lambda: False),
        "place": some("place", 15, item=lambda: f"stay:{draw.randrange(4)}"),
        "preference": [],
    }  # fmt: skip
    for kind, most in (("calendar", 200), ("place", 900)):
        for event in told[kind]:
            event["end_time"] = event["time"] + timedelta(minutes=draw.randrange(5, most))
    told["watch"].append({"subject": subject, "source": source, "item": video(), "time_flag": "unknown"})
    return told


def lived(database: Database, seed: int, days: tuple[int, int], **whose: str) -> None:
    for kind, rows in life(seed, days, **whose).items():
        happened(database, kind, rows)
