"""``forge ingest`` up to the run it launches: what it looks into, refuses, guards and records."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pytest

from examples.generator import generate
from forge_cli.consenting import settle
from forge_cli.ingest import ranges
from forge_resources.settings import load_settings
from forge_resources.stores import Stores
from tests.cli.runner import forge

MARK = "Takeout/forge-synthetic.json"


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("exports") / "two people", people=2, years=0.1, seed=3)


@pytest.fixture
def personal(exports: Path, tmp_path: Path) -> Path:
    """An export that does not say it is synthetic, so that it counts as a person's."""
    source, target = sorted(exports.glob("*.zip"))[0], tmp_path / "takeout-mine.zip"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for item in old.infolist():
            if item.filename != MARK:
                new.writestr(item.filename, old.read(item))
    return target


@pytest.fixture
def no_home(bare_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A FORGE_HOME that does not exist yet: whoever makes it has written something."""
    folder = tmp_path / "no home yet"
    monkeypatch.setenv("FORGE_HOME", str(folder))
    return folder


@pytest.fixture
def stores(home: Path) -> Stores:
    found = Stores(load_settings())
    found.database.ensure()
    return found


def test_a_dry_run_counts_what_is_inside_and_writes_nothing(exports: Path, no_home: Path) -> None:
    ended = forge("ingest", exports, "--dry-run", "--json")

    assert ended.code == 0
    assert len(ended.json["exports"]) == 2
    assert all(one["population"] == "synthetic" and one["rows"]["watch"] > 0 for one in ended.json["exports"])
    assert not no_home.exists()


def test_a_dry_run_tells_a_person_that_nothing_was_written(exports: Path, no_home: Path) -> None:
    ended = forge("ingest", exports, "--dry-run")

    assert "watch" in ended.out
    assert "Nothing was written" in ended.out


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("takeout.zip", b"<!doctype html><title>Sign in</title>", "FORGE-ARCHIVE-NOT-AN-ARCHIVE"),
        ("takeout.zip", b"PK\x03\x04 and then the download broke", "FORGE-ARCHIVE-"),
        ("notes.bin", b"\x00\x01 nothing that Forge reads", "FORGE-EXPORT-NOTHING-KNOWN"),
    ],
)
def test_f_i3_a_bad_export_is_refused_and_nothing_is_written(
    tmp_path: Path, no_home: Path, name: str, content: bytes, code: str
) -> None:
    bad = tmp_path / name
    bad.write_bytes(content)

    ended = forge("ingest", bad, "--json")

    assert ended.code in (1, 2, 3)
    assert ended.json["error"]["code"].startswith(code)
    assert not no_home.exists()


def test_f_i3_a_path_that_is_not_there_is_wrong_usage(no_home: Path) -> None:
    assert forge("ingest", "no-such-file.zip").code == 2
    assert forge("ingest").code == 2
    assert forge("ingest", "--no-such-flag", ".").code == 2


def test_f_i3_an_error_has_no_traceback_and_no_path_of_a_member(tmp_path: Path, no_home: Path) -> None:
    bad = tmp_path / "evil.zip"
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("../../private diary.txt", "x")

    ended = forge("ingest", bad)

    assert ended.code == 3
    assert "Traceback" not in ended.err
    assert "private diary" not in ended.err
    assert ended.err.count("FORGE-ARCHIVE-PATH") == 1


def test_a_home_holds_one_population_and_says_how_to_open_a_second(
    stores: Stores, exports: Path, personal: Path
) -> None:
    stores.exports.register(sorted(exports.glob("*.zip"))[0])

    ended = forge("ingest", personal, "--json")

    assert ended.code == 2
    assert ended.json["error"]["code"] == "FORGE-POPULATION"
    assert "FORGE_HOME=" in ended.json["error"]["fix"]
    assert len(stores.exports.all()) == 1


def test_synthetic_data_needs_no_word_and_says_so(stores: Stores, exports: Path) -> None:
    stores.exports.register(sorted(exports.glob("*.zip"))[0])

    notes = settle(stores, None)

    assert "synthetic" in notes[0]
    assert stores.consent.rows("recommend") == [("*", "*", "granted", "synthetic data")]


def test_without_a_terminal_nothing_is_granted_for_a_persons_data(stores: Stores, personal: Path) -> None:
    stores.exports.register(personal)

    (note,) = settle(stores, None)

    assert "--consent all" in note
    assert not stores.consent.any_recorded()


def test_consent_all_grants_every_purpose(stores: Stores, personal: Path) -> None:
    stores.exports.register(personal)

    settle(stores, "all")

    assert stores.consent.rows("profile") == [("*", "*", "granted", "--consent all")]


def test_consent_none_is_a_word_too_and_is_not_asked_again(stores: Stores, personal: Path) -> None:
    stores.exports.register(personal)

    settle(stores, "none")

    assert stores.consent.rows("recommend")[0][2] == "denied"
    assert settle(stores, None) == []


def test_a_command_whose_use_says_yes_is_recorded_as_such(stores: Stores, personal: Path) -> None:
    stores.exports.register(personal)

    (note,) = settle(stores, None, yes_by="forge demo")

    assert "forge demo" in note
    assert stores.consent.rows("recommend") == [("*", "*", "granted", "forge demo")]


def test_an_unpacked_export_is_one_export_and_a_folder_of_archives_is_many(
    exports: Path, tmp_path: Path, no_home: Path
) -> None:
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(io.BytesIO(sorted(exports.glob("*.zip"))[0].read_bytes())) as archive:
        archive.extractall(unpacked)
    many = tmp_path / "many"
    shutil.copytree(exports, many)

    assert len(forge("ingest", unpacked, "--dry-run", "--json").json["exports"]) == 1
    assert len(forge("ingest", many, "--dry-run", "--json").json["exports"]) == 2


def test_wanted_keys_become_unbroken_ranges_in_dagsters_own_order() -> None:
    order = ["a", "b", "c", "d", "e", "f"]

    assert ranges(order, {"b", "c", "e"}) == [("b", "c"), ("e", "e")]
    assert ranges(order, set(order)) == [("a", "f")]
    assert ranges(order, set()) == []
