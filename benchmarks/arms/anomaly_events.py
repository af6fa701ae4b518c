"""A synthetic log of account events for the speed of scoring: many streams with habits, seeded."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")


def events(n: int, streams: int, seed: int = 0) -> pa.Table:
    """``features/security_events`` of a year, ``n`` rows; counts in windows are left null."""
    rng = np.random.default_rng(seed)
    names = np.array([f"service:{k}" for k in range(40)], object)
    who = rng.integers(0, streams, n)
    item = (np.minimum(rng.geometric(0.2, n), 20) + who % 20) % 40
    hour = (7 + who % 5 + rng.geometric(0.25, n)) % 24
    time = (
        1_650_000_000 + rng.integers(0, 365, n) * 86_400 + hour * 3600 + rng.integers(0, 3600, n)
    ) * 1_000_000
    order = np.argsort(time, kind="stable")
    nothing = pa.nulls(n, pa.int64())
    return pa.table(
        {
            "time": pa.array(time[order]).cast(TIME),
            "event_id": pa.array([f"e{k}" for k in range(n)]),
            "subject": pa.array(np.char.add("s", who[order].astype(str)).tolist()),
            "source": pa.array(["synthetic"] * n),
            "export": pa.array(["synthetic-000000000000"] * n),
            "item": pa.array(names[item[order]].tolist()),
            "failed": pa.array(rng.random(n) < 0.02),
            "earlier": pa.array(np.arange(n)),
            "new_device": pa.array((rng.random(n) < 0.005).astype(np.int64)),
            "new_network": pa.array((rng.random(n) < 0.02).astype(np.int64)),
            "new_country": pa.array((rng.random(n) < 0.001).astype(np.int64)),
            "impossible_travel": pa.array(np.zeros(n, np.int64)),
            **{
                name: nothing
                for name in ("events_1h", "events_24h", "failures_1h", "failures_24h", "new_item")
            },
            **{
                name: nothing.cast(pa.float64())
                for name in ("other_country_h", "seconds_since_last", "hour_rarity")
            },
            "split": pa.array(["train"] * n),
        }
    )
