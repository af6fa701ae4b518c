"""Tar archives, plain or packed with gzip, bzip2 or xz: one pass lists them, members are read in order.

A packed tar has no directory. Reading members in the order of ``members`` goes through the file once;
going back unpacks it again from the start, in memory, never to disk.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

from forge_core.archives.base import (
    Archive,
    Limits,
    Member,
    MiB,
    check_name,
    printable,
    refuse,
    too_dense,
    too_many,
)

OPENERS: tuple[tuple[bytes, Any], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\0", lzma.open),
)


def unpacked(path: Path) -> BinaryIO:
    """The bytes of a possibly packed file."""
    with path.open("rb") as stream:
        magic = stream.read(6)
    opener = next((opener for mark, opener in OPENERS if magic.startswith(mark)), None)
    return cast(BinaryIO, opener(path, "rb") if opener else path.open("rb"))


def is_tar(path: Path) -> bool:
    """Whether a packed file holds a tar. One that cannot be unpacked is left to ``TarArchive`` to refuse."""
    try:
        with unpacked(path) as stream:
            head = stream.read(tarfile.BLOCKSIZE)
            tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return bool(head) and not head.strip(b"\0")  # a block of zeros: an empty tar
    except (EOFError, zlib.error, lzma.LZMAError, OSError):
        return True
    return True


class TarArchive(Archive):
    """A tar file; sizes are checked as they are declared, before the data is unpacked."""

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path, limits)
        self._stream = unpacked(path)
        try:
            self._tar = tarfile.TarFile(fileobj=cast(Any, _Guard(self._stream)))
            self._take()
        except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            self._stream.close()
            raise _unreadable(error) from error
        except BaseException:
            self._stream.close()
            raise

    def _take(self) -> None:
        packed, limits = self.path.stat().st_size, self.limits
        members: list[Member] = []
        total = number = 0
        while (info := self._tar.next()) is not None:
            number += 1
            if info.name.startswith("//"):
                self.quarantined.append((printable(info.name), "path begins with //"))
                continue
            check_name(info.name, number)
            if not (info.isreg() or info.isdir()):
                raise refuse("LINK", f"Member {number} is a link or a device.", "Export the data again.")
            total += info.size
            if total > limits.ratio_floor and total > limits.max_ratio * packed:
                raise too_dense(limits)
            if number > limits.max_members:
                raise too_many(limits)
            if info.isreg():
                members.append(Member(printable(info.name), info.size, None, info))
        self._admit(members, packed)

    def _open(self, member: Member) -> BinaryIO:
        stream = self._tar.extractfile(member.key)
        assert stream is not None  # only regular members are listed
        return cast(BinaryIO, stream)

    def close(self) -> None:
        self._tar.close()
        self._stream.close()


class _Guard:
    """Refuses one read of more than a few MiB: a forged header would otherwise fill the memory."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= 4 * MiB:
            raise refuse("PATH", "A header of the archive is longer than 4 MiB.", "Do not use this file.")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


def _unreadable(error: Exception) -> Exception:
    if isinstance(error, tarfile.ReadError) and "end of data" not in str(error):
        return refuse("NOT-AN-ARCHIVE", "It is packed, but no tar archive.", "Give the export as downloaded.")
    if isinstance(error, OSError) and not isinstance(error, (gzip.BadGzipFile, tarfile.TarError)):
        return error
    return refuse("TRUNCATED", "It ends too early or is damaged.", "Download it again, to the end.")
