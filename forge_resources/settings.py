"""How this forge is set: environment over ``forge.yaml`` over defaults, each value with its origin.

One table says it all: a field of :class:`Settings` is declared once, with its default, its environment
names and its sentence, and the command, the documentation and the run workers read it from here. Nothing of
Dagster is imported, so that the command starts fast; a run worker needs nothing but its environment.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from forge_core.errors import UsageError
from forge_core.sources.options import DEFAULTS, Options

FILE = "forge.yaml"
BY_PATH = ("sst2", "tweeteval", "conll2003", "dialogsum")  # public sets that may not be copied
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip


def setting(default: Any, doc: str, *env: str, **limits: Any) -> Any:
    """A field with its environment names, the first found wins; ``FORGE_<FIELD>`` always works too."""
    extra: dict[str, Any] = {"env": list(env)}
    return Field(default=default, description=doc, json_schema_extra=extra, **limits)


class Settings(BaseSettings):
    """All settings. ``origins()`` says where each came from."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=False)

    home: Path = setting(None, "The one folder that holds it all.")
    postgres_url: str | None = setting(
        None, "A PostgreSQL of yours; unset: embedded.", "POSTGRES_URL", "DATABASE_URL"
    )
    dagster_postgres_url: str | None = setting(
        None, "Dagster's storage; unset: beside it.", "DAGSTER_POSTGRES_URL"
    )
    redis_url: str | None = setting(None, "A Redis of yours; unset: embedded.", "REDIS_URL")
    mlflow_tracking_uri: str | None = setting(
        None, "An MLflow of yours; unset: embedded.", "MLFLOW_TRACKING_URI", "MLRUN_DBPATH"
    )
    dagster_home: Path = setting(None, "Dagster's instance folder.", "DAGSTER_HOME")
    text_encoder: str = setting(
        "all-MiniLM-L6-v2",
        "Makes vectors of text: the one in the package, a local folder, or a name on the hub.",
    )
    models: dict[str, str] = setting(
        {},
        "Models of others that compete for a task of nlp: sentiment or entities, each a local folder, a name on the"
        " hub, or spacy: and a pipeline's name.",
    )
    reference_sets: dict[str, Path] = setting(
        {},
        "Folders of public sets that do not ship, by name: sst2, tweeteval, conll2003, dialogsum.",
    )
    executor: Literal["local", "ray", "k8s"] = setting("local", "Where heavy steps run.")
    preset: Literal["quick", "full"] = setting("full", "How long models search and train.")
    seed: int = setting(0, "The seed of everything that draws at random.", ge=0)
    model_cache_size: str = setting("2GB", "Models kept in memory when serving.", "MODEL_CACHE_SIZE")
    max_batch_size: int = setting(32, "Rows of one prediction request.", "MAX_BATCH_SIZE", ge=1)
    training_retries: int = setting(3, "Retries of a failed training step.", ge=0)
    training_timeout_s: int = setting(3600, "Seconds one training step may take.", ge=1)
    training_device: str = setting(
        "auto", "Where models train: auto, cpu, cuda or cuda:1.", pattern=r"^(auto|cpu|cuda(:\d+)?)$"
    )
    training_precision: Literal["auto", "32", "bf16", "fp16"] = setting(
        "auto", "In what models train; auto: float32 on a CPU, half of it on a GPU."
    )
    training_strategy: Literal["none", "ddp", "fsdp"] = setting(
        "none", "How several processes train one model: ddp copies it, fsdp cuts it up."
    )
    training_processes: int = setting(1, "Processes that train one model, with ddp or fsdp.", ge=1)
    cache_ttl_s: int = setting(3600, "Seconds an answer stays in the cache.", ge=0)
    state_ttl_s: int = setting(
        30 * 86_400, "Seconds a person's recurrent state stays that nobody asks for; 0: for ever.", ge=0
    )
    archive_max_ratio: float = setting(100.0, "Refuse archives that unpack to more than this times.", gt=1)
    archive_max_members: int = setting(200_000, "Refuse archives with more members.", ge=1)
    archive_max_nesting: int = setting(2, "Refuse archives nested deeper.", ge=0)
    archive_free_disk_reserve: float = setting(0.10, "Share of the disk an import leaves free.", ge=0, lt=1)
    reading: Options = setting(Options(), "Where readers of exports stop: see docs/sources.md.")
    inbox_wait_s: int = setting(600, "Seconds a set in the inbox waits for a missing part.", ge=0)
    profile_sensitive: bool = setting(
        False, "Profiles speak of health, religion, politics, sexuality, money and the like, too."
    )
    ui_port: int = setting(3000, "Port of the Dagster UI, on loopback.", ge=0, le=65535)

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            _Values(settings_cls, environment_values),
            _Values(settings_cls, file_values),
            _Values(settings_cls, default_folders),
        )

    @field_validator("home", "dagster_home", mode="after")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return Path(os.path.abspath(path.expanduser()))

    @field_validator("reading", "models", "reference_sets", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("models")
    @classmethod
    def _of_a_task(cls, named: dict[str, str]) -> dict[str, str]:
        if set(named) - {"sentiment", "entities"}:
            raise ValueError("models compete for sentiment and entities")
        return named

    @field_validator("reference_sets")
    @classmethod
    def _by_path(cls, named: dict[str, Path]) -> dict[str, Path]:
        if set(named) - set(BY_PATH):
            raise ValueError(f"sets that are read by path are {', '.join(BY_PATH)}")
        return named

    @field_validator("model_cache_size")
    @classmethod
    def _a_size(cls, text: str) -> str:
        size_in_bytes(text)
        return text

    def model_post_init(self, context: Any) -> None:
        env, file = environment_values(), file_values()
        for field in type(self).model_fields:
            value = getattr(self, field)
            self._origins[field] = (
                "environment"
                if field in env and _same(env[field], value)
                else FILE
                if field in file and field not in env and _same(file[field], value)
                else "default"
                if field not in self.model_fields_set or field in ("home", "dagster_home")
                else "argument"
            )

    def origins(self) -> dict[str, str]:
        """For each field: environment, forge.yaml, argument or default."""
        return dict(self._origins)

    def shown(self) -> dict[str, Any]:
        """Values fit to be printed: passwords masked."""
        values = {field: getattr(self, field) for field in type(self).model_fields}
        values["reading"] = {
            k: v for k, v in asdict(self.reading).items() if v != getattr(DEFAULTS, k)
        } or "(defaults)"
        return {k: mask(str(v)) if isinstance(v, str | Path) else v for k, v in values.items()}

    @property
    def exports(self) -> Path:
        return self.home / "exports"

    @property
    def inbox(self) -> Path:
        return self.home / "inbox"

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.home / "mlflow-artifacts"

    @property
    def logs(self) -> Path:
        return self.home / "logs"


class _Values(PydanticBaseSettingsSource):
    """A settings source around a function that returns values by field name."""

    def __init__(self, settings_cls: type[BaseSettings], read: Any) -> None:
        super().__init__(settings_cls)
        self.read = read

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self.read().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self.read())


def environment_values() -> dict[str, str]:
    """What the environment sets, by field; an empty variable counts as unset."""
    found: dict[str, str] = {}
    for field, info in Settings.model_fields.items():
        extra = info.json_schema_extra
        names = extra.get("env", []) if isinstance(extra, dict) else []
        for name in [*names, f"FORGE_{field.upper()}"]:  # type: ignore[misc]
            if os.environ.get(name):
                found[field] = os.environ[name]
                break
    if "redis_url" not in found and os.environ.get("REDIS_HOST"):  # the seed's name: port 6379, db 0
        found["redis_url"] = f"redis://{os.environ['REDIS_HOST']}:6379/0"
    return found


def file_values() -> dict[str, Any]:
    """What ``forge.yaml`` sets: the first found of FORGE_HOME, the current folder, the default home."""
    import yaml

    folders = [Path(os.environ["FORGE_HOME"])] if os.environ.get("FORGE_HOME") else []
    for folder in [*folders, Path.cwd(), default_home()]:
        path = folder / FILE
        if not path.is_file():
            continue
        try:
            values = yaml.safe_load(path.read_text("utf-8")) or {}
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            raise UsageError("FORGE-SETTINGS-FILE", f"Cannot read {path}.", type(error).__name__) from error
        unknown = (
            sorted(set(values) - set(Settings.model_fields)) if isinstance(values, dict) else ["(no mapping)"]
        )
        if unknown:
            raise UsageError(
                "FORGE-SETTINGS-UNKNOWN",
                f"{path} sets what does not exist: {', '.join(map(str, unknown))}.",
                fix="`forge config` lists the names.",
            )
        return {k: v for k, v in values.items() if v is not None}
    return {}


def default_home() -> Path:
    """``.forge`` beside the checkout when we stand in one, else ``~/.forge``."""
    here = Path.cwd()
    in_project = any((here / name).is_file() for name in ("dagster.yaml", "pyproject.toml"))
    return here / ".forge" if in_project else Path.home() / ".forge"


def default_folders() -> dict[str, Path]:
    home = Path(environment_values().get("home") or file_values().get("home") or default_home())
    return {"home": home, "dagster_home": home / "dagster"}


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process; a wrong one is named by field, never by value (it may be a password)."""
    if "home" in overrides and "dagster_home" not in overrides and "dagster_home" not in environment_values():
        overrides["dagster_home"] = Path(overrides["home"]) / "dagster"
    try:
        return Settings(**overrides)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)
        )
        raise UsageError(
            "FORGE-SETTINGS-VALUE", "A setting is wrong.", wrong, "See `forge config`."
        ) from None


def size_in_bytes(text: str) -> int:
    """``2GB`` -> 2 000 000 000; ``512MiB`` -> 536 870 912."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?[iI]?[bB]?)\s*", text)
    unit = match[2].upper() if match else "?"
    unit = unit + "B" if unit in ("K", "M", "G", "T", "KI", "MI", "GI", "TI") else unit
    if not match or unit not in _UNITS:
        raise ValueError("a size is a number and a unit, such as 2GB")
    return int(float(match[1]) * _UNITS[unit])


def mask(text: str) -> str:
    """A URL without its password, whether it stands before the host or in the query."""
    text = re.sub(r"(://[^:/?#@\s]*):[^/?#\s]*@", r"\1:***@", text)
    return re.sub(r"(?i)([?&\s](?:password|sslpassword|token|secret)=)[^&\s]*", r"\1***", text)


def _text(value: Any) -> str:
    if isinstance(value, Options):
        return json.dumps(asdict(value))
    return json.dumps(value, default=str) if isinstance(value, dict) else str(value)


def _same(raw: Any, value: Any) -> bool:
    if isinstance(value, Options):
        return value != DEFAULTS
    if isinstance(value, dict):
        return _text(json.loads(raw) if isinstance(raw, str) else raw) == _text(value)
    if isinstance(value, Path):
        return Path(os.path.abspath(Path(raw).expanduser())) == value
    return str(raw) == str(value) or _number(raw) == value


def _number(raw: Any) -> Any:
    try:
        return float(raw)
    except (TypeError, ValueError):
        return None


def as_environment(settings: Settings) -> Mapping[str, str]:
    """The settings a child process needs and cannot find itself: those given as arguments or in a file."""
    return {
        f"FORGE_{field.upper()}": _text(getattr(settings, field))
        for field, origin in settings.origins().items()
        if origin in ("argument", FILE) and getattr(settings, field) is not None
    }
