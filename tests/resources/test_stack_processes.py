"""The Dagster side: it comes up, runs, stops whole, and leaves no orphan when forge itself is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from forge_core.errors import ForgeError
from forge_resources.settings import load_settings
from forge_resources.stack import Stack
from forge_resources.stack.processes import DagsterProcesses, leftovers, ours, running

pytestmark = pytest.mark.usefixtures("bare_environment")

CODE = "import dagster as dg\n@dg.asset\ndef thing(): ...\ndefs = dg.Definitions(assets=[thing])\n"
UP = """
import sys, time
from pathlib import Path
from forge_resources.settings import load_settings
from forge_resources.stack import Stack
from forge_resources.stack.processes import DagsterProcesses
stack = Stack(load_settings(home=sys.argv[1]), durable=False).start()
dagster = DagsterProcesses(stack, kind="up", module="tinycode", project=Path(sys.argv[2])).start()
dagster.wait_ready()
print("up", flush=True)
time.sleep(120)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="forge up "))
    (path / "tinycode.py").write_text(CODE)
    yield path
    stack = Stack(load_settings(home=path / "home"))
    stack.down()
    shutil.rmtree(path)
    shutil.rmtree(stack.sockets, ignore_errors=True)


def test_up_is_found_guarded_and_stops_whole(folder: Path) -> None:
    settings = load_settings(home=folder / "home")
    with Stack(settings, durable=False) as stack:
        dagster = DagsterProcesses(stack, kind="up", module="tinycode", project=folder)
        assert running(settings) is None
        with dagster:
            assert running(settings) == dagster.url
            for process in ours(stack):
                for connection in process.net_connections("inet"):
                    assert connection.laddr.ip == "127.0.0.1" or connection.status != psutil.CONN_LISTEN
            with pytest.raises(ForgeError, match="FORGE-UP-BUSY"):
                DagsterProcesses(stack, module="tinycode", project=folder).start()
            pids = [process.pid for process in dagster.processes.values()]
        assert not any(psutil.pid_exists(pid) for pid in pids)
        assert running(settings) is None


def test_a_code_location_that_does_not_load_says_so_and_leaves_nothing(folder: Path) -> None:
    (folder / "tinycode.py").write_text("import no_such_module_anywhere\n")
    with Stack(load_settings(home=folder / "home"), durable=False) as stack:
        dagster = DagsterProcesses(stack, module="tinycode", project=folder)
        with pytest.raises(ForgeError, match="no_such_module_anywhere"), dagster:
            pass
        assert not dagster.processes


@pytest.mark.parametrize("background", [False, True])
def test_no_orphan_when_forge_is_killed(folder: Path, background: bool) -> None:
    def ignoring() -> None:  # as a shell without job control starts what is to run in its background
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, signal.SIG_IGN if background else signal.SIG_DFL)

    forge = subprocess.Popen(
        [sys.executable, "-c", UP, str(folder / "home"), str(folder)], stdout=subprocess.PIPE, text=True,
        preexec_fn=ignoring,
    )  # fmt: skip
    assert forge.stdout is not None
    assert forge.stdout.readline() == "up\n"
    stack = Stack(load_settings(home=folder / "home"))
    assert running(stack.settings)
    os.kill(forge.pid, signal.SIGKILL)
    forge.wait()
    assert running(stack.settings) is None
    deadline = time.monotonic() + 20
    while leftovers(stack.run / "dagster.json") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert leftovers(stack.run / "dagster.json") == []
