"""doctor: each finding is ok, note or unsafe, and only something unsafe makes it fail."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from forge_cli import doctor
from forge_cli.doctor import Finding, examine
from forge_cli.main import run
from forge_resources.settings import load_settings
from forge_resources.stack import Stack


def findings(stack: Stack) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(stack.settings, stack)}


def test_a_healthy_stack_is_not_unsafe(stack: Stack) -> None:
    found = findings(stack)
    assert {f.status for f in found.values()} <= {"ok", "note"}, found
    assert found["ports"].status == found["files"].status == found["telemetry"].status == "ok"
    assert found["pgvector"].status == "ok"


def test_every_finding_that_is_not_ok_says_what_to_do(stack: Stack) -> None:
    assert all(finding.fix for finding in findings(stack).values() if finding.status != "ok")


def test_a_key_that_others_may_read_is_unsafe_and_fails(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = home / "keys"
    keys.mkdir(mode=0o700)
    (keys / "pseudonyms").touch(mode=0o600)
    assert findings(Stack(load_settings()))["files"].status == "ok"
    (keys / "pseudonyms").chmod(0o644)
    assert run(["doctor", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert next(c for c in answer["checks"] if c["check"] == "files")["status"] == "unsafe"


def test_the_line_that_mends_a_home_with_a_space_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "my home"
    home.mkdir()
    home.chmod(0o755)
    monkeypatch.setenv("FORGE_HOME", str(home))
    assert next(doctor._modes(load_settings())).fix == f"chmod -R go-rwx '{home}'"


def test_a_port_of_ours_beyond_loopback_is_unsafe(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    with socket.create_server(("0.0.0.0", 0)):
        monkeypatch.setattr("forge_resources.stack.processes.ours", lambda _: [psutil.Process()])
        assert findings(stack)["ports"].status == "unsafe"


def test_telemetry_that_somebody_switched_on_is_unsafe(home: Path) -> None:
    folder = home / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").write_text("telemetry: {enabled: true}\n")
    assert findings(Stack(load_settings()))["telemetry"].status == "unsafe"


@pytest.mark.parametrize(
    ("version", "status"), [((3, 11, 2), "note"), ((3, 11, 99), "ok"), ((3, 14, 0), "note")]
)
def test_python_patch_levels(monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], status: str) -> None:
    monkeypatch.setattr(doctor.sys, "version_info", version)
    assert next(doctor._python()).status == status
    monkeypatch.undo()
    assert sys.version_info[0] == 3


@pytest.mark.parametrize(
    ("postgres", "vector", "expected"),
    [("18.4", "0.8.5", {"ok"}), ("18.0", "0.8.5", {"unsafe", "ok"}), ("17.2", "0.8.5", {"unsafe", "ok"}),
     ("18.4", "0.8.1", {"ok", "unsafe"}), ("18.4", "0.8.3", {"ok", "note"}), ("13.1", "", {"unsafe"})],
)  # fmt: skip
def test_floors_of_a_server_of_the_users(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, postgres: str, vector: str, expected: set[str]
) -> None:
    answer = {"postgres": {"ok": True, "kind": "external", "version": postgres, "pgvector": vector}}
    monkeypatch.setattr(stack, "health", lambda: answer)
    assert {finding.status for finding in doctor._postgres(stack)} == expected
