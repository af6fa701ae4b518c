"""Incidents for judging a model without labels: planted with a seed into copies of held-out time, never into training.

Account: six ways in which accounts are taken. Routine: five kinds of day that one would want to be asked about.
Every copy of a stream has one incident, so that none makes the next one usual. How loud an incident is, is drawn from
barely there to unmistakable, or models could not be told apart. The same rows and seed give the same incidents,
whatever the subjects are called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from forge_models.anomaly.streams import DAY, SECOND, Streams, cumcount, earlier_with, floats, streams

MINUTE, HOUR = 60 * SECOND, 3600 * SECOND


@dataclass(frozen=True)
class Step:
    """One planted event: when, what, and whether it failed; ``fresh``: first event from where it comes from."""

    time: int
    item: str
    failed: bool = False
    fresh: bool = False
    spoofed: bool = False  # fresh, but the device claims to be the owner's
    network: bool = False  # a new network, from a known device
    travel: bool = False


@dataclass(frozen=True)
class Habit:
    """What a planted event is made from: the stream's most frequent item, its service, all items, and its hours."""

    login: str
    service: str
    items: Sequence[str]
    rare_hour: int
    own: np.ndarray  # times of the part's own events


def loud(rng: np.random.Generator, least: float, most: float) -> int:
    """A whole number, even in its logarithm: as often between 3 and 10 as between 10 and 33."""
    return round(float(np.exp(rng.uniform(np.log(least), np.log(most)))))


def takeover(habit: Habit, at: int, rng: np.random.Generator) -> list[Step]:
    """From a new country, mostly from a new device, and a burst of what the owner does, too."""
    times = at + np.sort(rng.integers(0, 25 * MINUTE, loud(rng, 2, 50)))
    items = rng.choice(np.array(habit.items, object), len(times))
    first = Step(at, habit.login, fresh=True, spoofed=bool(rng.random() < 0.4))
    return [first, *(Step(int(time), str(item)) for time, item in zip(times, items, strict=True))]


def password_change(habit: Habit, at: int, rng: np.random.Generator) -> list[Step]:
    """Failures, a success, a new password, perhaps a new recovery address; in two of three from a new network."""
    failures, network = loud(rng, 2, 12), bool(rng.random() < 0.67)
    tries = [
        Step(at + k * 40 * SECOND, habit.login, failed=True, network=network and not k)
        for k in range(failures)
    ]
    after = at + failures * 40 * SECOND
    change = Step(after + 2 * MINUTE, f"{habit.service}:password_change")
    more = [Step(after + 4 * MINUTE, f"{habit.service}:recovery_email_change")] * int(rng.integers(2))
    return [*tries, Step(after, habit.login), change, *more]


def impossible_travel(habit: Habit, at: int, rng: np.random.Generator) -> list[Step]:
    """In another country soon after the owner was at home; quiet. Half of them look like the owner's device."""
    if len(habit.own):
        at = int(habit.own[rng.integers(len(habit.own))]) + int(rng.integers(8, 55)) * MINUTE
    first = Step(at, habit.login, fresh=True, travel=True, spoofed=bool(rng.random() < 0.5))
    return [first, Step(at + 3 * MINUTE, habit.login), Step(at + 9 * MINUTE, habit.login)]


def night_download(habit: Habit, at: int, rng: np.random.Generator) -> list[Step]:
    """Much is fetched at the hour when the owner sleeps, from a known device, in some as what the owner does, too."""
    night = at - at % DAY + habit.rare_hour * HOUR
    times = night + np.sort(rng.integers(0, 45 * MINUTE, loud(rng, 4, 100)))
    item = f"{habit.service}:download" if rng.random() < 0.5 else habit.login
    return [Step(int(time), item) for time in times]


def slow_stuffing(habit: Habit, at: int, rng: np.random.Generator) -> list[Step]:
    """A wrong password every few hours for days; one in four from a new network."""
    tries = loud(rng, 6, 48)
    times = at + np.cumsum(rng.integers(60 * MINUTE, 96 * HOUR // tries, tries))
    return [Step(int(time), habit.login, failed=True, network=bool(rng.random() < 0.25)) for time in times]


def visit(habit: Habit, at: int, rng: np.random.Generator) -> list[Step]:
    """One login from a new country, and nothing else: no count tells of it; some by what looks like a known device."""
    return [Step(at, habit.login, fresh=True, spoofed=bool(rng.random() < 0.3))]


ACCOUNT: dict[str, Callable[[Habit, int, np.random.Generator], list[Step]]] = {
    "takeover": takeover,
    "password_change": password_change,
    "impossible_travel": impossible_travel,
    "night_download": night_download,
    "slow_stuffing": slow_stuffing,
    "visit": visit,
}


def sleepless(day: dict[str, float], rng: np.random.Generator) -> dict[str, float]:
    events = max(day["events"], 20.0)
    night = round(events * rng.uniform(0.4, 0.6))
    return day | {
        "events": events + night,
        "night_events": night,
        "first_hour": 0.0,
        "longest_silence_h": rng.uniform(1.0, 2.5),
        "active_hours": min(24.0, day["active_hours"] + 6),
    }


def silent(day: dict[str, float], rng: np.random.Generator) -> dict[str, float]:
    kept = {name: float(np.floor(value * 0.04)) for name, value in day.items()}
    hour = rng.uniform(8, 20)
    return kept | {
        "events": max(1.0, kept["events"]),
        "active_hours": 1.0,
        "first_hour": hour,
        "last_hour": hour,
        "longest_silence_h": rng.uniform(22, 34),
    }


def flood(day: dict[str, float], rng: np.random.Generator) -> dict[str, float]:
    kinds = ("watch", "search", "browse", "message", "security", "app_usage")
    most = max(kinds, key=lambda name: day[name])
    more = max(day[most], 5.0) * rng.uniform(6, 12)
    return day | {most: day[most] + more, "events": day["events"] + more, "active_hours": 20.0}


def turned(day: dict[str, float], rng: np.random.Generator) -> dict[str, float]:
    """Night and day have changed places."""
    return day | {
        "night_events": round(day["events"] * rng.uniform(0.5, 0.8)),
        "first_hour": 0.1,
        "last_hour": rng.uniform(9, 12),
    }


def away(day: dict[str, float], rng: np.random.Generator) -> dict[str, float]:
    """Not where one is, nothing of what one has planned."""
    dwell = 0.0 if day["dwell_minutes"] > 60 else rng.uniform(900, 1400)
    calendar = 0.0 if day["calendar_minutes"] > 30 else rng.uniform(600, 900)
    return day | {"dwell_minutes": dwell, "calendar_minutes": calendar, "message": 0.0, "app_usage": 0.0}


ROUTINE: dict[str, Callable[[dict[str, float], np.random.Generator], dict[str, float]]] = {
    "sleepless": sleepless,
    "silent": silent,
    "flood": flood,
    "turned": turned,
    "away": away,
}
SCENARIOS: dict[str, Sequence[str]] = {"account": tuple(ACCOUNT), "routine": tuple(ROUTINE)}


def plant(task: str, seen: Streams, number: int, begin: int, scenario: str, copy: int, seed: int) -> pa.Table:
    """The rows of stream ``number`` with one incident at or after ``begin`` (microseconds), and a column
    ``incident``: is the row of it? The copy is a source of its own, ``<source>#<scenario>/<copy>``."""
    low, high = int(seen.starts[number]), int(seen.starts[number + 1])
    table, time = seen.table.slice(low, high - low), seen.time[low:high]
    rng = np.random.default_rng([seed, copy, *seen.digests[number], *scenario.encode()])
    plant_in = _plant_account if task == "account" else _plant_routine
    table = plant_in(table, time, begin, scenario, rng)
    name = f"{seen.names[number][1]}#{scenario}/{copy}"
    place = table.column_names.index("source")
    return table.set_column(place, "source", pa.array([name] * table.num_rows, pa.string()))


def _plant_account(table: pa.Table, time: np.ndarray, begin: int, scenario: str, rng: Any) -> pa.Table:
    own = time[time >= begin]
    last = int(own[-1]) if len(own) else begin
    at = int(rng.integers(begin, max(last, begin + HOUR)))
    steps = ACCOUNT[scenario](_habit(table, time, own), at, rng)
    known = {
        name: table[name].null_count < table.num_rows
        for name in ("new_device", "new_network", "new_country", "impossible_travel")
    }
    planted: dict[str, list[Any]] = {name: [] for name in table.column_names}
    for step in steps:
        values = {
            "item": step.item,
            "failed": step.failed,
            "time": step.time,
            "new_device": int(step.fresh and not step.spoofed),
            "new_network": int(step.fresh or step.network),
            "new_country": int(step.fresh),
            "impossible_travel": int(step.travel),
        }
        for name, column in planted.items():
            column.append(None if not known.get(name, True) else values.get(name))
    arrays = []
    for field in table.schema:
        constant = field.name in ("subject", "source", "export", "split")
        column = [table[field.name][-1].as_py()] * len(steps) if constant else planted[field.name]
        if field.name == "event_id":
            column = [f"planted-{place}" for place in range(len(steps))]
        if field.name == "time":
            arrays.append(pa.array(column, pa.int64()).cast(field.type))
        else:
            arrays.append(pa.array(column, field.type))
    more = pa.table(arrays, schema=table.schema)
    flags = np.repeat([False, True], [table.num_rows, len(steps)])
    joined = pa.concat_tables([table, more]).append_column("incident", pa.array(flags))
    return joined.sort_by("time")


def _habit(table: pa.Table, time: np.ndarray, own: np.ndarray) -> Habit:
    items = table["item"].to_pylist()
    names, counts = np.unique(np.array(items, object).astype(str), return_counts=True)
    common = [str(name) for name in names[np.argsort(-counts, kind="stable")]]
    hours = np.bincount((time // HOUR) % 24, minlength=24)
    return Habit(common[0], common[0].split(":")[0], common[:10], int(np.argmin(hours)), own)


def _plant_routine(table: pa.Table, time: np.ndarray, begin: int, scenario: str, rng: Any) -> pa.Table:
    able = np.flatnonzero(time >= begin)
    flags = np.zeros(table.num_rows, bool)
    if not len(able):
        return table.append_column("incident", pa.array(flags))
    row = int(able[rng.integers(len(able))])
    flags[row] = True
    names = [
        field.name
        for field in table.schema
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    ]
    day = {name: float(table[name][row].as_py() or 0.0) for name in names}
    target, share = ROUTINE[scenario](day, rng), rng.uniform(0.15, 1.0)
    changed = {name: value + share * (target[name] - value) for name, value in day.items()}
    for name in names:
        column = floats(table[name]).copy()
        column[row] = changed[name]
        table = table.set_column(table.column_names.index(name), name, pa.array(column, from_pandas=True))
    return table.append_column("incident", pa.array(flags))


def recounted(table: pa.Table) -> pa.Table:
    """Rows of ``features/security_events`` with their counts made anew, since planted rows stand among them."""
    seen = streams(table)
    ones, failed = np.ones(len(seen)), np.nan_to_num(floats(seen.table["failed"].cast(pa.int64())))
    hour = (seen.time // HOUR) % 24
    keys = seen.stream * 24 + hour
    place = seen.place
    gap = np.full(len(seen), np.nan)
    gap[1:] = np.diff(seen.time) / SECOND
    gap[place == 0] = np.nan
    codes = seen.table["item"].combine_chunks().dictionary_encode()
    item = np.asarray(codes.indices.to_numpy(zero_copy_only=False)).astype(np.int64)
    first = (cumcount(seen.stream * (len(codes.dictionary) + 1) + item) == 0) & (place > 0)
    counted = {
        "earlier": place,
        "events_1h": seen.within(ones, 3600).astype(np.int64),
        "events_24h": seen.within(ones, 86_400).astype(np.int64),
        "failures_1h": seen.within(failed, 3600).astype(np.int64),
        "failures_24h": seen.within(failed, 86_400).astype(np.int64),
        "new_item": first.astype(np.int64),
        "seconds_since_last": gap,
        "hour_rarity": -np.log((earlier_with(keys, keys) + 1.0) / (place + 24.0)),
    }
    found = seen.table
    for name, values in counted.items():
        found = found.set_column(found.column_names.index(name), name, pa.array(values, from_pandas=True))
    return found
