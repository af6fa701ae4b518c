"""What every kind of archive shares: limits, members, counted streams and the checks at the door.

A refusal names the limit and the member's number, never its name: names can be personal.
"""

from __future__ import annotations

import io
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from unicodedata import category

from forge_core.errors import ForgeError, Refused

MiB = 2**20
_UNSAFE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


@dataclass(frozen=True)
class Limits:
    """What an archive may ask of this machine. A real Takeout of 50 GB parts passes the defaults."""

    max_ratio: float = 100.0  # deflate reaches 1032:1, text of exports 10 to 40:1
    ratio_floor: int = 100 * MiB  # below this much unpacked data a ratio is no danger
    max_members: int = 200_000
    max_nesting: int = 2  # an archive inside an archive is 2
    free_disk_reserve: float = 0.10  # the tables need about the room of what they were read from
    disk: Path | None = None  # where the rows will go; default: where the archive lies


@dataclass(frozen=True)
class Member:
    """One file of an archive. ``name`` is unique in it and safe to print and store."""

    name: str
    size: int
    packed: int | None = None
    key: Any = field(default=None, repr=False, compare=False)


class MemberError(ForgeError):
    """One member cannot be read as it is; the others can."""


def refuse(code: str, why: str, fix: str = "") -> Refused:
    return Refused(f"FORGE-ARCHIVE-{code}", "The archive was refused.", why, fix)


def check_name(name: str, number: int) -> None:
    """Refuse names that would leave the folder they were unpacked in (nothing is)."""
    reason = ""
    if "\0" in name:
        reason = "has a NUL character in its name"
    elif "\\" in name:
        reason = "has a backslash in its name"
    elif name.startswith("/"):
        reason = "has an absolute path"
    elif len(name) > 1 and name[1] == ":" and name[0].isalpha():
        reason = "has a drive letter in its path"
    elif ".." in name.split("/"):
        reason = "climbs out of its folder (`..`)"
    if reason:
        raise refuse("PATH", f"Member {number} {reason}.", "Do not use this file; export the data again.")


def printable(name: str) -> str:
    """A name that UTF-8, PostgreSQL and a terminal can take."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    # control and format characters (among them those that turn the direction of writing), line separators
    return "".join("\ufffd" if category(char) in _UNSAFE else char for char in text)


class Archive:
    """An opened archive: its members, and a counted stream of each. Use it as a context manager."""

    depth = 1  # a folder is 0: it is no archive itself

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits = path, limits
        self.members: tuple[Member, ...] = ()
        self.quarantined: list[tuple[str, str]] = []  # (member name, reason)

    def open(self, member: Member) -> BinaryIO:
        """A stream of the member's bytes that stops with a ``MemberError`` where they are not as declared."""
        try:
            raw = self._open(member)
        except _DAMAGE as error:
            raise _damaged(error) from error
        return io.BufferedReader(_Counted(raw, member.size), 256 * 1024)

    def head(self, member: Member, length: int = 64 * 1024) -> bytes:
        """The first bytes of a member."""
        with self.open(member) as stream:
            return stream.read(length)

    def file(self, member: Member) -> Path | None:
        """The member as a plain file on disk, for what must be read in place; None inside an archive."""
        return None

    def close(self) -> None:
        """Give the file back."""

    def _open(self, member: Member) -> BinaryIO:
        raise NotImplementedError

    def _admit(self, members: Sequence[Member], packed: int | None) -> None:
        """Check what is declared against the limits, then take the members, with unique names."""
        limits, total = self.limits, sum(member.size for member in members)
        if not members and not self.quarantined:
            raise refuse("EMPTY", "It holds no file.", "Export the data again.")
        if len(members) > limits.max_members:
            raise too_many(limits)
        if packed is not None and total > limits.ratio_floor and total > limits.max_ratio * max(packed, 1):
            raise too_dense(limits)
        for number, member in enumerate(members, 1):
            if member.packed is None or member.size <= limits.ratio_floor:
                continue
            if member.size > limits.max_ratio * max(member.packed, 1):
                raise too_dense(limits, number)
        disk = limits.disk or self.path.parent
        room = shutil.disk_usage(disk).free * (1 - limits.free_disk_reserve)
        if total > room:
            raise refuse(
                "DISK",
                f"It holds {total / 1e9:.1f} GB; {room / 1e9:.1f} GB are free less the reserve of "
                f"{limits.free_disk_reserve:.0%}.",
                "Free some space, or set a smaller reserve.",
            )
        seen: dict[str, int] = {}
        unique = []
        for member in members:
            seen[member.name] = count = seen.get(member.name, 0) + 1
            name = member.name if count == 1 else f"{member.name}#{count}"
            unique.append(Member(name, member.size, member.packed, member.key))
        self.members = tuple(unique)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def too_many(limits: Limits) -> Refused:
    return refuse("MEMBERS", f"It holds more than {limits.max_members} files (max_members).")


def too_dense(limits: Limits, number: int | None = None) -> Refused:
    what = "It" if number is None else f"Member {number}"
    return refuse(
        "RATIO",
        f"{what} would unpack to more than {limits.max_ratio:g} times its size (max_ratio).",
        "If you trust the file, raise the limit.",
    )


_DAMAGE = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError, ValueError)


def _damaged(error: Exception) -> MemberError:
    if isinstance(error, EOFError):
        return MemberError("FORGE-ARCHIVE-TRUNCATED", "A member ends before its data does.")
    if isinstance(error, NotImplementedError):
        return MemberError("FORGE-ARCHIVE-METHOD", "A member is packed with an unsupported method.")
    return MemberError("FORGE-ARCHIVE-CRC", "A member does not fit its checksum or header.")


class _Counted(io.RawIOBase):
    """Passes bytes on and counts them against the declared size."""

    def __init__(self, raw: BinaryIO, declared: int) -> None:
        self._raw, self._declared, self._count = raw, declared, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._raw.read(len(buffer))
        except _DAMAGE as error:
            raise _damaged(error) from error
        except OSError as error:
            if type(error).__name__ == "BadGzipFile":
                raise _damaged(error) from error
            raise
        self._count += len(data)
        if self._count > self._declared or (not data and len(buffer) and self._count < self._declared):
            raise MemberError("FORGE-ARCHIVE-SIZE", "A member is longer or shorter than its header says.")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
