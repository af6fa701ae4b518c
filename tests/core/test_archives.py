"""What an archive may not do: rows F-A1 to F-A4 and F-A7, and the copy that is kept."""

from __future__ import annotations

import gzip
import io
import os
import resource
import stat
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.archives import Limits, MemberError, digest, open_archive, preserve
from forge_core.errors import ForgeError, Refused


def make_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, data in members.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename = name  # past the constructor, which would mend it
            info.compress_type = method
            packed.writestr(info, data)
    return path


def make_tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as packed:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return path


def refusal(path: Path, limits: Limits | None = None) -> ForgeError:
    with pytest.raises(Refused) as caught, open_archive(path, limits):
        pass
    assert caught.value.exit_code == 3
    return caught.value


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_members_are_listed_and_streamed(tmp_path, make):
    path = make(tmp_path / "export", {"Takeout/a.json": b"[1]", "Takeout/b.json": b"x" * 100_000})

    with open_archive(path) as archive:
        sizes = {member.name: member.size for member in archive.members}
        first = archive.head(archive.members[0])
        with archive.open(archive.members[1]) as stream:
            second = stream.read()

    assert sizes == {"Takeout/a.json": 3, "Takeout/b.json": 100_000}
    assert (first, second) == (b"[1]", b"x" * 100_000)


@pytest.mark.parametrize(
    "name", ["../../x", "a/../../x", "/etc/x", "C:/x", "c:x", "a\\..\\x", "nul\0.json"], ids=repr
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_F_A1_names_that_leave_the_folder_are_refused(tmp_path, name, kind):
    if kind == "tar" and "\0" in name:
        pytest.skip("a tar header ends names at NUL")
    box = tmp_path / "box"
    box.mkdir()
    path = (make_zip if kind == "zip" else make_tar)(box / "export", {"a.json": b"[]", name: b"evil"})

    error = refusal(path)

    assert error.code == "FORGE-ARCHIVE-PATH"
    assert "Member 2" in error.why
    assert os.listdir(tmp_path) == ["box"]
    assert os.listdir(box) == ["export"]


@pytest.mark.parametrize(
    "type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_F_A1_links_and_devices_in_a_tar_are_refused(tmp_path, type_):
    path = tmp_path / "export.tar"
    with tarfile.open(path, "w") as packed:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = type_, "/etc/passwd"
        packed.addfile(info)

    assert refusal(path).code == "FORGE-ARCHIVE-LINK"


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_F_A1_links_and_devices_in_a_zip_are_refused(tmp_path, mode):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as packed:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, (mode | 0o777) << 16
        packed.writestr(info, "/etc/passwd")

    assert refusal(path).code == "FORGE-ARCHIVE-LINK"


def test_F_A1_a_link_out_of_a_folder_is_refused_and_one_inside_is_not_followed(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "a.json").write_bytes(b"[]")
    (folder / "again.json").symlink_to("a.json")
    with open_archive(folder) as archive:
        assert [member.name for member in archive.members] == ["a.json"]

    (folder / "out").symlink_to(tmp_path)

    assert refusal(folder).code == "FORGE-ARCHIVE-LINK"


def overlapping(entries: int = 500, declared: int = 50_000_000) -> bytes:
    """A zip whose members all use one kernel of compressed data: some 72 kB declare 25 GB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    kernel = packer.compress(b"0" * declared) + packer.flush()
    crc = zlib.crc32(b"0" * declared)
    sizes = struct.pack("<HHHHHIII", 20, 0, 8, 0, 0, crc, len(kernel), declared)
    body = b"PK\x03\x04" + sizes + struct.pack("<HH", 6, 0) + b"000000" + kernel
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + sizes + struct.pack("<HHHHHII", 6, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + b"%06d" % number for number in range(entries))
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, entries, entries, len(directory), len(body), 0)
    return body + directory + end


def test_F_A2_overlapping_members_are_refused_fast_and_small(tmp_path):
    path = tmp_path / "bomb.zip"
    path.write_bytes(overlapping())
    assert path.stat().st_size < 100_000
    code = (
        "import sys, resource, time\nfrom forge_core.archives import open_archive\n"
        "started = time.monotonic()\n"
        "try:\n    open_archive(sys.argv[1])\nexcept Exception as error:\n    print(error.code)\n"
        "print(time.monotonic() - started)\n"
        "print([l for l in open('/proc/self/status') if l.startswith('VmHWM')][0].split()[1])\n"
    )

    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    told, seconds, kilobytes = done.stdout.split()

    assert told == "FORGE-ARCHIVE-OVERLAP"
    assert float(seconds) < 1
    assert int(kilobytes) < 100_000


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_F_A3_a_ratio_over_the_limit_is_refused_and_named(tmp_path, kind):
    make = make_zip if kind == "zip" else make_tar
    path = make(tmp_path / f"dense.{kind}", {"a": b"\0" * 3_000_000})
    with open_archive(path) as archive:  # small: no danger
        assert archive.members[0].size == 3_000_000

    error = refusal(path, Limits(ratio_floor=1_000_000))

    assert error.code == "FORGE-ARCHIVE-RATIO"
    assert "100 times" in error.why
    assert "max_ratio" in error.why


def test_F_A3_a_forged_tar_header_does_not_fill_the_memory(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2_000_000_000
    path = tmp_path / "long.tgz"
    with gzip.open(path, "wb") as out:
        out.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(20):
            out.write(b"a" * 1_000_000)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal(path)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_F_A3_too_many_members_are_refused_before_objects_are_made(tmp_path):
    entry = b"PK\x01\x02" + b"\0" * 24 + struct.pack("<HHH", 1, 0, 0) + b"\0" * 12 + b"a"
    directory = entry * 200_001
    start = b"PK\x03\x04" + b"\0" * 40
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 100, 100, len(directory), len(start), 0)
    path = tmp_path / "many.zip"
    path.write_bytes(start + directory + end)
    started = time.monotonic()

    error = refusal(path)

    assert error.code == "FORGE-ARCHIVE-MEMBERS"
    assert "200000" in error.why
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_F_A3_member_limit_is_a_setting(tmp_path, make):
    path = make(tmp_path / "export", {f"{number}.json": b"[]" for number in range(5)})

    assert refusal(path, Limits(max_members=4)).code == "FORGE-ARCHIVE-MEMBERS"


def test_F_A3_more_than_the_free_disk_is_refused(tmp_path):
    path = make_zip(tmp_path / "export.zip", {"a.json": b"[1, 2, 3]"})

    error = refusal(path, Limits(free_disk_reserve=1.0, disk=tmp_path))

    assert error.code == "FORGE-ARCHIVE-DISK"


def test_F_A4_a_bad_checksum_stops_that_member_only(tmp_path):
    path = make_zip(tmp_path / "export.zip", {"a.json": b"[1]", "b.json": b"[2]"}, zipfile.ZIP_STORED)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"[1]", b"[7]", 1))

    with open_archive(path) as archive:
        with pytest.raises(MemberError) as caught:
            archive.head(archive.members[0])
        assert archive.head(archive.members[1]) == b"[2]"

    assert caught.value.code == "FORGE-ARCHIVE-CRC"


@pytest.mark.parametrize("declared", [5, 5_000])
def test_F_A4_a_header_that_lies_about_the_size_stops_the_member(tmp_path, declared):
    path = make_zip(tmp_path / "export.zip", {"a.json": b"[" + b"1," * 500 + b"1]"})
    data = bytearray(path.read_bytes())
    entry = data.rfind(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", declared)
    path.write_bytes(data)

    with open_archive(path) as archive, pytest.raises(MemberError):
        archive.open(archive.members[0]).read()


def test_F_A4_a_name_with_two_slashes_is_set_aside(tmp_path):
    path = make_zip(tmp_path / "export.zip", {"//x": b"[]", "a.json": b"[]"})

    with open_archive(path) as archive:
        assert [member.name for member in archive.members] == ["a.json"]
        assert archive.quarantined == [("//x", "path begins with //")]


def test_F_A4_a_zip64_end_that_points_nowhere_is_refused(tmp_path):
    path = make_zip(tmp_path / "export.zip", {"a.json": b"[]"})
    data = path.read_bytes()
    end = data.rfind(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 2**60, 1)
    forged = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(data[:end] + locator + forged)

    assert refusal(path).code == "FORGE-ARCHIVE-TRUNCATED"


@pytest.mark.parametrize("kind", ["zip", "tgz", "tar"])
def test_a_truncated_archive_is_refused(tmp_path, kind):
    members = {f"{number}.json": os.urandom(20_000) for number in range(5)}
    path = tmp_path / f"export.{kind}"
    make_zip(path, members) if kind == "zip" else make_tar(path, members, "w" if kind == "tar" else "w:gz")
    path.write_bytes(path.read_bytes()[:55_000])

    assert refusal(path).code == "FORGE-ARCHIVE-TRUNCATED"


def test_F_A7_an_encrypted_zip_is_refused(tmp_path):
    path = make_zip(tmp_path / "export.zip", {"a.json": b"[]"})
    data = bytearray(path.read_bytes())
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)

    assert refusal(path).code == "FORGE-ARCHIVE-ENCRYPTED"


@pytest.mark.parametrize("content", [None, b""], ids=["no members", "no bytes"])
def test_F_A7_an_empty_zip_is_refused(tmp_path, content):
    path = tmp_path / "export.zip"
    make_zip(path, {}) if content is None else path.write_bytes(content)

    assert refusal(path).code == "FORGE-ARCHIVE-EMPTY"


@pytest.mark.parametrize("name", ["takeout.zip", "takeout.tgz", "takeout.tar.gz"])
@pytest.mark.parametrize(
    ("content", "truth"),
    [
        (b"\n<!DOCTYPE html><html><title>Sorry</title>", "web page"),
        (b'{"error": 403}', "JSON"),
        (b"\0" * 2000, "zeros"),
        (b"hello", "not an archive"),
    ],
)
def test_F_A7_what_only_claims_to_be_an_archive_is_named_for_what_it_is(tmp_path, name, content, truth):
    path = tmp_path / name
    path.write_bytes(content)

    error = refusal(path)

    assert error.code == "FORGE-ARCHIVE-NOT-AN-ARCHIVE"
    assert truth in error.why


def test_F_A7_a_gzip_without_a_tar_is_refused(tmp_path):
    path = tmp_path / "takeout.tgz"
    path.write_bytes(gzip.compress(b"hello" * 1000))

    assert refusal(path).code in ("FORGE-ARCHIVE-NOT-AN-ARCHIVE", "FORGE-ARCHIVE-TRUNCATED")


def test_a_missing_path_is_a_usage_error(tmp_path):
    with pytest.raises(ForgeError) as caught:
        open_archive(tmp_path / "none.zip")

    assert (caught.value.exit_code, caught.value.code) == (2, "FORGE-ARCHIVE-MISSING")


def test_the_copy_is_named_by_content_private_and_made_once(tmp_path):
    path = make_zip(tmp_path / "export.zip", {"a.json": b"[]"})

    first = preserve(path, tmp_path / "exports")
    second = preserve(path, tmp_path / "exports")

    assert first == second
    assert first.name == f"{digest(path)}.zip"
    assert first.read_bytes() == path.read_bytes()
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "exports") == [first.name]


def test_a_folder_is_kept_as_a_zip_with_the_same_members(tmp_path):
    folder = tmp_path / "export"
    (folder / "Täkeout").mkdir(parents=True)
    (folder / "Täkeout" / "a.json").write_bytes(b"[1]")
    (folder / "dense").write_bytes(b"\0" * 2_000_000)

    kept = preserve(folder, tmp_path / "exports")

    assert kept.name == f"{digest(folder)}.zip"
    with open_archive(kept, Limits(ratio_floor=0)) as packed, open_archive(folder) as plain:
        assert [(m.name, m.size) for m in packed.members] == [(m.name, m.size) for m in plain.members]
        assert packed.head(packed.members[0]) == b"[1]"


def test_the_digest_of_a_folder_depends_on_names_and_contents(tmp_path):
    seen = set()
    for name, content in (("a", b"1"), ("b", b"1"), ("a", b"2"), ("a1", b"")):
        folder = tmp_path / f"{name}-{content.hex()}"
        folder.mkdir()
        (folder / name).write_bytes(content)
        seen.add(digest(folder))

    assert len(seen) == 4


@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_archive_is_read_or_refused_but_never_crashes(tmp_path, data):
    kind = data.draw(st.sampled_from(["zip", "tar", "tgz"]))
    path = tmp_path / f"export.{kind}"
    members = {"a.json": b"[1]" * 50, "b/c.html": b"<html>" * 50}
    make_zip(path, members) if kind == "zip" else make_tar(path, members, "w" if kind == "tar" else "w:gz")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])

    try:
        with open_archive(path) as archive:
            for member in archive.members:
                archive.head(member)
    except ForgeError:
        pass  # refused: fine; any other exception fails the test
