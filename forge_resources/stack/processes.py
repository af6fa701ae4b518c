"""The Dagster side of a home: one code server, the guarded UI, the daemon; started and stopped as one.

    with Stack() as stack, DagsterProcesses(stack) as dagster:
        print(dagster.url)

Each is a process group of its own with a log under ``FORGE_HOME/logs``. The code server listens on a unix
socket in a folder that only its owner may enter, so nobody else can launch runs through it. No orphan is
left behind: a child asks the system for a SIGTERM when we die, and what survives even that is ended at the
next start.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from forge_core.errors import ForgeError
from forge_resources.settings import Settings
from forge_resources.stack.stack import Stack
from forge_resources.stack.state import began, private_folder, read_json, try_lock, write_json

PROJECT = Path(__file__).resolve().parents[2]
MARK = "FORGE_STARTED_BY"  # in the environment of all we start, run workers included
TABLES = ("runs", "event_logs", "job_ticks", "secondary_indexes")  # one of each of Dagster's storages
_READY = (
    "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus locationOrLoadError {"
    " __typename ... on PythonError { message } } } } } }"
)


def running(settings: Settings) -> str | None:
    """The URL of the UI of a live `forge up` on this home, or None."""
    state = read_json(settings.home / "run" / "dagster.json")
    if not isinstance(state, dict) or state.get("kind") != "up" or not state.get("ready"):
        return None
    return state["url"] if began(state["pid"]) == state["began"] else None


class DagsterProcesses:
    """Code server, UI and daemon over a started stack.

    ``port`` None takes a free one. ``kind`` "up" is found by :func:`running`; anything else is for one
    command. Start it from a thread that lives as long as the processes shall: Linux ties them to that
    thread.
    """

    def __init__(
        self,
        stack: Stack,
        port: int | None = None,
        *,
        kind: str = "command",
        module: str = "definitions",
        project: Path = PROJECT,
    ) -> None:
        self.stack, self.port, self.kind = stack, port, kind
        self.module, self.project = module, project
        self.state = stack.run / "dagster.json"
        self.socket = stack.sockets / "code.sock"
        self.tables = stack.run / "dagster-tables"  # there once the webserver has made them
        self.mark = uuid.uuid4().hex
        self.url, self.ready = "", False
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock: int | None = None

    def start(self) -> DagsterProcesses:
        """Starts the three and returns; :meth:`wait_ready` says when they answer."""
        self._take_lock()
        try:
            sweep(self.state)
            listener = self._listen()
            with listener:
                self.url = f"http://localhost:{listener.getsockname()[1]}"
                workspace = self._write_configuration()
                self._write_state()
                socket, handle = str(self.socket), listener.fileno()
                self.tables.unlink(missing_ok=True)
                if self._has_tables():
                    self._start_code_server()
                ui = ["--workspace", str(workspace), "--fd", str(handle), "--wait-for", socket]
                ui += ["--made", str(self.tables)]
                self._spawn("webserver", ["-m", "forge_resources.webserver", *ui], handle)
            self.workspace = workspace
        except BaseException:
            self.stop()
            raise
        return self

    def wait_ready(self, timeout: float = 180.0, progress: Callable[[], None] = lambda: None) -> str:
        """Waits until the UI answers and the code location is loaded; starts the daemon on the way."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.check_alive()
            if "code-server" not in self.processes and self.tables.exists():
                self._start_code_server()
            if "daemon" not in self.processes and self.tables.exists() and _accepts(self.socket):
                # after the code server: a daemon that meets none retries only once a minute
                self._spawn("daemon", ["-m", "dagster._daemon", "run", "-w", str(self.workspace)])
            if self._loaded():
                self.ready = True
                self._write_state()
                return self.url
            progress()
            time.sleep(0.1)
        raise ForgeError("FORGE-UP-TIMEOUT", "The Dagster UI did not answer in time.", fix=self._see_logs())

    def check_alive(self) -> None:
        """Raises when one of the processes has ended by itself."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                # while it starts nothing personal is at hand: its last error is safe to show, and what one
                # wants
                why = "" if self.ready else _last_error(self.stack.settings.logs / f"{name}.log")
                raise ForgeError(
                    "FORGE-UP-DIED",
                    f"The {name} ended by itself (exit {process.returncode}).",
                    why,
                    self._see_logs(),
                )

    def stop(self, patience: float = 12.0) -> None:
        """Ends all of it: daemon first (no new runs), then the UI, then the code server with its run
        workers.
        """
        for name in ("daemon", "webserver", "code-server"):
            process = self.processes.pop(name, None)
            if process is not None:
                end_group(process, patience)
        if self._lock is not None:
            self.state.unlink(missing_ok=True)
            self.socket.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def kill(self) -> None:
        """The hard way, at once: for a second Ctrl-C."""
        for process in self.processes.values():
            _signal_group(process.pid, signal.SIGKILL)
        self.stop(patience=1.0)

    def __enter__(self) -> DagsterProcesses:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take_lock(self) -> None:
        handle = os.open(self.stack.run / "dagster.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not try_lock(handle):
            os.close(handle)
            raise ForgeError(
                "FORGE-UP-BUSY",
                "Another forge command has Dagster running on this home.",
                "Two daemons on one home would launch everything twice.",
                "Wait until it is done, or keep `forge up` running: commands then use it.",
            )
        self._lock = handle  # held until stop; the system frees it when we die

    def _listen(self) -> Any:
        from forge_resources.webserver import listen

        try:
            return listen(self.port or 0)
        except OSError as error:
            raise ForgeError(
                "FORGE-UP-PORT",
                f"Port {self.port} is not free.",
                error.strerror or "",
                "Choose another with --port.",
            ) from None

    def _write_configuration(self) -> Path:
        self.socket.unlink(missing_ok=True)
        write_instance(self.stack)
        workspace = self.stack.run / "workspace.yaml"
        server = {"socket": str(self.socket), "host": "localhost", "location_name": "forge"}
        workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}), "utf-8")  # JSON is YAML
        return workspace

    def _start_code_server(self) -> None:
        code = ["--module-name", self.module, "--working-directory", str(self.project)]
        self._spawn("code-server", ["-m", "dagster", "api", "grpc", "--socket", str(self.socket), *code])

    def _has_tables(self) -> bool:
        """Has a start before this one made Dagster's tables? On the first the webserver makes them, and the others
        wait for it: two that make them at once are one too many."""
        import psycopg

        url = self.stack.environment()["DAGSTER_POSTGRES_URL"].replace("+psycopg2", "")
        query = "select count(*) from pg_tables where tablename = any(%s)"
        try:
            with psycopg.connect(url, connect_timeout=10) as connection:
                row = connection.execute(query, ([*TABLES],)).fetchone()
        except psycopg.Error:
            return False
        return row is not None and row[0] == len(TABLES)

    def _spawn(self, name: str, arguments: list[str], *handles: int) -> None:
        environment = {**os.environ, **self.stack.environment(), MARK: self.mark}
        # steps run side by side: threads that spin while they wait take the other step's core (twice as slow)
        environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        paths = [str(PROJECT), str(self.project), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(p for p in paths if p))
        logs = private_folder(self.stack.settings.logs)
        path = logs / f"{name}.log"
        fresh = path.exists() and path.stat().st_size > 10_000_000
        with path.open("wb" if fresh else "ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.project,
                env=environment, pass_fds=handles, start_new_session=True, preexec_fn=_die_with_parent(),
            )  # fmt: skip
        self._write_state()

    def _write_state(self) -> None:
        groups = [process.pid for process in self.processes.values()]
        value = {"kind": self.kind, "url": self.url, "pid": os.getpid(), "began": began(os.getpid()),
                 "ready": self.ready, "mark": self.mark, "groups": groups}  # fmt: skip
        write_json(self.state, value)

    def _loaded(self) -> bool:
        answer = _ask(self.url, _READY) if "daemon" in self.processes else None
        entries = (answer or {}).get("workspaceOrError", {}).get("locationEntries", [])
        for entry in entries:
            if (entry["locationOrLoadError"] or {}).get("__typename") == "PythonError":
                raise ForgeError(
                    "FORGE-CODE-LOCATION",
                    "The code location does not load.",
                    entry["locationOrLoadError"]["message"].strip().splitlines()[-1][:300],
                    self._see_logs(),
                )
        return bool(entries) and all(entry["loadStatus"] == "LOADED" for entry in entries)

    def _see_logs(self) -> str:
        return f"See the logs in {self.stack.settings.logs}."


def write_instance(stack: Stack) -> None:
    """Puts our dagster.yaml into DAGSTER_HOME; one that the user chose keeps its own file."""
    home = stack.settings.dagster_home
    target, source = home / "dagster.yaml", PROJECT / "dagster.yaml"
    own = home == stack.home / "dagster"
    if source.is_file() and (own or not target.exists()):
        target.write_bytes(source.read_bytes())


def _ask(url: str, query: str) -> dict[str, Any] | None:
    request = urllib.request.Request(
        f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    # loopback never goes through a proxy
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)["data"]
    except (OSError, ValueError, KeyError):
        return None


def _last_error(log: Path) -> str:
    """The last line of a log that reads like ``SomeError: …``."""
    lines = log.read_text("utf-8", "replace").splitlines()[-60:]
    return next((line[:300] for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)), "")


def _accepts(path: Path) -> bool:
    import socket

    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _die_with_parent() -> Callable[[], None]:
    """What a child does before anything else: on Linux it asks for a SIGTERM at the death of who started it.

    Dagster treats SIGTERM as it finds SIGINT treated, and a shell without job control has those in its background
    ignore SIGINT: a server started there would not end. So both are what they are by default again.
    """
    linux = sys.platform.startswith("linux")
    prctl, parent = ctypes.CDLL(None).prctl if linux else None, os.getpid()  # no import after the fork

    def ask() -> None:
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, signal.SIG_DFL)
        if prctl is None:
            return
        prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # died in between
            os._exit(1)

    return ask


def _signal_group(group: int, sign: int) -> bool:
    try:
        os.killpg(group, sign)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_group(process: subprocess.Popen[bytes], patience: float) -> None:
    """TERM to the whole group (a code server alone would wait for its runs to finish), then KILL to who is
    left.
    """
    _signal_group(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        process.poll()  # collects the leader; the group lives on while a run worker writes down how it ended
        if not _signal_group(process.pid, 0):  # 0 only asks
            break
        time.sleep(0.05)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def ours(stack: Stack) -> list[Any]:
    """The live processes of a home (psutil's), whoever started them: servers, UI, daemon, run workers."""
    import psutil

    servers = {stack.postgres.pid(), stack.redis.pid()}
    state = read_json(stack.run / "dagster.json")
    mark = state.get("mark") if isinstance(state, dict) else None
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid in servers or (mark and process.environ().get(MARK) == mark):
                found.append(process)
    return found


def leftovers(state_file: Path) -> list[int]:
    """Live processes that a forge, dead since, had started for this home."""
    import psutil

    state = read_json(state_file)
    if not isinstance(state, dict) or began(state.get("pid", 0)) == state.get("began"):
        return []
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) in state["groups"] and process.environ().get(MARK) == state["mark"]:
                found.append(process.pid)
    return found


def sweep(state_file: Path) -> None:
    """Ends what a killed forge left behind; the mark in their environment tells them from a reused pid."""
    for sign, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 2.0)):
        pids = leftovers(state_file)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        deadline = time.monotonic() + patience
        while pids and time.monotonic() < deadline and leftovers(state_file):
            time.sleep(0.1)
    state_file.unlink(missing_ok=True)
