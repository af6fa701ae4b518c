"""The inbox sensor's planner: a file is taken once, when it stopped growing."""

from __future__ import annotations

import shutil

import dagster as dg

from sensors.inbox import plan
from tests.assets.conftest import watched


def test_a_file_is_taken_at_the_second_look_and_never_again():
    files = {"a.zip": (10, 1)}
    first = plan(files, {})
    second = plan(files, first.cursor)
    third = plan(files, second.cursor)
    assert (first.take, second.take, third.take) == ([], ["a.zip"], [])


def test_a_file_that_still_grows_waits():
    first = plan({"a.zip": (10, 1)}, {})
    second = plan({"a.zip": (20, 2)}, first.cursor)
    third = plan({"a.zip": (20, 2)}, second.cursor)
    assert (second.take, third.take) == ([], ["a.zip"])


def test_an_empty_file_is_not_taken():
    first = plan({"a.zip": (0, 1)}, {})
    assert plan({"a.zip": (0, 1)}, first.cursor).take == []


def test_the_cursor_tells_no_names():
    assert "person" not in str(plan({"person@example.test.zip": (10, 1)}, {}).cursor)


def test_what_left_the_inbox_is_forgotten():
    first = plan({"a.zip": (10, 1)}, {})
    second = plan({"a.zip": (10, 1)}, first.cursor)
    assert plan({}, second.cursor).cursor == {"seen": [], "done": []}


def parts(*numbers: int, changed: int = 0) -> dict[str, tuple[int, int]]:
    return {f"takeout-20260101T000000Z-{n:03d}.zip": (10, changed) for n in numbers}


def test_F_A5_a_set_with_a_missing_part_waits_and_then_comes_as_it_is():
    first = plan(parts(1, 3), {}, now=0, wait=600)
    second = plan(parts(1, 3), first.cursor, now=100, wait=600)
    third = plan(parts(1, 3), second.cursor, now=700, wait=600)

    assert (second.take, list(second.waiting)) == ([], [2])
    assert third.take == list(parts(1, 3))


def test_F_A5_the_missing_part_completes_the_set():
    first = plan(parts(1, 3), {}, now=0, wait=600)
    second = plan(parts(1, 2, 3), first.cursor, now=100, wait=600)
    third = plan(parts(1, 2, 3), second.cursor, now=110, wait=600)

    assert second.take == []  # part 2 was seen once: it may still grow
    assert third.take == list(parts(1, 2, 3))


def test_a_download_under_way_is_no_file_yet():
    files = {"takeout.zip.crdownload": (10, 1), "x.part": (10, 1)}
    assert plan(files, plan(files, {}).cursor).take == []


def test_a_good_archive_becomes_a_run_and_a_broken_one_a_failed_run_once(forge, takeout):
    inbox_folder = forge.stores.settings.inbox
    inbox_folder.mkdir()
    shutil.copy(takeout(watched(1, 2)), inbox_folder / "good.zip")
    (inbox_folder / "bad.zip").write_bytes(b"<html>error</html>")
    sensor, cursor = forge.repository.get_sensor_def("inbox"), None
    looks, requests = [], []
    for _ in range(4):
        context = dg.build_sensor_context(
            instance=forge.instance, cursor=cursor, resources={"stores": forge.stores}
        )
        (answer,) = sensor(context)
        asked = answer.run_requests if isinstance(answer, dg.SensorResult) else []
        cursor = answer.cursor if asked else context.cursor
        looks.append(sorted(request.job_name for request in asked))
        requests += asked

    assert looks == [[], ["ingest", "refused_archive"], [], []]
    request = next(request for request in requests if request.job_name == "refused_archive")
    failed = forge.repository.get_job("refused_archive").execute_in_process(
        run_config=request.run_config, raise_on_error=False
    )
    assert not failed.success
    assert "FORGE-ARCHIVE-NOT-AN-ARCHIVE" in str(failed.all_node_events)
    assert "bad.zip" not in str(request)
