"""Who uses the servers of a home, and the lock that guards their start and stop.

A process is known by its pid together with the moment it began, so that a reused pid is never mistaken for
the process that wrote it down. The last live user stops the servers.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from forge_core.errors import ForgeError

# sockaddr_un holds 107 bytes; "/pg/.s.PGSQL.5432.lock" and a little room have to fit behind the folder
_LONGEST = 80


@dataclass(frozen=True)
class User:
    """A process that needs the servers; a detached one (`forge env`) needs them until it says otherwise."""

    pid: int
    began: str
    detached: bool = False

    def alive(self) -> bool:
        return self.detached or began(self.pid) == self.began


@cache
def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    return "boot"


def began(pid: int) -> str | None:
    """The moment a live process began, in ticks since boot where /proc has it (a changed clock does not
    move it).
    """
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        if os.path.exists("/proc/self/stat"):
            return None
    except ProcessLookupError:
        return None
    else:
        fields = line[line.rindex(b")") + 2 :].split()  # the name before it may hold anything
        return None if fields[0] in (b"Z", b"X") else f"{_boot()}:{fields[19].decode()}"
    import psutil

    try:
        return f"psutil:{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


def private_folder(path: Path) -> Path:
    """Makes a folder that only its owner may enter; refuses one that belongs to somebody else."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ForgeError(
            "FORGE-STACK-FOLDER",
            f"The folder {path} cannot be made.",
            f"{error.strerror}.",
            "Set FORGE_HOME to a folder you own.",
        ) from error
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ForgeError(
            "FORGE-STACK-FOLDER",
            f"{path} is not a folder of yours.",
            "Servers and keys are only kept where nobody else can reach them.",
            "Set FORGE_HOME to a folder you own.",
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
    return path


def socket_folder(home: Path) -> Path:
    """Where the unix sockets lie: under the home, or, where its path is too long or has a space, under
    /tmp.
    """
    folder = home / "run"
    if len(os.fsencode(folder)) <= _LONGEST and re.fullmatch(r"[A-Za-z0-9_./+@-]+", str(folder)):
        return folder
    name = f"forge-{os.geteuid()}-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}"
    # not TMPDIR first: it differs from shell to shell, and two shells must agree on the socket of one home
    base = Path("/tmp") if os.access("/tmp", os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    return base / name


@contextlib.contextmanager
def locked(run: Path, timeout: float = 180.0) -> Iterator[None]:
    """Holds the start/stop lock of a home; the system frees it when its holder dies."""
    handle = os.open(run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + timeout
        while not try_lock(handle):
            if time.monotonic() > deadline:
                raise ForgeError(
                    "FORGE-STACK-LOCKED",
                    "Another forge process has been starting or stopping the servers for too long.",
                    fix="See `forge doctor`, or end that process.",
                )
            time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def read_json(path: Path) -> Any:
    """The content of a state file, or None when there is none or it was cut off half-way."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def write_json(path: Path, value: Any) -> None:
    """Replaces a state file at once: a reader sees the old one or the new one, never half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(value), "utf-8")
    draft.chmod(0o600)
    draft.replace(path)


class Users:
    """The registry of users of one home; call under :func:`locked`."""

    def __init__(self, run: Path) -> None:
        self.path = run / "users.json"

    def live(self) -> list[User]:
        found = read_json(self.path)
        users = [User(**entry) for entry in found] if isinstance(found, list) else []
        return [user for user in users if user.alive()]

    def join(self, user: User) -> None:
        self._write([*(u for u in self.live() if u != user), user])

    def leave(self, *gone: User) -> list[User]:
        """Removes users and says who is left."""
        left = [user for user in self.live() if user not in gone]
        self._write(left)
        return left

    def _write(self, users: list[User]) -> None:
        write_json(self.path, [asdict(user) for user in users])


def myself() -> User:
    return User(os.getpid(), began(os.getpid()) or "unknown")


DETACHED = User(0, "detached", detached=True)
