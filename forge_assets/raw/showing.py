"""What the UI shows of the exports of a run: rows per day, what was new, what was set aside and why.

A run may have hundreds of partitions, and every word per partition costs Dagster milliseconds. So pictures per
export are drawn for small runs only; a large one gets a picture of each whole table.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

from dagster import MetadataValue

from forge_assets import pictures
from forge_assets.outcome import shown
from forge_core import keys, sources
from forge_resources.outcomes import ROUTE
from forge_resources.publishing import Published
from forge_resources.stores import Stores

PICTURED = 10  # exports of one run that get pictures of their own

Days = dict[date, int]


@cache
def readers_of(kind: str) -> tuple[str, ...]:
    """The names of the readers whose formats can hold ``kind``."""
    return tuple(r.name for r in sources.readers() if any(kind in form.kinds for form in r.formats))


class Showing:
    """Metadata of the exports that one run published."""

    def __init__(self, stores: Stores, done: Sequence[Published]) -> None:
        self.stores, self.done = stores, done
        self.small = len(done) <= PICTURED

    def table(self, kind: str) -> dict[str, Any]:
        """What is the same for every export of the run: after a large one, a picture of the whole table."""
        if self.small or not any(kind in p.kinds and p.kinds[kind].rows for p in self.done):
            return {}
        rows = self.stores.database.rows(
            f"select time::date, count(*) from {keys.table(keys.raw(kind))} where time is not null group by 1"
        )
        return self._strip("rows_per_day_all_exports", dict(rows))

    def exports(self, kind: str) -> dict[str, dict[str, Any]]:
        """Partition -> metadata, of the exports that there is something to say of."""
        days = self._days(kind) if self.small else {}
        found = {}
        for published in self.done:
            partition = published.export.partition
            if published.error:
                found[partition] = {
                    "dagster/partition_row_count": 0,
                    "refused": str(published.error),
                    "files": MetadataValue.url(f"{ROUTE}/{partition}"),
                }
                continue
            one, reasons = published.kinds[kind], set_aside(published, kind)
            if one.rows or reasons:
                found[partition] = {
                    "dagster/partition_row_count": one.rows,
                    "new_rows": one.new_rows,
                    "arrived_before": max(0, one.rows - one.new_rows),
                    "digest": one.digest,
                    "files": MetadataValue.url(f"{ROUTE}/{partition}"),
                    **({"set_aside": words(reasons)} if reasons else {}),
                    **self._life(days.get(partition, {})),
                }
        return found

    def _days(self, kind: str) -> Mapping[str, Days]:
        """Partition -> rows per day; only for exports with rows that no earlier one had."""
        wanted = [p.export.partition for p in self.done if kind in p.kinds and p.kinds[kind].rows]
        found: dict[str, Days] = {}
        if wanted:
            for partition, day, rows in self.stores.database.rows(
                f"select export, time::date, count(*) from {keys.table(keys.raw(kind))}"
                " where export = any(%s) and time is not null group by 1, 2",
                (wanted,),
            ):
                found.setdefault(partition, {})[day] = rows
        return found

    def _life(self, days: Days) -> dict[str, Any]:
        if not days:
            return {}
        life = {"first_day": str(min(days)), "last_day": str(max(days)), "days_with_events": len(days)}
        return life | self._strip("rows_per_day", days)

    def _strip(self, name: str, days: Days) -> dict[str, Any]:
        return {name: shown(self.stores, pictures.heat_strip(days, "events"))} if days else {}


def set_aside(published: Published, kind: str) -> Counter[str]:
    """Broken records by reason, of the files that held ``kind`` or could have: a broken one has no kind."""
    readers = readers_of(kind)
    found: Counter[str] = Counter()
    for member in published.report.members.values():
        if kind in member.rows or (not member.rows and member.reader in readers):
            found += member.quarantined
            if member.status == "quarantined":
                found[f"whole file: {member.reason}"] += 1
    return found


def words(reasons: Counter[str]) -> str:
    """``malformed 3, unknown date 1``."""
    return ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
