"""Identity of an event, computed in SQL where the rows are, and its twin in Python for tests.

The same event is the same id in any export and any file format: neither is part of it.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from datetime import UTC, datetime, timedelta

# A log without years tells no times, and its items are few: there the message is part of the id, or a log that
# overlaps with an earlier one would lose what is new in it.
_TOLD_BY = {"security": "message"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(kind: str, time: datetime | None, text: str = "") -> str:
    """Time to the second, as it enters the id: HTML histories have no milliseconds."""
    if time is not None:
        return str(math.floor((time - _EPOCH) / timedelta(seconds=1)))
    told = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() if kind in _TOLD_BY else ""
    return "unknown" + told


def event_id(
    subject: str, kind: str, item: str, time: datetime | None, occurrence: int = 0, text: str = ""
) -> uuid.UUID:
    """The id that ``first_id`` and ``chosen`` compute; ``text`` is the message of an event of ``security``."""
    parts = (subject, kind, item, moment(kind, time, text), str(occurrence))
    return uuid.UUID(hashlib.md5("\x1f".join(parts).encode(), usedforsecurity=False).hexdigest())


def first_id(kind: str) -> str:
    """SQL of the id of an event that is the only one of its second: an immutable expression over a reader's columns."""
    told = f" || md5(coalesce({_TOLD_BY[kind]}, ''))" if kind in _TOLD_BY else ""
    moment = f"coalesce(floor(extract(epoch from time at time zone 'UTC'))::bigint::text, 'unknown'{told})"
    return f"md5(subject || e'\\x1f{kind}\\x1f' || item || e'\\x1f' || {moment} || e'\\x1f0')::uuid"


def contested(staging: str) -> str:
    """SELECT of the ids that several rows of ``staging`` have: few, where each file is of another kind."""
    return f"select event_id from {staging} group by event_id having count(*) > 1"


def chosen(kind: str, staging: str, among: str) -> str:
    """SELECT of ``event_id`` and the ``ctid`` in ``staging`` of the row that stands for it, each event once.

    ``staging`` is a table of one export with the reader's columns, ``member`` and ``first_id`` as ``event_id``;
    only the ids of ``among`` are looked at. Where one file has the same event twice in one second, the rows are
    numbered by ``sequence``. Of equal events from several files the one with the finest time stays. Drop the rows
    of members whose report says ``quarantined`` from ``staging`` first. Only what orders the rows is sorted, never
    texts.
    """
    numbered = first_id(kind).removesuffix("0')::uuid") + "' || occurrence)::uuid"
    return (
        "select distinct on (event_id) event_id, place from"
        f" (select case occurrence when 0 then event_id else {numbered} end as event_id, place, member, time, sequence"
        " from (select *, ctid as place,"
        " row_number() over (partition by member, event_id order by sequence) - 1 as occurrence"
        f" from {staging} where event_id in (select event_id from {among})) repeated) numbered"
        " order by event_id, time desc nulls last, member, sequence"
    )
