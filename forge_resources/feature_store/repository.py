"""Feast's repository of a home: its configuration, its registry in the same PostgreSQL, and the join in the past.

The registry is in the schema ``feast`` of the home's database: it is kept and backed up with the tables it speaks of,
and several machines see one. ``FORGE_HOME/feast`` gets a ``feature_store.yaml`` (mode 0600: the URLs in it can hold
passwords) and a ``definitions.py``, so that Feast's own command works there. Importing Feast takes seconds: all of it
happens inside functions.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from forge_core.errors import UsageError
from forge_core.features import FeatureTable
from forge_resources.feature_store.definitions import definitions
from forge_resources.feature_store.redis_store import TYPE
from forge_resources.postgres import Database

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "feast"
TLS: tuple[str, ...] = ("sslmode", "sslkey", "sslcert", "sslrootcert")
TIME = "event_timestamp"  # what Feast calls the moment of a label

_DEFINITIONS = '''"""What Feast's command finds here: made of forge_core/features by Forge."""

from forge_resources.feature_store.definitions import definitions
from forge_resources.feature_store.queries import registered
from forge_core.features import TABLES

globals().update({f"{type(o).__name__}_{o.name}": o for o in definitions(registered(TABLES).values())})
'''


def configuration(project: str, postgres_url: str, redis_url: str) -> dict[str, Any]:
    """The repository's configuration: what ``feature_store.yaml`` holds."""
    import getpass

    from psycopg.conninfo import conninfo_to_dict
    from sqlalchemy.engine import URL

    given: dict[str, str] = {k: str(v) for k, v in conninfo_to_dict(postgres_url).items() if v is not None}
    user, host = given.get("user") or getpass.getuser(), given.get("host") or "localhost"
    port, name, password = given.get("port") or "5432", given.get("dbname") or user, given.get("password")
    tls = {k: given[k] for k in TLS if k in given}
    # a socket's folder is no host of a URL; libpq takes it as a parameter
    query = {"host": host, "port": port, **tls, "options": f"-csearch_path={SCHEMA}"}
    registry = URL.create("postgresql+psycopg", user, password, database=name, query=query)
    return {
        "project": project,
        "provider": "local",
        "entity_key_serialization_version": 3,
        "registry": {"registry_type": "sql", "path": registry.render_as_string(hide_password=False)},
        "offline_store": {
            "type": "postgres",
            "host": host,
            "port": int(port),
            "database": name,
            "user": user,
            "password": password or "",
            "sslmode": tls.get("sslmode", "prefer"),
            **{f"{k}_path": v for k, v in tls.items() if k != "sslmode"},
            "entity_select_mode": "embed_query",
        },
        "online_store": {"type": TYPE, "connection_string": redis_url},
        "auth": {"type": "no_auth"},
    }


def write(folder: Path, settings: dict[str, Any]) -> None:
    """Write the repository for Feast's command; each file replaced as a whole, the configuration mode 0600."""
    import yaml

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    head = "# Made by Forge; it can hold passwords.\n"
    contents = {
        "feature_store.yaml": head + yaml.safe_dump(settings, sort_keys=False),
        "definitions.py": _DEFINITIONS,
    }
    for name, content in contents.items():
        fresh = folder / f".{name}.{os.getpid()}.{uuid4().hex[:8]}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)
        os.replace(fresh, folder / name)


class Repository:
    """Feast's own store over the declared tables. ``settings`` is what :func:`configuration` makes."""

    def __init__(self, database: Database, folder: Path, settings: dict[str, Any]) -> None:
        self.database, self.folder, self.settings = database, folder, settings
        self._store: Any = None

    @property
    def store(self) -> Any:
        """``feast.FeatureStore`` of this home; its registry's tables are made when they are missing."""
        if self._store is None:
            os.environ.setdefault("FEAST_USAGE", "False")
            with quiet():
                from feast import FeatureStore, RepoConfig

                with self.database.lock("feast registry"):  # two first uses at once
                    with self.database.transaction() as connection:
                        connection.execute(f"create schema if not exists {SCHEMA}")
                    self._store = FeatureStore(config=RepoConfig(repo_path=self.folder, **self.settings))
        return self._store

    def apply(self, tables: Sequence[FeatureTable]) -> dict[str, list[str]]:
        """Make the registry what is declared: adds, updates, and drops what is no longer declared.

        Returns the names of views and services, and of what was dropped.
        """
        write(self.folder, self.settings)
        wanted, store = definitions(tables), self.store
        names = {(type(one).__name__, one.name) for one in wanted}
        names |= {("PostgreSQLSource", table.address) for table in tables} | {("Entity", "__dummy")}
        with quiet(), self.database.lock("feast registry"):
            store.refresh_registry()
            there = [
                *store.list_feature_services(),
                *store.list_feature_views(),
                *store.list_entities(),
                *store.list_data_sources(),
            ]
            dropped = [one for one in there if (type(one).__name__, one.name) not in names]
            store.apply(wanted, objects_to_delete=dropped, partial=False)
        return {
            "views": sorted(view.name for view in store.list_feature_views()),
            "services": sorted(service.name for service in store.list_feature_services()),
            "dropped": sorted(f"{type(one).__name__} {one.name}" for one in dropped),
        }

    def historical(
        self, entities: pa.Table | str, keys: set[str], features: Sequence[str], full_names: bool
    ) -> pa.Table | None:
        """See :meth:`FeatureStore.historical`; ``keys`` are columns that the entities need. None: there are none."""
        if isinstance(entities, str):
            return self._joined(entities, features, full_names)
        if missing := {TIME, *keys} - set(entities.column_names):
            names = ", ".join(sorted(missing))
            raise UsageError(
                "FORGE-FEATURE-ENTITIES",
                f"The entities have no column {names}.",
                fix=f"{TIME} is when each label was; the other columns name the entity.",
            )
        if not entities.num_rows:
            return None
        with self._uploaded(entities) as query:
            return self._joined(query, features, full_names)

    def _joined(self, query: str, features: Sequence[str], full_names: bool) -> pa.Table | None:
        (found,) = self.database.read(f"select exists ({query})").column(0).to_pylist()
        if not found:
            return None
        with quiet():
            job = self.store.get_historical_features(
                entity_df=query, features=list(features), full_feature_names=full_names
            )
            joined = job.to_sql()
        return self.database.read(joined)

    @contextmanager
    def _uploaded(self, entities: pa.Table) -> Iterator[str]:
        """The rows as a table of their own, by binary COPY; Feast inserts them one by one."""
        name = f"entities_{uuid4().hex[:12]}"
        with self.database.arrow() as cursor:
            cursor.adbc_ingest(name, entities, mode="create", db_schema_name="staging")
        try:
            yield f"select * from staging.{name}"
        finally:
            with self.database.transaction() as connection:
                connection.execute(f"drop table staging.{name}")


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings that Feast gives about itself, such as pandas' of a connection that is not SQLAlchemy's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
