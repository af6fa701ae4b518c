"""Exports as they arrive: zip, tar (plain or packed), a folder or a single file (packed too), read as streams.

``open_archive`` decides by the first bytes what a file is, checks what it declares against ``Limits``
and refuses what is dangerous or is not what its name says. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import re
from pathlib import Path

from forge_core.archives.base import Archive, Limits, Member, MemberError, refuse
from forge_core.archives.folders import FileArchive, FolderArchive, PackedFile
from forge_core.archives.keep import digest, preserve
from forge_core.archives.nesting import SUFFIXES, check_nesting, is_document, is_packed
from forge_core.archives.sets import SetPart, missing, set_part
from forge_core.archives.tars import TarArchive, is_tar
from forge_core.archives.zips import ZipArchive
from forge_core.errors import UsageError

__all__ = [
    "Archive",
    "Limits",
    "Member",
    "MemberError",
    "SetPart",
    "check_nesting",
    "digest",
    "is_document",
    "is_packed",
    "missing",
    "open_archive",
    "preserve",
    "set_part",
]

_PAGE = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|\?xml)", re.I)


def open_archive(path: Path | str, limits: Limits | None = None, name: str | None = None) -> Archive:
    """Open an export for reading; refuse it with a ``FORGE-ARCHIVE-…`` code where it must not be read.

    ``name`` is what a single file was called before its copy was named by content.
    """
    path, limits = Path(path), limits or Limits()
    if not path.exists():
        raise UsageError("FORGE-ARCHIVE-MISSING", "There is no such file or folder.", "", "Check the path.")
    archive = _open(path, limits, name or path.name)
    try:
        check_nesting(archive, [m for m in archive.members if m.name.lower().endswith(SUFFIXES)])
    except BaseException:
        archive.close()
        raise
    return archive


def _open(path: Path, limits: Limits, name: str) -> Archive:
    if path.is_dir():
        return FolderArchive(path, limits)
    with path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return FileArchive(path, limits, name) if is_document(head) else ZipArchive(path, limits)
    if is_packed(head):
        named = path.name.lower().endswith(SUFFIXES)  # then it must be a tar
        return TarArchive(path, limits) if named or is_tar(path) else PackedFile(path, limits, name)
    if head and path.name.lower().endswith((*SUFFIXES, ".gz")):
        raise _not_an_archive(head)
    return FileArchive(path, limits, name)


def _not_an_archive(head: bytes) -> Exception:
    if _PAGE.match(head):
        true, fix = "a web page, most likely an error page", "Sign in and download the export again."
    elif head.lstrip()[:1] in (b"{", b"["):
        true, fix = "JSON text", "If it is a history file, give it its own name back."
    elif head.startswith(b"Rar!") or head.startswith(b"7z\xbc\xaf"):
        true, fix = "a RAR or 7z archive", "Pack it as a zip, or give the unpacked folder."
    elif not head.strip(b"\0"):
        true, fix = "nothing but zeros: the download broke", "Download it again."
    else:
        true, fix = "not an archive of a kind that is known", "Give the export as it was downloaded."
    return refuse("NOT-AN-ARCHIVE", f"Its name says archive, but it is {true}.", fix)
