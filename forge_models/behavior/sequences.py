"""From tables to sequences of labels: visits to places, and what a subject does, in one form.

Rows: ``subject``, ``position`` (in the subject's time, from 0), ``label``, ``time``, ``until``, ``source``, ``export``.

An activity is a session, named by the kinds of events in it ("browse+search"), or a calendar entry, named by what kind
of entry it is and never by its title: with others, at a place, alone, all day. Entries that begin after the last
session are plans, not things done, and are left out where there are sessions.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_models.behavior.instants import TIME, micros

NAMES = ("subject", "position", "label", "time", "until", "source", "export")
CLASSES = ("calendar: all day", "calendar: with others", "calendar: at a place", "calendar: alone")


def places(table: pa.Table) -> pa.Table:
    """``features/place_sequences``; rows without subject, place or time take no part."""
    return _positioned(
        table["subject"],
        table["place"],
        table["arrived_at"],
        table["left_at"],
        table["source"],
        table["export"],
    )


def activities(sessions: pa.Table | None, calendar: pa.Table | None) -> pa.Table:
    """``features/sessions`` and ``clean/calendar``; either may be missing."""
    parts = []
    last: dict[str, int] = {}
    if sessions is not None and sessions.num_rows:
        labels = ["+".join(sorted(kinds or ())) or None for kinds in sessions["kinds"].to_pylist()]
        columns = (sessions[name] for name in ("started_at", "ended_at", "source", "export"))
        parts.append(_positioned(sessions["subject"], pa.array(labels, pa.string()), *columns))
        ends = sessions.group_by("subject").aggregate([("ended_at", "max")])
        times = micros(pc.fill_null(ends["ended_at_max"].cast(TIME), pa.scalar(0, TIME)))
        last = dict(zip(ends["subject"].to_pylist(), times.tolist(), strict=True))
    if calendar is not None and calendar.num_rows:
        entries = _positioned(
            calendar["subject"],
            _classes(calendar),
            *(calendar[name] for name in ("time", "end_time", "source", "export")),
        )
        horizon = np.array([last.get(who, np.iinfo(np.int64).max) for who in entries["subject"].to_pylist()])
        parts.append(entries.filter(pa.array(micros(entries["time"]) <= horizon, pa.bool_())))
    return _ordered(pa.concat_tables(parts)) if parts else _empty()


def _classes(calendar: pa.Table) -> pa.ChunkedArray:
    """One of ``CLASSES`` for each entry, by what the export says of it beside its title."""
    others = pc.greater(pc.fill_null(pc.list_value_length(calendar["attendees"]), 0), 0)
    somewhere = pc.greater(pc.utf8_length(pc.fill_null(calendar["location"].cast(pa.string()), "")), 0)
    timed = pc.if_else(others, CLASSES[1], pc.if_else(somewhere, CLASSES[2], CLASSES[3]))
    return pc.if_else(pc.fill_null(calendar["all_day"], False), CLASSES[0], timed)


def _positioned(
    subject: object, label: object, time: object, until: object, source: object, export: object
) -> pa.Table:
    rows = pa.table(
        {"subject": subject, "label": label, "time": time, "until": until, "source": source, "export": export}
    )
    cast = {"subject": pa.string(), "label": pa.string(), "time": TIME, "until": TIME}
    cast |= {"source": pa.string(), "export": pa.string()}
    rows = pa.table({name: _cast(rows[name], type_) for name, type_ in cast.items()})
    there = pc.and_(pc.and_(rows["subject"].is_valid(), rows["label"].is_valid()), rows["time"].is_valid())
    return _ordered(rows.filter(there))


def _cast(column: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    if type_ == TIME and pa.types.is_timestamp(column.type) and column.type.tz is None:
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    return column.cast(type_)


def _ordered(rows: pa.Table) -> pa.Table:
    """Numbered within each subject; an event that two exports hold at one instant is one event."""
    keys = [(name, "ascending") for name in ("subject", "time", "label", "source")]
    rows = rows.sort_by(keys)
    if rows.num_rows == 0:
        return _empty()
    subject = rows["subject"].to_numpy(zero_copy_only=False)
    label = rows["label"].to_numpy(zero_copy_only=False)
    time = micros(rows["time"])
    again = np.zeros(len(time), bool)
    again[1:] = (subject[1:] == subject[:-1]) & (label[1:] == label[:-1]) & (time[1:] == time[:-1])
    rows = rows.filter(pa.array(~again))
    subject = subject[~again]
    first = np.concatenate([[True], subject[1:] != subject[:-1]])
    start = np.maximum.accumulate(np.where(first, np.arange(len(subject)), 0))
    if "position" in rows.column_names:
        rows = rows.drop_columns(["position"])
    rows = rows.append_column("position", pa.array(np.arange(len(subject)) - start, pa.int64()))
    return rows.select(NAMES)


def _empty() -> pa.Table:
    types = [pa.string(), pa.int64(), pa.string(), TIME, TIME, pa.string(), pa.string()]
    return pa.schema(list(zip(NAMES, types, strict=True))).empty_table()
