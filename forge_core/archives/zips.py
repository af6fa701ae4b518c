"""Zip archives: the directory is checked as bytes before any object is made of it, then read as streams."""

from __future__ import annotations

import stat
import struct
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

from forge_core.archives.base import Archive, Limits, Member, check_name, printable, refuse, too_many

_EOCD = b"PK\x05\x06"
_ENTRY = b"PK\x01\x02"
_DIRECTORY_MAX = 256 * 2**20


class ZipArchive(Archive):
    """A zip file; members are read through ``zipfile``, which checks their CRC at the end."""

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path, limits)
        with path.open("rb") as stream:
            _count_entries(stream, path.stat().st_size, limits)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise _truncated() from error
        try:
            self._take()
        except BaseException:
            self._zip.close()
            raise

    def _take(self) -> None:
        infos = self._zip.infolist()
        if any(info.flag_bits & 0x41 for info in infos):
            raise refuse("ENCRYPTED", "It is encrypted.", "Give the archive without a password.")
        members = []
        for number, info in enumerate(infos, 1):
            name = info.orig_filename
            if name.startswith("//"):
                self.quarantined.append((printable(name), "path begins with //"))
                continue
            check_name(name, number)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise refuse("LINK", f"Member {number} is a link or a device.", "Export the data again.")
            if not info.is_dir():
                members.append(Member(printable(name), info.file_size, info.compress_size, info))
        self._check_overlap(infos)
        self._admit(members, self.path.stat().st_size)

    def _check_overlap(self, infos: list[zipfile.ZipInfo]) -> None:
        """Each member must own its bytes: overlapping ones make 25 GB of 72 kB."""
        spans = sorted(
            (info.header_offset, info.header_offset + 30 + len(info.orig_filename) + info.compress_size)
            for info in infos
        )
        spans.append((self._zip.start_dir, self._zip.start_dir))
        if any(end > start for (_, end), (start, _) in pairwise(spans)):
            raise refuse("OVERLAP", "Members share the same bytes: a zip bomb.", "Do not use this file.")

    def _open(self, member: Member) -> BinaryIO:
        return cast(BinaryIO, self._zip.open(member.key))

    def close(self) -> None:
        self._zip.close()


def _count_entries(stream: BinaryIO, size: int, limits: Limits) -> None:
    """Walk the directory as bytes, so that ten million entries cost no ten million objects."""
    tail_length = min(size, 65_557)
    stream.seek(size - tail_length)
    tail = stream.read(tail_length)
    at = tail.rfind(_EOCD)
    if at < 0 or len(tail) < at + 22:
        raise _truncated()
    count, length, start = struct.unpack("<HII", tail[at + 10 : at + 20])
    end = size - tail_length + at
    if 0xFFFF in (count,) or 0xFFFFFFFF in (length, start):
        end, length = _zip64(stream, end, length)
    if length > _DIRECTORY_MAX:
        raise too_many(limits)
    if length > end:
        raise _truncated()
    stream.seek(end - length)
    directory = stream.read(length)
    position = found = 0
    while directory[position : position + 4] == _ENTRY and len(directory) >= position + 46:
        found += 1
        if found > limits.max_members:
            raise too_many(limits)
        position += 46 + sum(struct.unpack("<HHH", directory[position + 28 : position + 34]))


def _zip64(stream: BinaryIO, end: int, length: int) -> tuple[int, int]:
    """Where the directory ends and how long it is, by the zip64 records before ``end``."""
    stream.seek(max(0, end - 20))
    locator = stream.read(20)
    if locator[:4] != b"PK\x06\x07":
        return end, length
    offset = struct.unpack("<Q", locator[8:16])[0]
    if offset > end - 20 - 56:
        raise _truncated()
    stream.seek(offset)
    record = stream.read(56)
    if record[:4] != b"PK\x06\x06":
        raise _truncated()
    return offset, struct.unpack("<Q", record[40:48])[0]


def _truncated() -> Exception:
    return refuse("TRUNCATED", "Its end is missing or damaged.", "Download it again, to the end.")
