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
    """The id that ``identity_expression`` computes; ``text`` is the message of an event of ``security``."""
    parts = (subject, kind, item, moment(kind, time, text), str(occurrence))
    return uuid.UUID(hashlib.md5("\x1f".join(parts).encode(), usedforsecurity=False).hexdigest())


def identity_expression(kind: str) -> str:
    """SQL of the event id over a staging table with the columns of a reader and ``member``.

    Where one file has the same event twice in one second, the rows are numbered by ``sequence``.
    """
    seconds = "floor(extract(epoch from time))::bigint"
    told = f" || md5(coalesce({_TOLD_BY[kind]}, ''))" if kind in _TOLD_BY else ""
    moment = f"coalesce({seconds}::text, 'unknown'{told})"
    same = moment if told else seconds  # a number sorts faster
    occurrence = f"row_number() over (partition by member, subject, item, {same} order by sequence) - 1"
    return f"md5(concat_ws(chr(31), subject, '{kind}', item, {moment}, ({occurrence})::text))::uuid"


def chosen(kind: str, staging: str) -> str:
    """SELECT of ``event_id`` and the ``ctid`` in ``staging`` of the row that stands for it, each event once.

    ``staging`` is a table of one export with the reader's columns and ``member``. Of equal events from several
    files the one with the finest time stays. Drop the rows of members whose report says ``quarantined`` from
    ``staging`` first. Only what orders the rows is sorted, never texts.
    """
    return (
        "select distinct on (event_id) event_id, place from"
        f" (select {identity_expression(kind)} as event_id, ctid as place, member, time, sequence"
        f" from {staging}) numbered order by event_id, time desc nulls last, member, sequence"
    )
