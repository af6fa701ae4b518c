"""``forge demo`` up to the first server: its home, its example, its port, what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forge_cli import demo
from tests.cli.runner import forge


def test_the_demo_has_a_home_of_its_own(
    bare_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORGE_HOME", "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()

    demo.set_home("demo")

    assert os.environ["FORGE_HOME"] == str(tmp_path / ".forge" / "demo")


def test_a_named_home_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FORGE_HOME", str(tmp_path))

    demo.set_home("demo")

    assert os.environ["FORGE_HOME"] == str(tmp_path)


def test_the_example_is_made_once(tmp_path: Path) -> None:
    first = demo.example(tmp_path, people=1, years=0.1)
    made = {path: path.stat().st_mtime_ns for path in first.iterdir()}

    again = demo.example(tmp_path, people=1, years=0.1)

    assert again == first
    assert {path: path.stat().st_mtime_ns for path in again.iterdir()} == made
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_f_i3_a_bad_export_ends_the_demo_before_anything_is_written(
    bare_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORGE_HOME", str(tmp_path / "home"))
    bad = tmp_path / "takeout.zip"
    bad.write_bytes(b"<html>Please sign in</html>")

    ended = forge("demo", bad, "--exit", "--json")

    assert ended.code == 3
    assert ended.json["error"]["code"] == "FORGE-ARCHIVE-NOT-AN-ARCHIVE"
    assert not (tmp_path / "home").exists()
