"""Settings: environment over forge.yaml over defaults, each with its origin; secrets never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_core.errors import UsageError
from forge_resources.settings import as_environment, load_settings, mask, size_in_bytes

pytestmark = pytest.mark.usefixtures("bare_environment")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))


def test_defaults_are_the_seeds_numbers() -> None:
    s = load_settings()
    training = (s.training_retries, s.training_timeout_s)
    assert (s.model_cache_size, s.max_batch_size, training, s.cache_ttl_s) == ("2GB", 32, (3, 3600), 3600)
    assert set(s.origins().values()) == {"default"}
    assert s.postgres_url is None


def test_environment_wins_over_the_file_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "forge.yaml").write_text("max_batch_size: 8\ncache_ttl_s: 60\n")
    monkeypatch.setenv("MAX_BATCH_SIZE", "16")
    s = load_settings()
    assert (s.max_batch_size, s.cache_ttl_s, s.seed) == (16, 60, 0)
    origins = s.origins()
    assert (origins["max_batch_size"], origins["cache_ttl_s"], origins["seed"]) == (
        "environment", "forge.yaml", "default",
    )  # fmt: skip


def test_the_same_value_in_both_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "forge.yaml").write_text("max_batch_size: 16\n")
    monkeypatch.setenv("MAX_BATCH_SIZE", "16")
    assert load_settings().origins()["max_batch_size"] == "environment"


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("DATABASE_URL", "postgresql://h/d", "postgres_url", "postgresql://h/d"),
        ("REDIS_HOST", "cache", "redis_url", "redis://cache:6379/0"),
        ("MLRUN_DBPATH", "http://m:8080", "mlflow_tracking_uri", "http://m:8080"),
        ("FORGE_PRESET", "quick", "preset", "quick"),
        ("FORGE_ARCHIVE_MAX_NESTING", "1", "archive_max_nesting", 1),
    ],
)
def test_the_names_people_know_are_read(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, expected: object
) -> None:
    monkeypatch.setenv(name, value)
    s = load_settings()
    assert getattr(s, field) == expected
    assert s.origins()[field] == "environment"


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_URL", "")
    assert load_settings().postgres_url is None


def test_home_is_beside_the_checkout_or_with_the_user(tmp_path: Path) -> None:
    assert load_settings().home == tmp_path / "user" / ".forge"
    (tmp_path / "pyproject.toml").touch()
    assert load_settings().home == tmp_path / ".forge"
    assert load_settings().dagster_home == tmp_path / ".forge" / "dagster"


def test_home_is_absolute_and_carries_dagster_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FORGE_HOME", "elsewhere")
    s = load_settings()
    assert (s.home, s.dagster_home) == (tmp_path / "elsewhere", tmp_path / "elsewhere" / "dagster")


def test_an_argument_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FORGE_PRESET", "full")
    s = load_settings(preset="quick", home=tmp_path / "x")
    assert (s.preset, s.origins()["preset"], s.dagster_home) == (
        "quick",
        "argument",
        tmp_path / "x" / "dagster",
    )


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "forge.yaml").write_text("max_bach_size: 8\n")
    with pytest.raises(UsageError, match="max_bach_size"):
        load_settings()


def test_a_wrong_value_is_named_by_field_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_BATCH_SIZE", "hunter2")
    with pytest.raises(UsageError) as caught:
        load_settings()
    assert "max_batch_size" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:hunter2@h/d", "redis://:hunter2@h:6379/0", "postgresql://h/d?user=me&password=hunter2"],
)
def test_passwords_are_masked(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("POSTGRES_URL", url)
    assert "hunter2" not in str(load_settings().shown())
    assert mask("unix:///a/b.sock?db=0") == "unix:///a/b.sock?db=0"


def test_sizes() -> None:
    assert (size_in_bytes("2GB"), size_in_bytes("512 MiB"), size_in_bytes("1.5k")) == (2 * 10**9, 2**29, 1500)
    with pytest.raises(ValueError, match="unit"):
        size_in_bytes("lots")


def test_limits_of_readers_come_from_the_file_or_as_json_and_reach_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = "{name: taps, kind: place, columns: {time: at, item: gate}}"
    (tmp_path / "forge.yaml").write_text(f"reading:\n  calendar_years_back: 3\n  mappings: [{mapping}]\n")
    there = load_settings()
    assert (there.reading.calendar_years_back, there.reading.mappings[0].columns["item"]) == (3, "gate")
    assert there.origins()["reading"] == "forge.yaml"
    (tmp_path / "forge.yaml").unlink()
    for name, value in as_environment(there).items():
        monkeypatch.setenv(name, value)
    assert load_settings().reading == there.reading


@pytest.mark.parametrize("wrong", ["{text_chars: 0}", "{no_such_limit: 1}", "{text_chars: many}", "5"])
def test_a_wrong_limit_is_refused_by_name(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "forge.yaml").write_text(f"reading: {wrong}\n")
    with pytest.raises(UsageError, match="reading"):
        load_settings()


def test_models_and_public_sets_are_mappings_from_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "forge.yaml").write_text(
        "models: {sentiment: owner/model}\nreference_sets:\n  sst2: /somewhere/sst2\n"
    )
    monkeypatch.setenv("FORGE_HOME", str(tmp_path))
    there = load_settings()
    assert there.models == {"sentiment": "owner/model"}
    assert there.reference_sets == {"sst2": Path("/somewhere/sst2")}
    assert {there.origins()[name] for name in ("models", "reference_sets")} == {"forge.yaml"}
    for name, value in as_environment(there).items():  # as a run worker gets them
        monkeypatch.setenv(name, value)
    (tmp_path / "forge.yaml").unlink()
    again = load_settings()
    assert (again.models, again.reference_sets) == (there.models, there.reference_sets)


@pytest.mark.parametrize("wrong", ["models: {topics: one}", "reference_sets: {wnut17: /a}"])
def test_a_model_of_no_task_and_a_set_that_ships_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    (tmp_path / "forge.yaml").write_text(wrong + "\n")
    monkeypatch.setenv("FORGE_HOME", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        load_settings()
    assert caught.value.code == "FORGE-SETTINGS-VALUE"
