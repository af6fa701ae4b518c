"""A folder, or a single file, read as if it were an archive."""

from __future__ import annotations

import lzma
import os
import stat
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from forge_core.archives.base import Archive, Limits, Member, MiB, printable, refuse, too_dense, too_many
from forge_core.archives.tars import unpacked


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

    def __init__(self, path: Path, limits: Limits, name: str) -> None:
        super().__init__(path, limits)
        size = path.stat().st_size
        if not size:
            raise refuse("EMPTY", "The file is empty.", "Export the data again.")
        self._admit([Member(printable(name), size, None, path)], None)

    def _open(self, member: Member) -> BinaryIO:
        return open(member.key, "rb")

    def file(self, member: Member) -> Path | None:
        return cast(Path, member.key)


class PackedFile(Archive):
    """A single file packed with gzip, bzip2 or xz: unpacked once to learn its length, and when it is read."""

    def __init__(self, path: Path, limits: Limits, name: str) -> None:
        super().__init__(path, limits)
        packed, size = path.stat().st_size, 0
        try:
            with unpacked(path) as stream:
                while piece := stream.read(MiB):
                    size += len(piece)
                    if size > limits.ratio_floor and size > limits.max_ratio * packed:
                        raise too_dense(limits)
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            raise refuse(
                "TRUNCATED", "It ends too early or is damaged.", "Download it again, to the end."
            ) from error
        name = name.rpartition(".")[0] or name
        self._admit([Member(printable(name), size, packed, None)], packed)

    def _open(self, member: Member) -> BinaryIO:
        return unpacked(self.path)
