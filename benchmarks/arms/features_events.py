"""Fills ``clean.watch`` with events of a cohort: ``features_events URL ROWS``. All of it is made inside PostgreSQL,
and stored as Forge stores a clean table: in the order of subject and time, with its two indexes.

Fifty people over ten years; an item's share falls with its rank; events come in bursts, as watching does.
"""

from __future__ import annotations

import sys

from benchmarks.arms import measure
from forge_resources.postgres import Database

PEOPLE, ITEMS, YEARS = 50, 300_000, 10

EVENTS = f"""
insert into clean.watch (event_id, source, export, subject, item, time, sequence, title, channel, url)
select md5(n::text)::uuid, 'youtube', 'takeout-0123456789ab', 'p_' || substr(md5((burst %% {PEOPLE})::text), 1, 20),
  'youtube:' || substr(md5(rank::text), 1, 11), moment, n, 'A film about subject ' || rank, 'Channel ' || rank / 40,
  'https://www.youtube.com/watch?v=' || substr(md5(rank::text), 1, 11)
from (
  select n, burst, floor({ITEMS} * power(((hashint8extended(n, 1) & 1048575) + 0.5::float8) / 1048576, 3))::int as rank,
    timestamptz '2015-01-01Z' + burst * interval '{YEARS} years' / (%(rows)s / 12)
      + (n %% 12) * interval '7 minutes' + (hashint8extended(n, 2) & 255) * interval '1 second' as moment
  from (select n, n / 12 as burst from generate_series(0, %(rows)s - 1) n) n) n
order by 4, 2, 6, 7
"""


def main() -> None:
    url, rows = sys.argv[1], int(sys.argv[2])
    database = Database(url)
    database.ensure()
    with database.transaction() as connection:
        connection.execute("truncate clean.watch")
        connection.execute("alter table clean.watch drop constraint watch_pkey")
        connection.execute(EVENTS, {"rows": rows})
        connection.execute("alter table clean.watch add constraint watch_pkey primary key (event_id)")
        connection.execute("create index watch_life on clean.watch (subject, source, time, sequence)")
    with database.transaction() as connection:
        connection.execute("analyze clean.watch")
    measure.done(rows)


if __name__ == "__main__":
    main()
