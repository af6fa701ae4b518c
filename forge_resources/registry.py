"""The registry of models: MLflow versions whose artifacts are Forge's own format, verified when loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from forge_resources.tracking import Tracking

CHAMPION, CHALLENGER = "champion", "challenger"


class Registry:
    """Versions and aliases of each family's model."""

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking

    def register(self, family: str, folder: Path, run: str, tags: dict[str, str]) -> str:
        """Store an artifact folder under the run and make it the family's newest version, alias ``challenger``."""
        from mlflow.exceptions import MlflowException

        client = self.tracking.client
        client.log_artifacts(run, str(folder), "model")
        try:
            client.create_registered_model(family)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{client.get_run(run).info.artifact_uri}/model"
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
