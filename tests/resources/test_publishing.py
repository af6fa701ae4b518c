"""Publishing: on all cores or on one, interrupted and gone on with, with workers that hang or die, at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from forge_core import sources
from forge_core.sources import Options, reading, workers
from forge_resources.exports import Export, Exports
from forge_resources.postgres import Database
from forge_resources.publishing import Published, publish
from forge_resources.settings import load_settings
from forge_resources.stores import Stores
from tests.core.readers import record

ROWS = 20_000
SMALL = Options(part_bytes=500_000)  # a handful of parts


@pytest.fixture
def stores(home: Path) -> Stores:
    made = Stores(load_settings(reading=SMALL))
    made.database.ensure()
    return made


@pytest.fixture
def export(stores: Stores, tmp_path: Path) -> Export:
    path = tmp_path / "watch-history.json"
    path.write_text(json.dumps([record(number) for number in range(ROWS)]))
    return stores.exports.register(path)


def run(stores: Stores, export: Export, workers: int = 0, **more: Any) -> Published:
    return publish(stores.database, stores.exports, export, workers=workers, **more)


def raw(database: Database) -> list[tuple]:
    return database.rows("select event_id, item, time, sequence from raw.watch order by event_id")


def staged(database: Database) -> list[str]:
    return [name for (name,) in database.rows("select tablename from pg_tables where schemaname = 'staging'")]


def in_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PARALLEL_FROM", 0)


def test_all_cores_and_one_make_the_same_rows(stores, export, monkeypatch):
    alone = run(stores, export)
    rows = raw(stores.database)
    in_parallel(monkeypatch)
    together = run(stores, export, workers=2)

    assert len(rows) == ROWS == alone.kinds["watch"].new_rows
    assert raw(stores.database) == rows
    assert together.kinds["watch"].digest == alone.kinds["watch"].digest
    assert together.report.as_dict() == alone.report.as_dict()
    assert staged(stores.database) == ["parts"]


class Interrupted(BaseException):
    """As a signal would."""


@pytest.mark.parametrize("count", [0, 2])
def test_F_P2_an_interrupted_import_goes_on_where_it_was(stores, export, monkeypatch, count):
    monkeypatch.setattr("forge_resources.staging.COMMIT_SECONDS", 0)
    if count:
        in_parallel(monkeypatch)
    seen = []

    def stop(now):
        seen.append(now)
        if len(seen) == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(stores, export, count, progress=stop)
    assert raw(stores.database) == []
    done = run(stores, export, count)

    assert 1 <= done.resumed <= 3
    assert len(raw(stores.database)) == ROWS == done.kinds["watch"].rows
    assert done.report.members["watch-history.json"].rows == {"watch": ROWS}
    assert staged(stores.database) == ["parts"]


def test_other_limits_make_other_parts_so_reading_starts_again(stores, export, monkeypatch):
    monkeypatch.setattr("forge_resources.staging.COMMIT_SECONDS", 0)

    def stop(now):
        raise Interrupted

    with pytest.raises(Interrupted):
        run(stores, export, progress=stop)
    others = Exports(stores.database, stores.settings.home, options=Options(part_bytes=700_000))
    done = publish(stores.database, others, export, workers=0)

    assert done.resumed == 0
    assert len(raw(stores.database)) == ROWS


KILLED = """
import sys, time
from forge_resources import staging
from forge_resources.publishing import publish
from forge_resources.stores import Stores
staging.COMMIT_SECONDS = 0
stores = Stores()
def slow(now):
    print(now.rows, flush=True)
    time.sleep(0.2)
publish(stores.database, stores.exports, stores.exports.get(sys.argv[1]), slow, workers=0)
"""


def test_F_A10_F_O4_a_killed_import_leaves_no_half_rows_and_goes_on(stores, export):
    limits = json.dumps({"part_bytes": SMALL.part_bytes})
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, export.partition],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"FORGE_READING": limits, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    for _ in range(3):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert raw(stores.database) == []

    done = run(stores, export)
    assert done.resumed >= 2
    assert len(raw(stores.database)) == ROWS


def test_F_A10_a_disk_that_vanishes_fails_the_run_and_the_next_one_goes_on(stores, export, monkeypatch):
    monkeypatch.setattr("forge_resources.staging.COMMIT_SECONDS", 0)
    split = type(sources.reader_named("youtube")).split

    def vanishing(self, stream, sink):
        for number, part in enumerate(split(self, stream, sink)):
            if number == 3:
                raise OSError(5, "Input/output error")
            yield part

    with monkeypatch.context() as patch:
        patch.setattr(type(sources.reader_named("youtube")), "split", vanishing)
        with pytest.raises(OSError, match="Input/output"):
            run(stores, export)
    assert raw(stores.database) == []
    assert run(stores, export).resumed == 3
    assert len(raw(stores.database)) == ROWS


def test_a_worker_that_hangs_or_dies_costs_its_part_only(stores, export, monkeypatch):
    in_parallel(monkeypatch)
    start, started = workers.start, []

    def sometimes(*arguments, **more):
        process, connection = start(*arguments, **more)
        started.append(process)
        if len(started) == 1:
            process.send_signal(signal.SIGSTOP)  # hangs
        if len(started) == 2:
            process.kill()
        return process, connection

    monkeypatch.setattr(workers, "start", sometimes)
    monkeypatch.setattr(workers, "START_SECONDS", 8)
    quick = Options(part_bytes=SMALL.part_bytes, part_seconds=8)
    others = Exports(stores.database, stores.settings.home, options=quick)
    done = publish(stores.database, others, export, workers=2)

    assert done.reasons == {"a part took too long": 1, "a part broke the reader": 1}
    assert ROWS * 0.4 < len(raw(stores.database)) < ROWS


def test_two_runs_of_one_export_at_once_publish_it_once(stores, export):
    outcomes: list[Published] = []

    def one() -> None:
        outcomes.append(run(stores, export))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done.kinds["watch"].new_rows for done in outcomes) == [0, ROWS]
    assert len(raw(stores.database)) == ROWS


def test_what_new_readers_no_longer_yield_goes_when_an_export_is_published_again(stores, export):
    run(stores, export)
    with stores.database.transaction() as connection:
        connection.execute("update raw.watch set event_id = gen_random_uuid() where sequence > -10")
    again = stores.exports.get(export.partition)
    done = run(stores, again)

    assert done.kinds["watch"].new_rows == 10
    assert len(raw(stores.database)) == ROWS


def test_erasing_an_export_drops_what_was_staged_of_it(stores, export, monkeypatch):
    monkeypatch.setattr("forge_resources.staging.COMMIT_SECONDS", 0)

    def stop(now):
        if now.bytes > SMALL.part_bytes * 5:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(stores, export, progress=stop)
    assert len(staged(stores.database)) == 2
    stores.exports.erase(subject="me")

    assert staged(stores.database) == ["parts"]
    assert stores.database.rows("select * from staging.parts") == []


def test_progress_says_how_far_it_is(stores, export):
    marks: list[Any] = []
    run(stores, export, progress=marks.append)

    assert [mark.bytes for mark in marks] == sorted(mark.bytes for mark in marks)
    assert marks[-1].rows == ROWS
    assert 0.9 < marks[-1].bytes / marks[-1].total < 1.1


def test_F_A6_parts_of_a_set_belong_to_one_person_and_a_later_one_adds_only_the_rest(stores, tmp_path):
    paths = []
    for number, records in ((1, range(0, 10)), (3, range(5, 20)), (2, range(20, 25))):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / f"takeout-20260101T000000Z-{number:03d}.zip"
        import zipfile

        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("Takeout/h.json", json.dumps([record(n) for n in records]))
        paths.append(path)
    first = stores.exports.register(paths[0], "anna@example.test")
    third = stores.exports.register(paths[1])
    (found,) = stores.exports.sets()
    assert (third.subject, found.missing) == ("anna@example.test", [2])
    assert [run(stores, e).kinds["watch"].new_rows for e in (first, third)] == [10, 10]

    second = stores.exports.register(paths[2])
    (found,) = stores.exports.sets()
    assert (found.missing, sorted(found.parts.values())) == ([], [1, 2, 3])
    assert run(stores, second).kinds["watch"].new_rows == 5
    assert stores.exports.register(paths[2]).new is False  # the same part twice


def test_two_first_exports_at_once_are_both_published_and_the_table_keeps_its_indexes(stores, tmp_path):
    made = []
    for number in range(2):
        path = tmp_path / f"{number}" / "watch-history.json"
        path.parent.mkdir()
        path.write_text(json.dumps([record(number * 1000 + row) for row in range(1000)]))
        made.append(stores.exports.register(path))
    threads = [threading.Thread(target=run, args=(stores, export)) for export in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(raw(stores.database)) == 2000
    names = {
        name
        for (name,) in stores.database.rows(
            "select indexname from pg_indexes where schemaname = 'raw' and tablename = 'watch'"
        )
    }
    assert names == {"watch_pkey", "watch_export"}
