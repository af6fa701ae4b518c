"""The copy of an export that Forge keeps: named by its content, readable by its owner only."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from forge_core.archives.base import MiB
from forge_core.archives.folders import files
from forge_core.errors import ForgeError


def digest(path: Path | str) -> str:
    """sha256 of an archive's bytes; of a folder: of its sorted relative names and contents."""
    path = Path(path)
    if not path.is_dir():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    total = hashlib.sha256(b"forge folder 1\n")
    for name, file in files(path):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
        encoded = os.fsencode(name)
        total.update(len(encoded).to_bytes(8, "big") + encoded + content)
    return total.hexdigest()


def preserve(path: Path | str, exports_dir: Path | str) -> Path:
    """Copy an export to ``exports_dir/<digest>.<suffix>`` (0600); a copy already there is left alone.

    A folder is packed as a zip with fixed dates and order, under the digest of the folder.
    """
    path, exports = Path(path), Path(exports_dir)
    exports.mkdir(parents=True, exist_ok=True, mode=0o700)
    named = digest(path)
    target = exports / f"{named}.{_suffix(path)}"
    if target.exists():
        return target
    handle, name = tempfile.mkstemp(dir=exports, prefix=".incoming-")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as out:
            if path.is_dir():
                _pack(path, out)
            else:
                with path.open("rb") as stream:
                    shutil.copyfileobj(stream, out, MiB)
            out.flush()
            os.fsync(out.fileno())
        if named != (digest(path) if path.is_dir() else digest(name)):
            raise ForgeError(
                "FORGE-EXPORT-CHANGED",
                "The export changed while it was copied.",
                "It may still be downloading or being written.",
                "Try again when it is complete.",
            )
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target


def _suffix(path: Path) -> str:
    if path.is_dir():
        return "zip"
    name = path.name.lower()
    if name.endswith(".tar.gz"):
        return "tgz"
    suffix = name.rpartition(".")[2] if "." in name else ""
    return suffix if re.fullmatch(r"[a-z0-9]{1,8}", suffix) else "bin"


def _pack(folder: Path, out: BinaryIO) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for name, file in files(folder):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o600 << 16
            info.file_size = file.stat().st_size  # lets zipfile decide about zip64
            with file.open("rb") as stream:
                sample = stream.read(MiB)
                # what packs too well is stored: else our own copy would look like a bomb when read again
                dense = len(zlib.compress(sample, 1)) * 40 < len(sample)
                info.compress_type = zipfile.ZIP_STORED if dense else zipfile.ZIP_DEFLATED
                with packed.open(info, "w") as member:
                    member.write(sample)
                    shutil.copyfileobj(stream, member, MiB)
