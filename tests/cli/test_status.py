"""``forge status`` and ``forge models`` on homes with little in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_core import keys
from forge_resources.settings import load_settings
from forge_resources.stores import Stores
from forge_resources.versions import BUILT, REFUSED, Version
from tests.cli.runner import forge


@pytest.fixture
def stores(home: Path) -> Stores:
    found = Stores(load_settings())
    found.database.ensure()
    return found


def test_looking_at_a_home_that_is_not_there_makes_none(
    bare_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORGE_HOME", str(tmp_path / "nothing"))

    ended = forge("status", "--json")

    assert ended.code == 0
    assert ended.json["population"] is None
    assert not (tmp_path / "nothing").exists()


def test_an_empty_home_says_what_to_do(home: Path) -> None:
    ended = forge("status")

    assert ended.code == 0
    assert "forge ingest PATH" in ended.out
    assert "forge build" in ended.out


def test_an_asset_whose_input_changed_is_shown_as_stale(stores: Stores) -> None:
    stores.versions.record("clean/watch", Version(BUILT, "v1", "1", {}), "run")
    stores.versions.record("features/items", Version(BUILT, "v1", "1", {"clean/watch": "v0"}), "run")

    stale = {asset["asset"]: asset["stale"] for asset in forge("status", "--json").json["assets"]}

    assert stale == {"clean/watch": False, "features/items": True}


def test_consent_changed_since_is_shown_as_stale(stores: Stores) -> None:
    key = keys.consent("recommend")
    stores.versions.record(key, Version(BUILT, stores.consent.version("recommend"), "1", {}), "run")
    stores.consent.grant_all("a test")

    (asset,) = forge("status", "--json").json["assets"]

    assert (asset["asset"], asset["stale"]) == (key, True)


def test_a_refusal_is_shown_with_its_reason(stores: Stores) -> None:
    stores.versions.record("x/training_set", Version(REFUSED, "", "1", {}, "Learning mode: too few."), "run")

    assert "Learning mode: too few." in forge("status").out


def test_f_i3_a_narrow_terminal_gets_one_block_per_row(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.versions.record("clean/watch", Version(BUILT, "v1", "1", {}), "run")
    monkeypatch.setenv("COLUMNS", "40")

    lines = forge("status").out.splitlines()

    assert "asset: clean/watch" in lines


def test_no_model_is_no_error(home: Path) -> None:
    assert forge("models", "--json").json["models"] == []
    assert "forge build" in forge("models").out
