"""How deep archives lie in archives. Nested ones are only measured, in bounded memory."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError

from forge_core.archives.base import Archive, Member, MemberError, MiB, refuse

SUFFIXES = (".zip", ".tgz", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz")
PROBE_MAX = 32 * MiB  # a larger nested archive is not looked into: it is not read either
BUDGET = 256 * MiB  # all probes of one archive together
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
_OFFICE = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"word/", b"xl/", b"ppt/", b"customXml/")
# RuntimeError: an encrypted inner zip
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, struct.error, EOFError, OSError, RuntimeError,
    ValueError, IndexError,
)  # fmt: skip


def is_packed(head: bytes) -> bool:
    """Whether these first bytes are those of an archive or a packed file."""
    return head.startswith(_MAGIC) or head[257:262] == b"ustar"


def is_document(head: bytes) -> bool:
    """Whether a zip is an office document, told by its first entry: it is read as one file, not as an archive."""
    if not head.startswith(b"PK\x03\x04"):
        return False
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    return name == b"mimetype" or name.startswith(_OFFICE)


def check_nesting(archive: Archive, members: list[Member]) -> None:
    """Refuse an archive with archives nested deeper than the limit."""
    allowed, budget = archive.limits.max_nesting - archive.depth, BUDGET
    for member in members:
        if member.size > min(PROBE_MAX, budget):
            continue
        budget -= member.size
        try:
            with archive.open(member) as stream:
                data = stream.read(PROBE_MAX)
        except MemberError:
            continue  # damaged: set aside where members are read
        if _levels(data, allowed, [PROBE_MAX]) > allowed:
            raise refuse(
                "NESTED",
                f"Archives lie in archives more than {archive.limits.max_nesting} deep (max_nesting).",
                "Unpack the inner ones and give them by themselves.",
            )


def _levels(data: bytes, allowed: int, budget: list[int]) -> int:
    """1 for an archive without archives in it, and so on; stops as soon as ``allowed`` is passed."""
    if not is_packed(data[:512]) or is_document(data[:512]):
        return 0
    if allowed <= 0:
        return 1
    deepest = 0
    try:
        for inner in _inner(data, budget):
            deepest = max(deepest, _levels(inner, allowed - 1, budget))
            if deepest >= allowed:
                break
    except _BROKEN:
        return 1 + deepest  # a broken or encrypted inner archive cannot be opened by anybody, us included
    return 1 + deepest


def _inner(data: bytes, budget: list[int]) -> Iterator[bytes]:
    """The bytes of the members that are archives by name or by their first bytes."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as zipped:
            for info in zipped.infolist()[:1000]:
                if info.is_dir() or info.file_size > budget[0]:
                    continue
                with zipped.open(info) as stream:
                    head = stream.read(512)
                    if is_packed(head):
                        budget[0] -= info.file_size
                        yield head + stream.read(PROBE_MAX)
        return
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as tar:
        for member in tar:
            if member.isreg() and 0 < member.size <= budget[0] and (content := tar.extractfile(member)):
                budget[0] -= member.size
                yield content.read(PROBE_MAX)
