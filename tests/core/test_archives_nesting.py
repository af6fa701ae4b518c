"""Archives inside archives: how deep, and broken ones."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.archives import Limits, open_archive
from forge_core.archives.memory import MemoryArchive
from forge_core.archives.nesting import check_nesting
from forge_core.errors import Refused


def nested(levels: int) -> bytes:
    data = b"[]"
    for level in range(levels):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("inner.zip" if level else "a.json", data)
        data = packed.getvalue()
    return data


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_F_A4_an_inner_archive_cut_anywhere_is_one_level_and_no_crash(tmp_path, pack):
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("x"), io.BytesIO())
    whole = pack(inner.getvalue())
    (tmp_path / "folder").mkdir()
    for size in range(1, len(whole)):
        (tmp_path / "folder" / "inner").write_bytes(whole[:size])
        with open_archive(tmp_path / "folder") as archive:
            assert [member.name for member in archive.members] == ["inner"]


def test_F_A3_nesting_over_the_limit_is_refused(tmp_path):
    path = tmp_path / "nested.zip"
    path.write_bytes(nested(2))
    with open_archive(path) as archive:
        assert len(archive.members) == 1

    path.write_bytes(nested(3))

    with pytest.raises(Refused) as refused:
        open_archive(path)
    assert refused.value.code == "FORGE-ARCHIVE-NESTED"
    with open_archive(path, Limits(max_nesting=3)) as archive:
        assert len(archive.members) == 1


@given(st.integers(0, 400), st.binary(max_size=6))
def test_F_A4_a_damaged_inner_zip_is_no_crash(at, bytes_):
    inner = nested(2)
    at = at % len(inner)
    data = inner[:at] + bytes_ + inner[at + len(bytes_) :]

    check_nesting(MemoryArchive({"inner.zip": data}), MemoryArchive({"inner.zip": data}).members)
