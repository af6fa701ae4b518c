"""Evidence of contacts, by pseudonym: whom a subject writes to, hears from and meets.

Which token is the subject's own is not written anywhere: it is the one that stands in by far the most messages of a
source, or the only one (comments). Where none is (a chat of two), nobody is left out. A letter to many is to nobody in
particular.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from forge_core import keys
from forge_models.profile.evidence import PLAIN, exploded, joined, rows

MESSAGES, CALENDAR = keys.clean("message"), keys.clean("calendar")
NEEDED = {
    MESSAGES: (*PLAIN, "event_id", "time", "sender", "recipients"),
    CALENDAR: (*PLAIN, "event_id", "time", "organizer", "attendees"),
}
OWN_SHARE = 0.6  # of a source's messages that the subject's own token stands in, at the least
LEAST_OTHERS = 2
MANY = 3  # recipients or guests; more are a crowd


def written(messages: pa.Table, own: dict[str, set[str]]) -> list[pa.Table]:
    """``to:`` whom the subject wrote, ``from:`` who wrote; the subject's own token is neither."""
    sender, mine = messages["sender"].cast(pa.string()), _own(messages, "sender", own)
    heard = messages.filter(pc.invert(mine))
    who = heard["sender"].cast(pa.string())
    found = [rows(heard, "time", "contact", joined("from:", who), who, MESSAGES)]
    sent = messages.filter(pc.and_(pc.and_(mine, sender.is_valid()), _few(messages["recipients"])))
    sent = exploded(sent, "recipients")
    sent = sent.filter(pc.invert(_own(sent, "recipients", own)))
    return [
        *found,
        rows(sent, "time", "contact", joined("to:", sent["recipients"]), sent["recipients"], MESSAGES),
    ]


def met(calendar: pa.Table, own: dict[str, set[str]]) -> list[pa.Table]:
    """Who else was invited to an entry of the calendar."""
    people = exploded(calendar.filter(_few(calendar["attendees"], own=1)), "attendees")
    people = people.filter(pc.invert(_own(people, "attendees", own)))
    return [
        rows(people, "time", "contact", joined("met:", people["attendees"]), people["attendees"], CALENDAR)
    ]


def own_tokens(messages: pa.Table | None) -> dict[str, set[str]]:
    """The tokens of each subject itself, of all its sources."""
    if messages is None or not messages.num_rows:
        return {}
    number = pa.array(range(messages.num_rows), pa.int64())
    numbered = messages.append_column("number", number)
    names = ["subject", "source", "number"]
    to = exploded(numbered, "recipients").select([*names, "recipients"]).rename_columns([*names, "token"])
    by = numbered.select([*names, "sender"]).rename_columns([*names, "token"])
    columns = pa.schema([*((n, messages.schema.field(n).type) for n in names[:2]), ("number", pa.int64()),
                         ("token", pa.string())])  # fmt: skip
    both = pa.concat_tables([to.cast(columns), by.cast(columns)])
    both = both.filter(both["token"].is_valid())
    seen = both.group_by(["subject", "source", "token"]).aggregate([("number", "count_distinct")])
    total = numbered.group_by(["subject", "source"]).aggregate([("number", "count_distinct")])
    of = {(row["subject"], row["source"]): row["number_count_distinct"] for row in total.to_pylist()}
    counts: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for row in seen.to_pylist():
        counts.setdefault((row["subject"], row["source"]), []).append(
            (row["number_count_distinct"], row["token"])
        )
    own: dict[str, set[str]] = {}
    for (subject, source), found in counts.items():
        found.sort(reverse=True)
        alone = len(found) == 1 or (len(found) > LEAST_OTHERS and found[0][0] > found[1][0])
        if alone and found[0][0] >= OWN_SHARE * of[subject, source]:
            own.setdefault(subject, set()).add(found[0][1])
    return own


def _few(lists: pa.ChunkedArray, own: int = 0) -> pa.ChunkedArray:
    """(rows,) bool: no crowd; ``own``: of the list itself, the subject."""
    return pc.fill_null(pc.less_equal(pc.list_value_length(lists), MANY + own), False)


def _own(table: pa.Table, column: str, own: dict[str, set[str]]) -> pa.Array:
    """(rows,) bool: the token of ``column`` is the row's subject's own."""
    pairs = pa.array(
        [f"{subject}\x1f{token}" for subject, some in own.items() for token in some], pa.string()
    )
    asked = pc.binary_join_element_wise(
        table["subject"].cast(pa.string()), table[column].cast(pa.string()), "\x1f"
    )
    return pc.fill_null(pc.is_in(asked, pairs), False)
