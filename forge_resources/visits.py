"""Visits from positions: where an export has points and says nothing of visits, stays are found in the points.

It happens while ``clean.place`` is rebuilt, from the raw points, which are still exact, of who has consent.
Points are streamed in the order of each person's time; memory holds one piece of one stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from forge_core import identity
from forge_core.places import MINUTE, stay_points

if TYPE_CHECKING:
    import numpy as np
    from psycopg import Connection

DISTANCE_M, MINUTES = 200.0, 20.0  # a stay, as Li et al. 2008 had it
FETCH = 50_000  # points that come from the database at a time
PIECE = 500_000  # points that are searched at a time
LONGEST = 2_000_000  # points of one stay; what goes on after that is another one
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Stay = tuple[int, int, float, float]  # arrival and departure in microseconds, latitude, longitude

# A stream is searched where it has positions and no end of any visit. A position known to no better than the
# distance says nothing of a stay; check-ins and named places are no positions of a track.
_STREAMS = """create temp table walks on commit drop as
    select row_number() over (order by token, source)::int as walk, subject, source, token from (
      select subject, source, token from raw.place join consented using (subject, source)
      group by 1, 2, 3 having count(end_time) = 0 and bool_or(item like 'point:%')) streams"""
_POINTS = f"""select walk, (extract(epoch from time) * 1000000)::bigint, latitude, longitude
    from raw.place join walks using (subject, source)
    where item like 'point:%' and time is not null and coalesce(accuracy, 0) <= {DISTANCE_M}
    order by 1, 2"""


def derive(connection: Connection, digits: int) -> int:
    """Add the stays to ``clean.place``, cells of ``digits`` decimals; returns how many.

    Needs the temporary table ``consented`` (subject, source, token) in this transaction.
    """
    connection.execute(_STREAMS)
    connection.execute(
        "create temp table stays (walk int, event_id uuid, item text, arrival timestamptz, departure timestamptz,"
        " latitude float8, longitude float8) on commit drop"
    )
    tokens: dict[int, str] = dict(connection.execute("select walk, token from walks").fetchall())
    if not tokens:
        return 0
    connection.execute("analyze walks")
    with connection.cursor("points", binary=True) as points:
        points.execute(_POINTS)
        stays = _stays(iter(lambda: points.fetchmany(FETCH), []))
        with connection.cursor() as cursor:
            for walk, stay in stays:
                row = _row(tokens[walk], digits, stay)
                cursor.execute("insert into stays values (%s, %s, %s, %s, %s, %s, %s)", (walk, *row))
    connection.execute("analyze stays")
    # two sources of one person may tell of one stay
    return connection.execute(
        "insert into clean.place (event_id, source, export, subject, item, time, sequence, latitude, longitude,"
        " end_time, activity) select distinct on (s.event_id) s.event_id, source, export, token, s.item, arrival,"
        " sequence, s.latitude, s.longitude, departure, 'still'"
        " from stays s join walks using (walk) join raw.place p using (subject, source)"
        " where p.time = s.arrival and p.item like 'point:%' order by s.event_id, sequence"
    ).rowcount


def _row(token: str, digits: int, stay: Stay) -> tuple:
    arrival, departure, latitude, longitude = stay
    north, east = round(latitude, digits) + 0.0, round(longitude, digits) + 0.0  # no -0.0
    item = f"stay:{north:.{digits}f},{east:.{digits}f}"
    begin, end = (_EPOCH + timedelta(microseconds=moment) for moment in (arrival, departure))
    return identity.event_id(token, "place", item, begin), item, begin, end, north, east


def _stays(batches: Iterator[list[tuple]]) -> Iterator[tuple[int, Stay]]:
    """(walk, stay) from points (walk, microseconds, latitude, longitude) in this order."""
    import numpy as np

    walk, search = -1, _Search()
    for batch in batches:
        table = np.array(batch, dtype=np.float64)  # microseconds of this age are exact in it
        for part in np.split(table, np.flatnonzero(np.diff(table[:, 0])) + 1):
            if part[0, 0] != walk:
                yield from ((walk, stay) for stay in search.rest())
                walk, search = int(part[0, 0]), _Search()
            yield from ((walk, stay) for stay in search.add(part[:, 1:]))
    yield from ((walk, stay) for stay in search.rest())


class _Search:
    """Stays of one stream, found piece by piece: what may go on in the next piece is kept for it."""

    def __init__(self) -> None:
        self.kept: list[np.ndarray] = []
        self.count, self.enough = 0, PIECE

    def add(self, points: np.ndarray) -> Iterator[Stay]:
        self.kept.append(points)
        self.count += len(points)
        if self.count >= self.enough:
            yield from self._search()

    def rest(self) -> Iterator[Stay]:
        if self.kept:
            yield from self._search(whole=True)

    def _search(self, whole: bool = False) -> Iterator[Stay]:
        import numpy as np

        points: Any = np.concatenate(self.kept)
        micros = points[:, 0].astype(np.int64)
        found = stay_points(micros, points[:, 1], points[:, 2], DISTANCE_M, MINUTES)
        done, keep = found.arrival.size, len(points)
        if not whole:
            # the last stay is not over where the piece ends in it; nor is one that began just now decided
            since = micros[-1] - int(MINUTES * MINUTE)
            if done and found.departure[-1] == micros[-1] and self.count < LONGEST:
                done, since = done - 1, int(found.arrival[-1])
            elif done:
                since = max(since, int(found.departure[-1]) + 1)
            keep = int(np.searchsorted(micros, since))
        self.kept, self.count = [points[keep:]], len(points) - keep
        self.enough = max(PIECE, 2 * self.count)
        for place in range(done):
            yield (
                int(found.arrival[place]), int(found.departure[place]),
                float(found.latitude[place]), float(found.longitude[place]),
            )  # fmt: skip
