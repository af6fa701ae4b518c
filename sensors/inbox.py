"""A new archive in ``FORGE_HOME/inbox`` becomes an export, a partition and a run; a broken one a failed run, once.

A file is taken when its size and time of change stayed the same between two looks; a part of a set when no part
before it is missing, or when nothing of the set changed for a while. The cursor holds sizes and hashes of names,
never a name: what stands in Dagster's storage is not personal.
"""

import hashlib
import json
import time
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
from forge_core.archives import missing, set_part
from forge_core.errors import ForgeError
from forge_resources.stores import Stores
from jobs import ingest, refused_archive

SEEN, DONE = "seen", "done"
UNFINISHED = (
    ".crdownload",
    ".download",
    ".part",
    ".partial",
    ".tmp",
)  # what browsers call a download under way


@dataclass(frozen=True)
class Plan:
    """What to take now, and what to remember until the next look."""

    take: Sequence[str]
    cursor: Mapping[str, Sequence[str]]
    waiting: Sequence[int] = ()  # numbers of the parts that are waited for


def plan(
    found: Mapping[str, tuple[int, int]],
    cursor: Mapping[str, Sequence[str]],
    now: float = 0.0,
    wait: float = 0.0,
) -> Plan:
    """Decide from file names with (bytes, time of change in ns) and the last cursor: pure.

    ``now`` is in seconds since 1970; a set with a missing part is taken when it has not changed for ``wait``.
    """
    found = {name: stat for name, stat in found.items() if not name.lower().endswith(UNFINISHED)}
    marks = {name: mark(name, *stat) for name, stat in sorted(found.items())}
    last = {one: state for state in (SEEN, DONE) for one in cursor.get(state, ())}
    stable = {name for name, one in marks.items() if one in last and found[name][0] > 0}
    held, waiting = _incomplete(found, stable, now, wait)
    take = [name for name, one in marks.items() if last.get(one) == SEEN and name in stable - held]
    done = [one for name, one in marks.items() if last.get(one) == DONE or name in take]
    return Plan(take, {SEEN: [one for one in marks.values() if one not in done], DONE: done}, waiting)


def _incomplete(
    found: Mapping[str, tuple[int, int]], stable: set[str], now: float, wait: float
) -> tuple[set[str], list[int]]:
    """Parts of sets that still arrive, and the numbers of those they wait for."""
    sets: dict[str, list[tuple[int, str]]] = {}
    totals: dict[str, int | None] = {}
    for name in found:
        if part := set_part(name):
            sets.setdefault(part.name, []).append((part.part, name))
            totals[part.name] = part.total or totals.get(part.name)
    held: set[str] = set()
    waiting: list[int] = []
    for set_name, members in sets.items():
        names = {name for _, name in members}
        absent = missing((number for number, name in members if name in stable), totals[set_name])
        if absent and now - max(found[name][1] for name in names) / 1e9 < wait:
            held |= names
            waiting += absent
    return held, waiting


def mark(name: str, size: int, changed: int) -> str:
    return hashlib.sha256(f"{name}\0{size}\0{changed}".encode()).hexdigest()[:20]


def _look(folder: Path) -> dict[str, tuple[int, int]]:
    if not folder.is_dir():
        return {}
    entries = (
        e for e in folder.iterdir() if not e.name.startswith(".") and not e.is_symlink() and e.is_file()
    )
    return {e.name: (e.stat().st_size, e.stat().st_mtime_ns) for e in entries}


@sensor(
    jobs=[ingest, refused_archive],
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.RUNNING,
    description="A finished archive in the inbox folder becomes an export and a run; a broken one a failed run.",
)
def inbox(
    context: SensorEvaluationContext, stores: ResourceParam[Stores]
) -> Iterator[SensorResult | SkipReason]:
    """Registers what the plan takes; a run for each new export, and one that fails for each refused archive."""
    folder = stores.settings.inbox
    files = _look(folder)
    decided = plan(files, json.loads(context.cursor or "{}"), time.time(), stores.settings.inbox_wait_s)
    registered: list[str] = []
    requests: list[RunRequest] = []
    for name in decided.take:
        try:
            registered.append(stores.exports.register(folder / name).partition)
        except ForgeError as error:
            context.log.warning(f"An archive in the inbox was refused: {error}")
            requests.append(
                RunRequest(
                    run_key=f"refused-{mark(name, *files[name])}",
                    job_name=refused_archive.name,
                    run_config={"ops": {"refuse": {"config": {"reason": str(error)}}}},
                )
            )
    known = set(context.instance.get_dynamic_partitions(str(EXPORTS.name)))
    fresh = [p for p in dict.fromkeys(registered) if p not in known]
    requests += [RunRequest(run_key=p, job_name=ingest.name, partition_key=p) for p in fresh]
    cursor = json.dumps(decided.cursor)
    if not requests:
        context.update_cursor(cursor)
        parts = ", ".join(map(str, decided.waiting))
        yield SkipReason(f"Waiting for part {parts} of a set." if parts else "Nothing new in the inbox.")
        return
    yield SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[EXPORTS.build_add_request(fresh)] if fresh else [],
        cursor=cursor,
    )
