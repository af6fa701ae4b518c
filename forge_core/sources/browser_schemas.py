"""The tables browsers keep their history in, and what their numbers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from forge_core.times import SECOND

_1601 = 11_644_473_600 * SECOND  # microseconds from 1601 (WebKit, Windows) to 1970
_2001 = 978_307_200 * SECOND  # from 1970 to 2001 (Core Data)

CHROME_TRANSITIONS = {
    0: "link", 1: "typed", 2: "auto_bookmark", 3: "auto_subframe", 4: "manual_subframe", 5: "generated",
    6: "auto_toplevel", 7: "form_submit", 8: "reload", 9: "keyword", 10: "keyword_generated",
}  # fmt: skip
FIREFOX_TRANSITIONS = {
    1: "link", 2: "typed", 3: "auto_bookmark", 4: "auto_subframe", 5: "redirect_permanent", 6: "redirect_temporary",
    7: "download", 8: "manual_subframe", 9: "reload",
}  # fmt: skip


@dataclass(frozen=True)
class Schema:
    """One browser's history: a table of pages, a table of visits, and the columns wanted of them."""

    source: str
    pages: str
    visits: str
    page_of: str  # the column of visits that names the page
    time: str
    wanted: Mapping[str, str]  # what it is -> table.column; one that is missing is null
    micros: Callable[[float], int]  # microseconds since 1970 of a time
    transitions: Mapping[int, str]
    mask: int = -1  # of the bits that say how a visit began


SCHEMAS = (
    Schema(
        "chrome", "urls", "visits", "url", "visit_time",
        {"title": "urls.title", "how": "visits.transition", "micros": "visits.visit_duration"},
        lambda value: int(value) - _1601, CHROME_TRANSITIONS, 0xFF,
    ),
    Schema(
        "firefox", "moz_places", "moz_historyvisits", "place_id", "visit_date",
        {"title": "moz_places.title", "how": "moz_historyvisits.visit_type"},
        int, FIREFOX_TRANSITIONS,
    ),
    Schema(
        "safari", "history_items", "history_visits", "history_item", "visit_time",
        {"title": "history_visits.title"},
        lambda value: round(value * SECOND) + _2001, {},
    ),
)  # fmt: skip


def query(schema: Schema, columns: Mapping[str, set[str]]) -> str | None:
    """SELECT of address, time, title, how and duration; None where a table lacks what must be there."""
    needed = {schema.pages: {"id", "url"}, schema.visits: {schema.page_of, schema.time}}
    if any(not names <= columns.get(table, set()) for table, names in needed.items()):
        return None
    chosen = []
    for name in ("title", "how", "micros"):
        table, _, column = schema.wanted.get(name, ".").partition(".")
        chosen.append(f"{table}.{column}" if column in columns.get(table, ()) else "null")
    return (
        f"select {schema.pages}.url, {schema.visits}.{schema.time}, {', '.join(chosen)} from {schema.visits} "
        f"left join {schema.pages} on {schema.pages}.id = {schema.visits}.{schema.page_of}"
    )
