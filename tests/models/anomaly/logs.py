"""Synthetic logs for the anomaly tests, with habits in them: tables as ``features/*`` have them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from forge_models.anomaly.incidents import recounted

START = 19_700  # a day of 2023
DAY_S = 86_400
TIME = pa.timestamp("us", tz="UTC")
ACTIONS = ("mail:login", "mail:read", "drive:login", "drive:open", "account:view", "photos:open")


def security(
    subjects: int = 1,
    days: int = 120,
    seed: int = 0,
    *,
    countries: bool = True,
    devices: bool = True,
    prefix: str = "person",
    per_day: float = 8.0,
) -> pa.Table:
    """Logins at each person's hours, seldom a failure, now and then a new network, once a season a new device."""
    rng = np.random.default_rng(seed)
    rows: list[dict] = []
    for subject in range(subjects):
        hours = rng.choice(np.arange(7, 22), 4, replace=False)
        liked = rng.dirichlet(np.full(len(ACTIONS), 0.7))
        often, roams, fumbles = (
            per_day * rng.uniform(0.4, 2.5),
            rng.uniform(0.002, 0.06),
            rng.uniform(0, 0.05),
        )
        for day in range(days):
            for _ in range(rng.poisson(often * (0.6 if (day + 3) % 7 >= 5 else 1.0)) + 1):
                hour = int(rng.choice(hours)) if rng.random() < 0.9 else int(rng.integers(7, 24))
                at = (START + day) * DAY_S + hour * 3600 + int(rng.integers(3600))
                rows.append(
                    {
                        "subject": f"{prefix}{subject}",
                        "time": at * 1_000_000,
                        "item": str(rng.choice(np.array(ACTIONS, object), p=liked)),
                        "failed": bool(rng.random() < fumbles),
                        "new_device": int(rng.random() < 0.004) if devices else None,
                        "new_network": int(rng.random() < roams) if devices else None,
                        "new_country": int(rng.random() < 0.001) if countries else None,
                        "impossible_travel": 0 if countries else None,
                    }
                )
    return events(rows)


def events(rows: list[dict]) -> pa.Table:
    """``features/security_events`` of rows with subject, time (microseconds), item and marks."""
    n = len(rows)

    def marks(name: str) -> pa.Array:
        return pa.array([row.get(name) for row in rows], pa.int64())

    columns = {
        "event_id": pa.array([f"00000000-0000-0000-0000-{place:012d}" for place in range(n)]),
        "subject": pa.array([row["subject"] for row in rows], pa.string()),
        "source": pa.array([row.get("source", "test") for row in rows], pa.string()),
        "time": pa.array([row["time"] for row in rows], pa.int64()).cast(TIME),
        "item": pa.array([row["item"] for row in rows], pa.string()),
        "failed": pa.array([bool(row.get("failed")) for row in rows]),
        **{
            name: marks(name)
            for name in ("earlier", "events_1h", "events_24h", "failures_1h", "failures_24h")
        },
        **{name: marks(name) for name in ("new_item", "new_device", "new_network", "new_country")},
        "other_country_h": pa.nulls(n, pa.float64()),
        "impossible_travel": marks("impossible_travel"),
        "seconds_since_last": pa.nulls(n, pa.float64()),
        "hour_rarity": pa.array(np.zeros(n)),
        "export": pa.array(["test-000000000000"] * n),
    }
    return recounted(pa.table(columns)) if n else pa.table(columns)


def daily(subjects: int = 1, days: int = 160, seed: int = 0, prefix: str = "person") -> pa.Table:
    """``features/activity_daily``: workdays and weekends with habits, and noise."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list] = {}
    for subject in range(subjects):
        scale = rng.uniform(0.5, 2.0, 7)
        for day in range(days):
            free = (day + 3) % 7 >= 5
            counts = rng.poisson(scale * np.array([12, 6, 20, 9, 2, 5, 0.4]) * (1.5 if free else 1.0))
            watch, search, browse, message, login, apps, night = (int(one) for one in counts)
            row = {
                "subject": f"{prefix}{subject}",
                "source": "test",
                "day": (START + day) * DAY_S * 1_000_000,
                "events": watch + search + browse + message + login + apps,
                "watch": watch,
                "search": search,
                "browse": browse,
                "message": message,
                "security": login,
                "app_usage": apps,
                "calendar_minutes": 0.0 if free else float(rng.poisson(120)),
                "dwell_minutes": float(rng.normal(1200 if free else 1000, 60)),
                "active_hours": int(rng.integers(8, 14)),
                "night_events": night,
                "first_hour": float(rng.normal(9.5 if free else 7.2, 0.5)),
                "last_hour": float(rng.normal(22.8, 0.5)),
                "longest_silence_h": float(rng.normal(9.0 if free else 8.0, 0.6)),
                "export": "test-000000000000",
            }
            for name, value in row.items():
                columns.setdefault(name, []).append(value)
    table = pa.table(columns)
    return table.set_column(2, "day", table["day"].cast(TIME))
