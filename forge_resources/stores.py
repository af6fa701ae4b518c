"""All stores of a home in one hand, each made when first asked for. Works inside a Dagster run and without one."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from forge_resources.settings import Settings, load_settings

if TYPE_CHECKING:
    from forge_models.encoder.text_encoder import TextEncoder
    from forge_resources.cache import Cache
    from forge_resources.consent import Consent
    from forge_resources.exports import Exports
    from forge_resources.feature_store import FeatureStore
    from forge_resources.feedback import Feedback
    from forge_resources.kept_connection import KeptConnection
    from forge_resources.online_events import OnlineEvents
    from forge_resources.personal_state import PersonalStates
    from forge_resources.pictures import Pictures
    from forge_resources.postgres import Database
    from forge_resources.registry import Registry
    from forge_resources.tracking import Tracking
    from forge_resources.vault import Vault
    from forge_resources.vectors import Vectors
    from forge_resources.versions import Versions


class Stores:
    """``stores.database``, ``.exports``, ``.consent``, ``.versions``, ``.vault``, ``.vectors``, ``.tracking``,
    ``.registry``, ``.pictures``, ``.cache``, ``.feature_store``, ``.online_events``, ``.personal_states``; the settings
    are read when the first is asked for."""

    def __init__(self, settings: Settings | None = None) -> None:
        if settings is not None:
            self.settings = settings

    @cached_property
    def settings(self) -> Settings:
        return load_settings()

    @cached_property
    def database(self) -> Database:
        from forge_core.errors import ForgeError
        from forge_resources.postgres import Database

        if not self.settings.postgres_url:
            raise ForgeError(
                "FORGE-STACK-DOWN",
                "No database is known to this process.",
                "POSTGRES_URL is not set, so the stack was not started for it.",
                'Use `forge up`, or run `eval "$(forge env)"` first.',
            )
        return Database(self.settings.postgres_url)

    @cached_property
    def exports(self) -> Exports:
        from forge_core.archives import Limits
        from forge_resources.exports import Exports

        s = self.settings
        limits = Limits(
            max_ratio=s.archive_max_ratio,
            max_members=s.archive_max_members,
            max_nesting=s.archive_max_nesting,
            free_disk_reserve=s.archive_free_disk_reserve,
        )
        return Exports(self.database, s.home, limits, s.reading)

    @cached_property
    def consent(self) -> Consent:
        from forge_resources.consent import Consent

        return Consent(self.database)

    @cached_property
    def feedback(self) -> Feedback:
        from forge_resources.feedback import Feedback

        return Feedback(self.database)

    @cached_property
    def versions(self) -> Versions:
        from forge_resources.versions import Versions

        return Versions(self.database)

    @cached_property
    def vault(self) -> Vault:
        from forge_resources.vault import Vault

        return Vault(self.settings.home)

    @cached_property
    def pictures(self) -> Pictures:
        from forge_resources.pictures import Pictures

        return Pictures(self.settings.home)

    @cached_property
    def vectors(self) -> Vectors:
        from forge_resources.vectors import Vectors

        return Vectors(self.database)

    @cached_property
    def encoder(self) -> TextEncoder:
        from forge_models import encoder

        return encoder.load(self.settings.text_encoder, self.settings.home / "encoders")

    @cached_property
    def tracking(self) -> Tracking:
        from forge_resources.tracking import Tracking

        uri = self.settings.mlflow_tracking_uri or ""
        artifacts = os.environ.get("MLFLOW_ARTIFACTS") or str(self.settings.home / "mlflow-artifacts")
        return Tracking(uri, artifacts)

    @cached_property
    def registry(self) -> Registry:
        from forge_resources.registry import Registry

        return Registry(self.tracking, self.cache)

    @cached_property
    def cache(self) -> Cache:
        from forge_resources.cache import Cache

        return Cache(
            self.settings.redis_url,
            self.settings.cache_ttl_s,
            self._mark("cache").encode(),
            f"forge-{self._home}",
        )

    @cached_property
    def _kept_connection(self) -> KeptConnection:
        from forge_resources.kept_connection import KeptConnection

        return KeptConnection(self.database.url)

    @cached_property
    def online_events(self) -> OnlineEvents:
        from forge_resources.online_events import OnlineEvents

        return OnlineEvents(self._kept_connection)

    @cached_property
    def personal_states(self) -> PersonalStates:
        from forge_resources.consent import Consent
        from forge_resources.personal_state import PersonalStates

        return PersonalStates(
            self.online_events,
            Consent(self._kept_connection),
            self.settings.redis_url,
            self._mark("state").encode(),
            f"forge-{self._home}",
            self.settings.state_ttl_s,
        )

    @cached_property
    def feature_store(self) -> FeatureStore:
        from forge_core.errors import ForgeError
        from forge_resources.feature_store import FeatureStore

        if not self.settings.redis_url:
            raise ForgeError(
                "FORGE-STACK-DOWN",
                "No Redis is known to this process.",
                "REDIS_URL is not set, so the stack was not started for it.",
                'Use `forge up`, or run `eval "$(forge env)"` first.',
            )
        return FeatureStore(
            self.database,
            self.settings.redis_url,
            self.settings.home,
            project=f"forge_{self._home}",
            cache=self.cache,
        )

    @property
    def _home(self) -> str:
        """Eight characters that tell this home from others on the same Redis, and stay when it is moved."""
        return self._mark("home")[:8]

    def _mark(self, what: str) -> str:
        """A secret of this home for one use, from the key of its pseudonyms."""
        return self.vault.pseudonyms.contact(f"forge {what}").partition("_")[2]
