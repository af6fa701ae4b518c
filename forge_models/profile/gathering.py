"""``insights/evidence``: dated evidence about each subject, from features, clean events and other families' insights.

Pure: tables in, table out. A table that is not there yet is not read. Whatever is sensitive is held back here, so that
nothing right of it ever sees it (see ``forge_models.profile.sensitive``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from forge_models.profile import contacts, interests, routines, sensitive
from forge_models.profile.evidence import by_day


@dataclass(frozen=True)
class Gathered:
    """``held_back``: rows by the sensitive category that kept them out."""

    table: pa.Table
    held_back: Mapping[str, int] = field(default_factory=dict)


def needed() -> dict[str, list[str]]:
    """The columns that are read, by the key of their table."""
    found: dict[str, dict[str, None]] = {}
    for one in (interests.NEEDED, routines.NEEDED, contacts.NEEDED):
        for key, columns in one.items():
            found.setdefault(key, {}).update(dict.fromkeys(columns))
    return {key: list(columns) for key, columns in found.items()}


def gather(tables: Mapping[str, pa.Table], with_sensitive: bool = False) -> Gathered:
    """Rows of ``evidence.SCHEMA`` from the tables that are there, with at least the columns of ``needed``."""
    found: list[pa.Table] = []
    for key, tell in interests.TELLERS.items():
        if key in tables:
            found += tell(tables[key])
    if routines.HOURLY in tables:
        found += routines.active(tables[routines.HOURLY])
    if routines.VISITS in tables:
        found += routines.visited(tables[routines.VISITS], tables.get(routines.PLACES))
    messages = tables.get(contacts.MESSAGES)
    own = contacts.own_tokens(messages)
    if messages is not None:
        found += contacts.written(messages, own)
    if routines.CALENDAR in tables:
        found += _past(routines.appointed(tables[routines.CALENDAR]), found)
        found += _past(contacts.met(tables[contacts.CALENDAR], own), found)
    table = by_day(found)
    if with_sensitive:
        return Gathered(table)
    category = sensitive.categories(table["label"], table["thing"])
    kept = table.filter(pc.is_null(category))
    counts = category.filter(pc.is_valid(category)).value_counts()
    held = {row["values"]: row["counts"] for row in counts.to_pylist()}
    return Gathered(kept, dict(sorted(held.items())))


def _past(planned: list[pa.Table], lived: list[pa.Table]) -> list[pa.Table]:
    """Entries of a calendar reach into the future: those after a subject's last evidence have not happened yet.

    Of a subject that has nothing but a calendar all are kept: where its present lies is not known.
    """
    known = [table.select(["subject", "time"]) for table in lived if table.num_rows]
    if not known:
        return planned
    last = pa.concat_tables(known).group_by("subject").aggregate([("time", "max")])
    out = []
    for table in planned:
        both = table.join(last, "subject", join_type="left outer")
        ends = pc.or_kleene(pc.is_null(both["time_max"]), pc.less_equal(both["time"], both["time_max"]))
        out.append(both.filter(ends).select(table.column_names))
    return out
