"""PostgreSQL refuses to run as root: whom to run it as, and how it still reaches its files.

As an ordinary user nothing of this is needed. As root the server runs as an unprivileged account; because
the home and often the virtual environment lie in folders that account may not enter (/root is 0700), it
keeps one capability, reading and passing through folders, and no other.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forge_core.errors import ForgeError


@dataclass(frozen=True)
class RunAs:
    """How to start a process as somebody: words before the command, arguments of Popen, the files' owner."""

    prefix: tuple[str, ...] = ()
    popen: dict[str, Any] = field(default_factory=dict)
    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def server_account(needs: Iterable[Path], home: Path) -> RunAs:
    """The account for a server that must not be root, able to reach the paths it needs."""
    if os.geteuid() != 0:
        return RunAs()
    account = _account()
    uid, gid = account.pw_uid, account.pw_gid
    setpriv = shutil.which("setpriv")
    if setpriv:
        keep = "-all,+dac_read_search"
        prefix = (setpriv, f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs",
                  f"--inh-caps={keep}", f"--ambient-caps={keep}", f"--bounding-set={keep}", "--")  # fmt: skip
        tried = subprocess.run([*prefix, "true"], capture_output=True, cwd="/")
        if tried.returncode == 0:
            return RunAs(prefix, {}, uid, gid)
    # a container without that capability: let the account pass through the home (not list it), if it gets
    # that far
    home.chmod(0o711)
    blocked = next((folder for path in needs for folder in _blocked(path, uid)), None)
    if blocked:
        raise ForgeError(
            "FORGE-STACK-ROOT",
            f"As root, PostgreSQL runs as {account.pw_name}, which may not enter {blocked}.",
            "PostgreSQL refuses to run as root.",
            "Run forge as an ordinary user, or move the folder to where that account can reach it.",
        )
    return RunAs((), {"user": uid, "group": gid, "extra_groups": []}, uid, gid)


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ForgeError(
        "FORGE-STACK-ROOT",
        "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody.",
        fix="Run forge as an ordinary user.",
    )


def _blocked(path: Path, uid: int) -> Iterable[Path]:
    for folder in path.parents:
        if folder.exists() and not folder.stat().st_mode & 0o001 and folder.stat().st_uid != uid:
            yield folder
