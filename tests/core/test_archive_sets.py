"""Which set a file belongs to, what is missing of it, and single files that are packed or are zips themselves."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_core.archives import Limits, missing, open_archive, preserve, set_part
from forge_core.errors import ForgeError


@pytest.mark.parametrize(
    ("name", "set_name", "part", "total"),
    [
        ("takeout-20260101T000000Z-001.zip", "takeout-20260101t000000z", 1, None),
        ("takeout-20260101T000000Z-3-012.tgz", "takeout-20260101t000000z-3", 12, None),
        ("takeout-20260101T000000Z-002 (1).zip", "takeout-20260101t000000z", 2, None),
        ("my data 2 of 3.zip", None, 2, 3),
        ("my-data-002-of-003.tar.gz", None, 2, 3),
        ("my data (2 of 3).zip", None, 2, 3),
        ("mine.part2.zip", None, 2, None),
    ],
)
def test_a_part_tells_its_set_and_number(name, set_name, part, total):
    found = set_part(name)

    assert found is not None
    assert (found.part, found.total) == (part, total)
    assert found.name == set_name or (set_name is None and found.name.startswith("set-"))
    assert "mine" not in found.name


@pytest.mark.parametrize(
    "name", ["takeout.zip", "takeout-20260101T000000Z.zip", "holiday-2024.zip", "report-001.pdf", "parts", ""]
)
def test_other_files_are_no_parts(name):
    assert set_part(name) is None


def test_parts_of_one_set_share_its_name():
    one, two, other = map(set_part, ("Anna 1 of 2.zip", "anna 2 OF 2.zip", "bert 1 of 2.zip"))

    assert one.name == two.name != other.name


@given(st.text(max_size=60))
def test_any_name_is_a_part_or_none(name):
    found = set_part(name)
    assert found is None or found.part >= 0


def test_F_A5_missing_parts_are_named():
    assert missing([3, 1]) == [2]
    assert missing([1], total=3) == [2, 3]
    assert missing([1, 2]) == []
    assert missing([]) == []


def test_a_single_packed_file_is_read_and_a_bomb_refused(tmp_path):
    path = tmp_path / "points.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" * 1000))
    with open_archive(path) as archive:
        (member,) = archive.members
        assert (member.name, archive.open(member).read()) == ("points.csv", b"a,b\n" * 1000)

    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"0" * 3_000_000))
    with pytest.raises(ForgeError, match="RATIO"):
        open_archive(bomb, Limits(ratio_floor=1_000_000))
    bomb.write_bytes(bomb.read_bytes()[:-20])
    with pytest.raises(ForgeError, match="TRUNCATED"):
        open_archive(bomb)


def office(*inner: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("[Content_Types].xml", "<Types/>")
        for name, content in inner:
            packed.writestr(name, content)
    return file.getvalue()


def test_an_office_document_is_one_file_and_no_nested_archive(tmp_path):
    document = office(("word/document.xml", b"<x/>"), ("word/embeddings/sheet.xlsx", office()))
    (tmp_path / "letter.docx").write_bytes(document)
    with open_archive(tmp_path / "letter.docx") as archive:
        assert [member.name for member in archive.members] == ["letter.docx"]
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as packed:
        packed.writestr("Drive/letter.docx", document)
    with open_archive(tmp_path / "export.zip") as archive:
        assert [member.name for member in archive.members] == ["Drive/letter.docx"]


def test_F_A10_a_file_that_changes_while_it_is_copied_is_not_kept(tmp_path, monkeypatch):
    from forge_core.archives import keep

    path = tmp_path / "growing.json"
    path.write_bytes(b"[1]")
    copy = keep.shutil.copyfileobj

    def slow(source, target, length=0):
        path.write_bytes(b"[1, 2]")
        copy(source, target)

    monkeypatch.setattr(keep.shutil, "copyfileobj", slow)
    with pytest.raises(ForgeError, match="FORGE-EXPORT-CHANGED"):
        preserve(path, tmp_path / "exports")
    assert list((tmp_path / "exports").iterdir()) == []
    monkeypatch.undo()
    assert preserve(path, tmp_path / "exports").read_bytes() == b"[1, 2]"
