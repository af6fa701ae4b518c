"""The inbox sensor's planner: a file is taken once, when it stopped growing."""

from __future__ import annotations

from sensors.inbox import plan


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
