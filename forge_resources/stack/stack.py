"""The stack of one home: starts what no URL names, shares it between forge processes, tells how to reach
it.

    with Stack(load_settings()) as stack:
        os.environ.update(stack.environment())

Several forge processes on one home share the running servers; the last to leave stops them. A server that
the user names by URL is used and never started or stopped.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from forge_core.errors import ForgeError
from forge_resources.settings import Settings, as_environment, load_settings
from forge_resources.stack.postgres import Postgres
from forge_resources.stack.redis import Redis
from forge_resources.stack.state import DETACHED, User, Users, locked, myself, private_folder, socket_folder

DATABASES = ("forge", "dagster", "mlflow")

# nothing we start reports home; DO_NOT_TRACK also speaks to Evidently and MLflow
TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "FEAST_USAGE": "False",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


class Stack:
    """The servers of one home. ``durable=False`` is for tests: a power cut may lose data."""

    def __init__(self, settings: Settings | None = None, *, durable: bool = True) -> None:
        self.settings = settings or load_settings()
        self.home = self.settings.home
        self.run = self.home / "run"
        self.sockets = socket_folder(self.home)
        self.postgres = Postgres(self.home, self.sockets, durable=durable)
        self.redis = Redis(self.home, self.sockets)
        self._user: User | None = None

    # A URL that names our own socket is our own server: `eval "$(forge env)"` sets it, and it must still be
    # started.
    @property
    def embeds_postgres(self) -> bool:
        url = self.settings.postgres_url
        return url is None or f"host={self.postgres.sockets}" in url

    @property
    def embeds_redis(self) -> bool:
        url = self.settings.redis_url
        return url is None or url == self.redis.url

    def start(self, *, detached: bool = False) -> Stack:
        """Starts what is not up. ``detached``: it stays up when this process ends, until :meth:`down`."""
        user = DETACHED if detached else myself()
        self._folders()
        with locked(self.run):
            try:
                if self.embeds_redis:
                    self.redis.start()
                if self.embeds_postgres:
                    self.postgres.start()
                    self.postgres.ensure_databases(DATABASES)
                Users(self.run).join(user)
            except BaseException:  # Ctrl-C half-way included: nobody would stop what has started
                if not Users(self.run).live():
                    self._stop_servers()
                raise
        if not self.embeds_postgres:
            self._prepare_external()
        self._user = user
        return self

    def stop(self) -> bool:
        """Leaves; stops the servers when nobody else uses them. Says whether they were stopped."""
        if self._user is None or self._user.detached:
            return False
        user, self._user = self._user, None
        return self._leave(user)

    def down(self) -> bool:
        """Ends what ``start(detached=True)`` left up. False when other live processes still use it."""
        return self._leave(DETACHED) if self.run.is_dir() else True

    def users(self) -> list[User]:
        return Users(self.run).live() if self.run.is_dir() else []

    def health(self) -> dict[str, Any]:
        """Per part: ok, embedded or external, version, milliseconds of an answer."""
        return {
            "postgres": self.postgres.health() if self.embeds_postgres else self._external_postgres(),
            "redis": self.redis.health() if self.embeds_redis else self._external_redis(),
            "mlflow": {"ok": True, "kind": "embedded" if self._own_mlflow else "external"},
        }

    def environment(self) -> dict[str, str]:
        """All that a process needs to find this home's servers, telemetry switched off."""
        settings = self.settings
        return {
            **as_environment(settings),
            **TELEMETRY_OFF,
            # a run over many exports writes their materializations together, not one by one
            "DAGSTER_EVENT_BATCH_SIZE": "500",
            "FORGE_HOME": str(self.home),
            "POSTGRES_URL": self._postgres_url("forge"),
            "DAGSTER_POSTGRES_URL": settings.dagster_postgres_url or self._postgres_url("dagster"),
            "REDIS_URL": self.redis.url if self.embeds_redis else str(settings.redis_url),
            "MLFLOW_TRACKING_URI": self._postgres_url("mlflow")
            if self._own_mlflow
            else str(settings.mlflow_tracking_uri),
            "MLFLOW_ARTIFACTS": str(settings.mlflow_artifacts),
            "DAGSTER_HOME": str(settings.dagster_home),
            "FORGE_COMPUTE_LOGS": str(settings.logs / "compute"),
        }

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _own_mlflow(self) -> bool:
        url = self.settings.mlflow_tracking_uri
        return url is None or f"host={self.postgres.sockets}" in url

    def _postgres_url(self, database: str) -> str:
        if self.embeds_postgres:
            return self.postgres.url(database)
        return beside(str(self.settings.postgres_url), database)

    def _folders(self) -> None:
        s = self.settings
        for folder in (self.home, self.run, self.sockets, s.logs, s.mlflow_artifacts, s.inbox):
            private_folder(folder)
        self.settings.dagster_home.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _leave(self, user: User) -> bool:
        with locked(self.run):
            if Users(self.run).leave(user):
                return False
            self._stop_servers()
            return True

    def _stop_servers(self) -> None:
        if self.embeds_postgres:
            self.postgres.stop()
        if self.embeds_redis:
            self.redis.stop()

    def _prepare_external(self) -> None:
        """On a server of the user's: makes the two databases beside theirs, where they are missing."""
        import psycopg

        url = str(self.settings.postgres_url)
        wanted = [urlsplit(self._postgres_url(name)).path.lstrip("/") for name in DATABASES[1:]]
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
                present = {row[0] for row in connection.execute("select datname from pg_database")}
                skip = {wanted[0]} if self.settings.dagster_postgres_url else set()
                skip |= set() if self._own_mlflow else {wanted[1]}
                for name in wanted:
                    if name not in present | skip:
                        connection.execute(f'create database "{name}"')
                if not connection.execute("select 1 from pg_extension where extname = 'vector'").fetchone():
                    connection.execute("create extension vector")
        except psycopg.Error as error:
            raise ForgeError(
                "FORGE-PG-EXTERNAL",
                "The PostgreSQL of POSTGRES_URL cannot be used.",
                f"{type(error).__name__} (pgvector, and the databases {', '.join(wanted)}, are needed).",
                "Create them there, or unset POSTGRES_URL to use the embedded server.",
            ) from None

    def _external_postgres(self) -> dict[str, Any]:
        import psycopg

        query = (
            "select current_setting('server_version'),"
            " (select extversion from pg_extension where extname = 'vector')"
        )
        try:
            with psycopg.connect(str(self.settings.postgres_url), connect_timeout=5) as connection:
                row = connection.execute(query).fetchone() or ("?", None)
        except psycopg.Error as error:
            return {"ok": False, "kind": "external", "error": type(error).__name__}
        return {"ok": True, "kind": "external", "version": str(row[0]).split()[0], "pgvector": row[1]}

    def _external_redis(self) -> dict[str, Any]:
        import redis

        try:
            with redis.Redis.from_url(str(self.settings.redis_url), socket_timeout=5) as client:
                info: Any = client.info("server")
        except (redis.RedisError, ValueError) as error:
            return {"ok": False, "kind": "external", "error": type(error).__name__}
        return {"ok": True, "kind": "external", "version": info["redis_version"]}


def beside(url: str, database: str) -> str:
    """The URL of a database on the same server: the user's own for ``forge``, else ``<theirs>_<name>``."""
    if database == "forge":
        return url
    parts = urlsplit(url)
    own = parts.path.lstrip("/") or "postgres"
    # urlunsplit drops the // of an empty host, which a socket URL has
    joined = urlunsplit(parts._replace(path=f"/{own}_{database}"))
    return joined if "://" in joined else joined.replace(":", "://", 1)
