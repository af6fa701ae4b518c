"""Identity of an event, computed in SQL where the rows are, and its twin in Python for tests.

The same event is the same id in any export and any file format: neither is part of it.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from datetime import UTC, datetime, timedelta

from forge_core.events import reader_columns

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def second(time: datetime | None) -> str:
    """Time to the second, as it enters the id: HTML histories have no milliseconds."""
    return "unknown" if time is None else str(math.floor((time - _EPOCH) / timedelta(seconds=1)))


def event_id(subject: str, kind: str, item: str, time: datetime | None, occurrence: int = 0) -> uuid.UUID:
    """The id that ``identity_expression`` computes."""
    parts = (subject, kind, item, second(time), str(occurrence))
    return uuid.UUID(hashlib.md5("\x1f".join(parts).encode(), usedforsecurity=False).hexdigest())


def identity_expression(kind: str) -> str:
    """SQL of the event id over a staging table with the columns of a reader and ``member``.

    Where one file has the same event twice in one second, the rows are numbered by ``sequence``.
    """
    seconds = "floor(extract(epoch from time))::bigint"
    occurrence = f"row_number() over (partition by member, subject, item, {seconds} order by sequence) - 1"
    return (
        f"md5(concat_ws(chr(31), subject, '{kind}', item, "
        f"coalesce({seconds}::text, 'unknown'), ({occurrence})::text))::uuid"
    )


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
