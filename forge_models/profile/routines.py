"""Evidence of routines: what is done at which part of the week, where somebody is on which weekday, appointments.

Weekdays and hours are UTC, as in all feature tables.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

from forge_core import keys
from forge_models.columns import texts
from forge_models.profile.evidence import folded, joined, rows

HOURLY, VISITS = keys.feature("activity_hourly"), keys.feature("place_sequences")
PLACES, CALENDAR = keys.clean("place"), keys.clean("calendar")
DONE = {
    "watch": "watching",
    "search": "searching",
    "browse": "browsing",
    "message": "messages",
    "app_usage": "apps",
}
NEEDED = {
    HOURLY: ("subject", "source", "export", "hour", *DONE),
    VISITS: ("subject", "source", "export", "event_id", "place", "arrived_at"),
    PLACES: ("subject", "source", "event_id", "place_name"),
    CALENDAR: ("subject", "source", "export", "event_id", "time", "title", "all_day"),
}
BLOCK = 3  # hours: a habit is not of one hour, and eight parts of a day are still told apart
DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


def active(table: pa.Table) -> list[pa.Table]:
    """Activities by weekday and part of the day."""
    table = table.append_column("time", table["hour"])
    day, block = pc.day_of_week(table["hour"]), pc.divide(pc.hour(table["hour"]), BLOCK)
    when = pc.add(pc.multiply(day, 24 // BLOCK), block).cast(pa.int64())
    found = []
    for name, doing in DONE.items():
        some = pc.fill_null(pc.greater(table[name], 0), False)
        here, slot = table.filter(some), when.filter(some)
        thing = joined(f"{name}:", slot.cast(pa.string()))
        labels = pa.array([f"{doing} on {slot_words(one)}" for one in slot.to_pylist()], pa.string())
        weight = here[name].cast(pa.float64())
        found.append(rows(here, "time", "routine", thing, labels, HOURLY, weight, event_id=None))
    return found


def slot_words(slot: int) -> str:
    """``Mondays 18:00 to 21:00 UTC``."""
    day, block = divmod(int(slot), 24 // BLOCK)
    return f"{DAYS[day]} {block * BLOCK:02d}:00 to {(block + 1) * BLOCK:02d}:00 UTC"


def visited(table: pa.Table, places: pa.Table | None) -> list[pa.Table]:
    """Places by weekday, called as the export calls them where it does."""
    names = {}
    if places is not None:
        some = places.filter(places["place_name"].is_valid())
        names = dict(zip(texts(some["event_id"]).to_pylist(), some["place_name"].to_pylist(), strict=True))
    day = pc.day_of_week(table["arrived_at"].cast(pa.timestamp("us", tz="UTC")))
    thing = joined("place:", table["place"].cast(pa.string()), "@", day.cast(pa.string()))
    labels = [
        None if weekday is None else f"at {names.get(event) or place} on {DAYS[weekday]}"
        for event, place, weekday in zip(
            texts(table["event_id"]).to_pylist(), table["place"].to_pylist(), day.to_pylist(), strict=True
        )
    ]
    return [rows(table, "arrived_at", "routine", thing, pa.array(labels, pa.string()), VISITS)]


def appointed(table: pa.Table) -> list[pa.Table]:
    """Entries of one title by weekday and hour; all-day entries by weekday."""
    title = table["title"].cast(pa.string())
    table = table.filter(pc.fill_null(pc.greater(pc.utf8_length(folded(title)), 0), False))
    table = table.filter(table["time"].is_valid())
    time = table["time"].cast(pa.timestamp("us", tz="UTC"))
    things, labels = [], []
    for name, day, hour, whole in zip(
        table["title"].to_pylist(),
        pc.day_of_week(time).to_pylist(),
        pc.hour(time).to_pylist(),
        table["all_day"].to_pylist(),
        strict=True,
    ):
        known = hashlib.sha256(name.strip().casefold().encode("utf-8", "replace")).hexdigest()[:12]
        at = f"{DAYS[day]}" if whole else f"{DAYS[day]} {hour:02d}:00 UTC"
        things.append(f"appointment:{known}@{day}" + ("" if whole else f".{hour}"))
        labels.append(f"{' '.join(name.split())}, {at}")
    strings = [pa.array(values, pa.string()) for values in (things, labels)]
    return [rows(table, "time", "routine", strings[0], strings[1], CALENDAR)]
