"""A folder, or a single file, read as if it were an archive."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

from forge_core.archives.base import Archive, Limits, Member, printable, refuse, too_many


def files(folder: Path, limits: Limits | None = None) -> list[tuple[str, Path]]:
    """(relative name, path) of all regular files, sorted by name. Links are not followed.

    A link to something inside the folder is passed over (its target is listed); one that leaves is refused.
    """
    limits = limits or Limits()
    root = folder.resolve()
    found: list[tuple[str, Path]] = []
    for parent, folders, names in os.walk(root):
        for name in [*names, *folders]:
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                if not path.resolve().is_relative_to(root):
                    raise refuse("LINK", "It has a link that leaves the folder.", "Remove the link.")
            elif stat.S_ISREG(mode):
                found.append((path.relative_to(root).as_posix(), path))
            elif not stat.S_ISDIR(mode):
                raise refuse("LINK", "It holds a device, pipe or socket.", "Remove it.")
        if len(found) > limits.max_members:
            raise too_many(limits)
    return sorted(found)


class FolderArchive(Archive):
    """A folder, as unpacked by the person."""

    depth = 0

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path, limits)
        found = files(path, limits)
        self._admit([Member(printable(name), file.stat().st_size, None, file) for name, file in found], None)

    def _open(self, member: Member) -> BinaryIO:
        return open(member.key, "rb")

    def file(self, member: Member) -> Path | None:
        return cast(Path, member.key)


class FileArchive(Archive):
    """A single file that is no archive: a history file by itself."""

    depth = 0

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path, limits)
        size = path.stat().st_size
        if not size:
            raise refuse("EMPTY", "The file is empty.", "Export the data again.")
        self._admit([Member(printable(path.name), size, None, path)], None)

    def _open(self, member: Member) -> BinaryIO:
        return open(member.key, "rb")

    def file(self, member: Member) -> Path | None:
        return cast(Path, member.key)
