"""The registry of models: MLflow versions whose artifacts are Forge's own format, verified when loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from forge_resources.tracking import Tracking

if TYPE_CHECKING:
    from forge_resources.cache import Cache

CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True)
class Serving:
    """The version in service: its local folder, its tags, and a ``stamp`` that no other version ever has."""

    version: str
    folder: Path
    tags: dict[str, str]
    stamp: str


class Registry:
    """Versions and aliases of each family's model. ``cache`` keeps what never changes of a version."""

    def __init__(self, tracking: Tracking, cache: Cache | None = None) -> None:
        self.tracking, self.cache = tracking, cache

    def register(self, family: str, folder: Path, run: str, tags: dict[str, str]) -> str:
        """Store an artifact folder under the run and make it the model's newest version, alias ``challenger``.

        ``family``: the model's name; the tasks of a family share a run, so each has a place of its own in it.
        """
        from mlflow.exceptions import MlflowException

        client = self.tracking.client
        client.log_artifacts(run, str(folder), f"models/{family}")
        try:
            client.create_registered_model(family)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{client.get_run(run).info.artifact_uri}/models/{family}"
        version = str(client.create_model_version(family, source=source, run_id=run, tags=tags).version)
        client.set_registered_model_alias(family, CHALLENGER, version)
        return version

    def promote(self, family: str, version: str) -> None:
        """Give ``version`` the alias ``champion``; one write, so that a reader sees the old or the new one."""
        self.tracking.client.set_registered_model_alias(family, CHAMPION, version)

    def version(self, family: str, alias: str) -> str | None:
        from mlflow.exceptions import MlflowException

        try:
            return str(self.tracking.client.get_model_version_by_alias(family, alias).version)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def tags(self, family: str, version: str) -> dict[str, str]:
        return dict(self.tracking.client.get_model_version(family, version).tags)

    def folder(self, family: str, version: str) -> Path:
        """A local folder with the version's artifact."""
        source = self.tracking.client.get_model_version(family, version).source
        parts = urlsplit(source)
        if parts.scheme in ("", "file"):
            return Path(unquote(parts.path))
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(artifact_uri=source, tracking_uri=self.tracking.uri))

    def champion(self, family: str) -> tuple[str, Path] | None:
        """(version, folder) of the champion, or None where none was promoted yet."""
        version = self.version(family, CHAMPION)
        return (version, self.folder(family, version)) if version else None

    def serving(self, family: str) -> Serving | None:
        """The champion with all that an answer needs, or None where none was promoted yet.

        Which version it is, is asked of the store each time, whoever moved the alias, so it is never stale. What is
        known of a version is kept in the cache, and found there without importing MLflow, which takes seconds.
        """
        from forge_resources.aliases import stored

        named = stored(self.tracking.uri, family, CHAMPION)
        if named is None:  # no store that can be asked directly, or not sure: MLflow's client knows
            version = self.version(family, CHAMPION)
            return self._described(family, version) if version else None
        if not named:
            return None
        version, stamp = named
        if self.cache is None:
            return self._described(family, version)
        for _ in range(2):
            found = self.cache.get_or(
                "model", (family, version), lambda: self._details(family, version), version=stamp
            )
            folder = Path(found["folder"])
            if folder.is_dir():
                return Serving(version, folder, found["tags"], stamp)
            self.cache.drop("model", (family, version))  # a downloaded copy that was tidied away
        return self._described(family, version)

    def _details(self, family: str, version: str) -> dict[str, Any]:
        return {"folder": str(self.folder(family, version)), "tags": self.tags(family, version)}

    def _described(self, family: str, version: str) -> Serving:
        found = self.tracking.client.get_model_version(family, version)
        stamp = f"{found.run_id}:{found.creation_timestamp}"
        return Serving(version, self.folder(family, version), dict(found.tags), stamp)

    def models(self) -> list[dict[str, Any]]:
        """Every version with its aliases, tags and creation time, newest first."""
        client = self.tracking.client
        listed = []
        for model in client.search_registered_models():
            aliases: dict[str, list[str]] = {}
            for alias, version in model.aliases.items():
                aliases.setdefault(str(version), []).append(alias)
            listed += [
                {
                    "family": model.name,
                    "version": str(version.version),
                    "aliases": sorted(aliases.get(str(version.version), [])),
                    "created": version.creation_timestamp,
                    "tags": dict(version.tags),
                }
                for version in client.search_model_versions(f"name = '{model.name}'")
            ]
        return sorted(listed, key=lambda m: (m["family"], -int(m["version"])))
