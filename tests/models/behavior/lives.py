"""Invented lives: people with a home, a workplace and habits, as the feature tables would tell of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

HOUR, DAY = 3_600_000_000, 86_400_000_000
START = 1_704_067_200_000_000 // DAY * DAY  # Monday 2024-01-01
TIME = pa.timestamp("us", "UTC")


def visits(days: int = 120, subjects: int = 2, seed: int = 0, moved_on: int | None = None) -> pa.Table:
    """``features/place_sequences``: home, work on weekdays, the gym on Mondays and Thursdays, weekends out."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for number in range(subjects):
        who = f"p{number}"
        for day in range(days):
            base = START + day * DAY
            home = "new home" if moved_on is not None and day >= moved_on else f"home {number}"
            plan = [(0.0, 8.0, home)]
            if day % 7 < 5:
                plan.append((9.0, 17.0, f"work {number}"))
                if day % 7 in (0, 3) and rng.random() < 0.9:
                    plan.append((17.5, 19.0, "gym"))
                elif rng.random() < 0.3:
                    plan.append((17.5, 18.0, "shop"))
            else:
                plan.append((10.0, 13.0, ["park", "museum", "friend"][int(rng.integers(3))]))
            plan.append((20.0, 24.0, home))
            for start, end, place in plan:
                early = rng.normal(0, 0.2)
                rows.append(
                    visit(who, place, base + int(max(0, start + early) * HOUR), base + int(end * HOUR))
                )
    return pa.Table.from_pylist(rows, schema=VISITS)


VISITS = pa.schema(
    [
        *((name, pa.string()) for name in ("subject", "source", "event_id", "place")),
        ("arrived_at", TIME), ("left_at", TIME), ("export", pa.string()), ("known_at", TIME),
    ]
)  # fmt: skip


def visit(who: str, place: str, start: int, end: int | None, source: str = "phone") -> dict[str, object]:
    return {
        "subject": who, "source": source, "event_id": f"{who}-{start}-{place}", "place": place, "arrived_at": start,
        "left_at": end, "export": f"{source}-1", "known_at": end or start,
    }  # fmt: skip


def activity(
    days: int = 120, subjects: int = 1, seed: int = 0, gap: tuple[int, int] | None = None
) -> pa.Table:
    """``features/activity_hourly``: busy evenings, busier on Saturdays; minutes in the calendar on weekdays at ten."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(subjects):
        for hour in range(days * 24):
            day, of_day = divmod(hour, 24)
            if gap and gap[0] <= day < gap[1]:
                continue
            mean = (
                6.0 * (1.6 if day % 7 == 5 else 1.0) if of_day in (19, 20, 21) else 0.4 if of_day > 7 else 0.0
            )
            events = int(rng.poisson(mean))
            minutes = 60.0 if of_day == 10 and day % 7 < 5 else 0.0
            if events or minutes:
                rows.append(
                    {
                        "subject": f"p{number}", "source": "browser", "hour": START + hour * HOUR, "events": events,
                        "calendar_minutes": minutes, "export": "browser-1",
                    }
                )  # fmt: skip
    schema = [(name, pa.string()) for name in ("subject", "source")]
    schema += [
        ("hour", TIME),
        ("events", pa.int64()),
        ("calendar_minutes", pa.float64()),
        ("export", pa.string()),
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(schema))


def daily(hourly: pa.Table) -> pa.Table:
    """``features/activity_daily`` of it."""
    day = pa.array(hourly["hour"].cast(pa.int64()).to_numpy() // DAY * DAY, pa.int64()).cast(TIME)
    grouped = hourly.append_column("day", day).group_by(["subject", "source", "export", "day"])
    return grouped.aggregate([("events", "sum"), ("calendar_minutes", "sum")]).rename_columns(
        ["subject", "source", "export", "day", "events", "calendar_minutes"]
    )


def sessions(days: int = 120, seed: int = 0) -> pa.Table:
    """``features/sessions``: searching and browsing in the morning, watching in the evening."""
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(days):
        for hour, kinds in ((9, ["search", "browse"]), (13, ["browse"]), (20, ["watch"])):
            if rng.random() < 0.8:
                start = START + day * DAY + int((hour + rng.random()) * HOUR)
                rows.append(
                    {
                        "subject": "p0", "source": "browser", "started_at": start, "ended_at": start + HOUR // 4,
                        "kinds": kinds, "export": "browser-1",
                    }
                )  # fmt: skip
    schema = [("subject", pa.string()), ("source", pa.string()), ("started_at", TIME), ("ended_at", TIME)]
    schema += [("kinds", pa.list_(pa.string())), ("export", pa.string())]
    return pa.Table.from_pylist(rows, schema=pa.schema(schema))


def calendar(days: int = 120) -> pa.Table:
    """``clean/calendar``: a meeting with others on weekdays, a lesson at a place on Wednesdays."""
    rows = []
    for day in range(days):
        if day % 7 < 5:
            rows.append(entry(START + day * DAY + 10 * HOUR, HOUR, ["a", "b"], ""))
        if day % 7 == 2:
            rows.append(entry(START + day * DAY + 18 * HOUR, HOUR, [], "hall"))
    schema = [("subject", pa.string()), ("source", pa.string()), ("time", TIME), ("end_time", TIME)]
    schema += [("all_day", pa.bool_()), ("location", pa.string()), ("attendees", pa.list_(pa.string()))]
    return pa.Table.from_pylist(
        rows, schema=pa.schema([*schema, ("title", pa.string()), ("export", pa.string())])
    )


def entry(start: int, length: int, others: list[str], place: str) -> dict[str, object]:
    return {
        "subject": "p0", "source": "calendar", "time": start, "end_time": start + length, "all_day": False,
        "location": place, "attendees": others, "title": "secret", "export": "calendar-1",
    }  # fmt: skip
