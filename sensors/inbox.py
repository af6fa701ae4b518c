"""A new archive in ``FORGE_HOME/inbox`` becomes an export, a partition and a run; a broken one an explained skip.

A file is taken when its size and time of change stayed the same between two looks. The cursor holds sizes and
hashes of names, never a name: what stands in Dagster's storage is not personal.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster import (
    DefaultSensorStatus,
    ResourceParam,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from forge_assets.partitions import EXPORTS
from forge_core.errors import ForgeError
from forge_resources.stores import Stores
from jobs import ingest

SEEN, DONE = "seen", "done"


@dataclass(frozen=True)
class Plan:
    """What to take now, and what to remember until the next look."""

    take: Sequence[str]
    cursor: Mapping[str, Sequence[str]]


def plan(found: Mapping[str, tuple[int, int]], cursor: Mapping[str, Sequence[str]]) -> Plan:
    """Decide from file names with (bytes, time of change in ns) and the last cursor: pure."""
    marks = {name: _mark(name, *stat) for name, stat in sorted(found.items())}
    last = {mark: state for state in (SEEN, DONE) for mark in cursor.get(state, ())}
    take = [name for name, mark in marks.items() if last.get(mark) == SEEN and found[name][0] > 0]
    done = [mark for name, mark in marks.items() if last.get(mark) == DONE or name in take]
    return Plan(take, {SEEN: [m for m in marks.values() if m not in done], DONE: done})


def _mark(name: str, size: int, changed: int) -> str:
    return hashlib.sha256(f"{name}\0{size}\0{changed}".encode()).hexdigest()[:20]


def _look(folder: Path) -> dict[str, tuple[int, int]]:
    if not folder.is_dir():
        return {}
    entries = (
        e for e in folder.iterdir() if not e.name.startswith(".") and not e.is_symlink() and e.is_file()
    )
    return {e.name: (e.stat().st_size, e.stat().st_mtime_ns) for e in entries}


@sensor(
    job=ingest,
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.RUNNING,
    description="A finished archive in the inbox folder becomes an export and a run.",
)
def inbox(
    context: SensorEvaluationContext, stores: ResourceParam[Stores]
) -> Iterator[SensorResult | SkipReason]:
    """Registers what the plan takes; a run for each new export."""
    folder = stores.settings.inbox
    decided = plan(_look(folder), json.loads(context.cursor or "{}"))
    registered, broken = [], []
    for name in decided.take:
        try:
            registered.append(stores.exports.register(folder / name).partition)
        except ForgeError as error:
            broken.append(str(error))
            context.log.warning(f"An archive in the inbox was refused: {error}")
    known = set(context.instance.get_dynamic_partitions(str(EXPORTS.name)))
    fresh = [p for p in dict.fromkeys(registered) if p not in known]
    cursor = json.dumps(decided.cursor)
    if not fresh:
        context.update_cursor(cursor)
        yield SkipReason("; ".join(broken) or "Nothing new in the inbox.")
        return
    yield SensorResult(
        run_requests=[RunRequest(run_key=p, partition_key=p) for p in fresh],
        dynamic_partitions_requests=[EXPORTS.build_add_request(fresh)],
        cursor=cursor,
    )
