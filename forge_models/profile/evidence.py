"""Evidence as a table: what its columns are, and how rows of any table become dated things about a subject.

A thing has an id whose first word, before the colon, is its facet: ``channel:…``, ``watch:…``, ``to:…``. Things of one
facet compete with each other; things of different facets do not.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from forge_models.columns import texts

TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("subject", pa.string()),
        ("source", pa.string()),
        ("export", pa.string()),
        ("time", TIME),  # the day, at midnight UTC
        ("kind", pa.string()),  # interest, routine, contact, language or mood
        ("thing", pa.string()),  # stable id, facet first
        ("label", pa.string()),  # in words, the subject's own
        ("weight", pa.float64()),
        ("events", pa.int64()),  # how many lie behind it
        ("told_by", pa.string()),  # key of the table it comes from
        ("event_id", pa.string()),  # one of them; null where that table names none
    ]
)
UNIT = ["subject", "source", "time", "kind", "thing", "told_by"]
PLAIN = ("subject", "source", "export")


def rows(
    table: pa.Table,
    when: str,
    kind: str,
    thing: pa.ChunkedArray | pa.Array,
    label: pa.ChunkedArray | pa.Array,
    told_by: str,
    weight: pa.ChunkedArray | pa.Array | None = None,
    event_id: str | None = "event_id",
) -> pa.Table:
    """Rows of ``SCHEMA``, one for each of ``table``; those without subject, time, thing or label are left out."""
    count = table.num_rows
    if weight is None:
        weight = pa.array([1.0] * count, pa.float64())
    named = event_id is not None and event_id in table.column_names
    columns = {
        **{name: table[name].cast(pa.string()) for name in PLAIN},
        "time": pc.floor_temporal(table[when].cast(TIME), unit="day"),
        "kind": pa.array([kind] * count, pa.string()),
        "thing": thing,
        "label": pc.utf8_trim_whitespace(label),
        "weight": weight,
        "events": pa.array([1] * count, pa.int64()) if named else pc.cast(weight, pa.int64(), safe=False),
        "told_by": pa.array([told_by] * count, pa.string()),
        "event_id": texts(table[event_id]) if named else pa.nulls(count, pa.string()),
    }
    found = pa.table(columns, schema=SCHEMA)
    there = pc.and_(found["subject"].is_valid(), found["time"].is_valid())
    for name in ("thing", "label"):
        there = pc.and_(there, pc.fill_null(pc.greater(pc.utf8_length(found[name]), 0), False))
    return found.filter(there)


def by_day(found: Sequence[pa.Table]) -> pa.Table:
    """One row per subject, source, day, thing and teller, in a fixed order; of several labels or events, the first."""
    joined = pa.concat_tables([SCHEMA.empty_table(), *found])
    if not joined.num_rows:
        return joined
    grouped = joined.group_by(UNIT, use_threads=False).aggregate(
        [("export", "min"), ("label", "min"), ("weight", "sum"), ("events", "sum"), ("event_id", "min")]
    )
    plain = {name: name for name in UNIT} | {
        "export": "export_min", "label": "label_min", "weight": "weight_sum", "events": "events_sum",
        "event_id": "event_id_min",
    }  # fmt: skip
    table = pa.table({name: grouped[plain[name]] for name in SCHEMA.names}).cast(SCHEMA)
    return table.sort_by([(name, "ascending") for name in UNIT])


def joined(*parts: pa.ChunkedArray | pa.Array | str) -> pa.ChunkedArray | pa.Array:
    """Texts end to end; null where one of them is."""
    return pc.binary_join_element_wise(*parts, "")


def folded(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """In small letters, without space around: two spellings of one thing are one."""
    return pc.utf8_lower(pc.utf8_trim_whitespace(column.cast(pa.string())))


def exploded(table: pa.Table, column: str) -> pa.Table:
    """A row for each text of a list, in place of the list; rows with an empty list or none vanish."""
    lists = table[column].combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.chunk(0) if lists.num_chunks else pa.array([], lists.type)
    parents = pc.list_parent_indices(lists)
    place = table.column_names.index(column)
    return table.take(parents).set_column(place, column, pc.list_flatten(lists).cast(pa.string()))
