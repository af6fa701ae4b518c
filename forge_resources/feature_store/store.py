"""The feature store of a home, for training, serving and checks: see :class:`FeatureStore`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forge_core.errors import UsageError
from forge_core.features import TABLES, FeatureTable
from forge_resources.feature_store import layout, queries, reading
from forge_resources.feature_store.materializing import Pushed, push
from forge_resources.feature_store.reading import Entity
from forge_resources.feature_store.skew import Skew, compare
from forge_resources.feature_store.wire import Wire, guarded
from forge_resources.postgres import Database

if TYPE_CHECKING:
    import pyarrow as pa

    from forge_resources.cache import Cache
    from forge_resources.feature_store.repository import Repository

SAMPLE = 1_000  # entities that a skew check looks at


class FeatureStore:
    """Declared tables as features: joined in the past (PostgreSQL), read online (Redis), by one declaration.

    ``home`` gets the folder ``feast``. ``project`` keeps homes on one Redis apart. ``cache`` counts hits and misses
    of online reads under the kind "feature". Online values are what was known at the last :meth:`materialize`.
    """

    def __init__(
        self,
        database: Database,
        redis_url: str,
        home: Path,
        project: str = "forge",
        tables: Sequence[FeatureTable] = TABLES,
        cache: Cache | None = None,
    ) -> None:
        self.database, self.redis_url, self.folder = database, redis_url, Path(home) / "feast"
        self.project, self.cache = project, cache
        self.tables = queries.registered(tables)
        self._project = project.encode()

    @cached_property
    def wire(self) -> Wire:
        return Wire(self.redis_url)

    @cached_property
    def _reader(self) -> reading.Reader:
        return reading.Reader(self.database, self.redis_url, self._project, self.cache)

    @cached_property
    def repository(self) -> Repository:
        from forge_resources.feature_store.repository import Repository, configuration

        settings = configuration(self.project, self.database.url, self.redis_url)
        return Repository(self.database, self.folder, settings)

    def apply(self) -> dict[str, list[str]]:
        """Register what is declared in Feast, from nothing or again; drops views that are no longer declared.

        Returns the names under ``views``, ``services`` and ``dropped``.
        """
        return self.repository.apply(list(self.tables.values()))

    def historical(
        self, entities: pa.Table | str, features: Sequence[str], full_names: bool = True
    ) -> pa.Table:
        """Features as they were known at each label: Feast's point-in-time join.

        ``entities`` are labelled rows, or SQL of our own that gives them: the columns of the features' entities, a
        column ``event_timestamp``, and any others, which stay. ``features`` are ``table:column``, or ``table`` for
        all that it serves. Columns of the answer are named ``table__column``, without ``full_names`` ``column``.
        A feature that was not known yet is null; rows come in no particular order. Nothing is filtered by purpose:
        entities are asked for by who has consent for one.
        """
        wanted = self._references(features)
        names = [one.replace(":", "__") if full_names else one.partition(":")[2] for one in wanted]
        if len(set(names)) < len(names):
            raise UsageError(
                "FORGE-FEATURE-NAMES", "Two of the features have one name.", fix="Use full names."
            )
        keys = {key for one in wanted for key in self.tables[one.partition(":")[0]].entity}
        joined = self.repository.historical(entities, keys, wanted, full_names)
        if joined is not None:
            return joined
        nothing = entities if not isinstance(entities, str) else self.database.read(entities)
        for name, one in zip(names, wanted, strict=True):
            nothing = nothing.append_column(name, reading.empty(self.tables[one.partition(":")[0]], one))
        return nothing

    def materialize(
        self, tables: Iterable[str] | None = None, at: datetime | None = None
    ) -> dict[str, Pushed]:
        """Bring the online values of ``tables`` (default: all that are built) up to what was known at ``at`` (now).

        Only rows that differ from what is online are written; entities without a row are taken out.
        """
        moment = at or datetime.now(UTC)
        named = [self._table(name) for name in (self.tables if tables is None else tables)]
        done = {}
        with guarded(), self.database.lock(f"online features of {self.project}"):
            for table in named:
                if self.database.exists(table.address):
                    done[table.name] = push(self.database, self.wire, table, self._project, moment)
        return done

    def online(
        self,
        tables: str | Sequence[str],
        entities: Sequence[Entity],
        columns: Sequence[str] | None = None,
        fall_back: bool = True,
    ) -> list[dict[str, Any]]:
        """The online values of each entity, and when they were known (``known_at``).

        ``entities`` are mappings by name, or values in the order of the table's entity. With several tables (of one
        kind of entity, one round trip) names are ``table__column``, and so are ``columns``. An entity without a row
        has None everywhere, ``known_at`` too. What Redis does not have, gone or evicted, is read from PostgreSQL,
        unless ``fall_back`` is off. Consent for a purpose is the caller's to look at.
        """
        if isinstance(tables, str):
            return self._reader.read([reading.planned(self._table(tables), columns)], entities, fall_back)[0]
        plans = []
        for name in tables:
            table = self._table(name)
            mine = (
                None
                if columns is None
                else [c.partition("__")[2] for c in columns if c.partition("__")[0] == name]
            )
            plans.append(reading.planned(table, mine))
        if len({plan.table.entity for plan in plans}) > 1:
            raise UsageError("FORGE-ENTITY", "These tables are about different kinds of entities.")
        parts = self._reader.read(plans, entities, fall_back)
        return [
            {
                f"{plan.table.name}__{name}": value
                for plan, values in zip(plans, row, strict=True)
                for name, value in values.items()
            }
            for row in zip(*parts, strict=True)
        ]

    def skew(self, table: str, sample: int = SAMPLE, at: datetime | None = None) -> Skew:
        """Online values of ``sample`` entities against Feast's join in the past as of ``at`` (now)."""
        import pyarrow as pa

        declared, moment = self._table(table), at or datetime.now(UTC)
        drawn = self.database.read(queries.sample(declared, moment, sample))
        if not drawn.num_rows:
            return Skew(table, 0)
        known_at, entities = drawn["known_at"].to_pylist(), drawn.select(list(declared.entity))
        online = self.online(table, entities.to_pylist(), fall_back=False)
        labels = entities.append_column(
            "event_timestamp", pa.array([moment] * len(known_at), pa.timestamp("us", "UTC"))
        )
        labels = labels.append_column("number", pa.array(range(len(known_at))))
        offline = self.historical(labels, [table], full_names=False).sort_by("number")
        return compare(table, known_at, online, offline.select([c.name for c in declared.served]).to_pylist())

    def find(self, subject: str | None = None, source: str | None = None) -> dict[str, int]:
        """Online keys of a subject (pseudonym) or source, by entity: ``{"online/subject_source": 2}``."""
        with guarded():
            found = {name: len(keys) for name, keys in self._keys_of(subject, source).items()}
        return {name: count for name, count in found.items() if count}

    def erase(self, subject: str | None = None, source: str | None = None) -> dict[str, int]:
        """Delete what :meth:`find` finds; returns the keys deleted by entity."""
        if subject is None and source is None:
            raise ValueError("erase needs a subject or a source")
        with guarded(), self.database.lock(f"online features of {self.project}"):
            found = {name: keys for name, keys in self._keys_of(subject, source).items() if keys}
            for keys in found.values():
                self.wire.exchange([layout.command("UNLINK", key) for key in keys])
        return {name: len(keys) for name, keys in found.items()}

    def _keys_of(self, subject: str | None, source: str | None) -> dict[str, list[bytes]]:
        asked = {k: v for k, v in {"subject": subject, "source": source}.items() if v is not None}
        found: dict[str, list[bytes]] = {}
        for entity in {table.entity for table in self.tables.values()}:
            if asked and set(asked) <= set(entity):
                prefix, order = layout.key_prefix(entity), sorted(entity)
                mine = found.setdefault(f"online/{'_'.join(entity)}", [])
                for key in self.wire.keys(prefix):
                    values = layout.entity_of(key, prefix, self._project)
                    if values is not None and asked.items() <= dict(zip(order, values, strict=True)).items():
                        mine.append(key)
        return found

    def _table(self, name: str) -> FeatureTable:
        if name not in self.tables:
            raise UsageError(
                "FORGE-FEATURE-UNKNOWN",
                "There is no such table.",
                fix=f"Served are {', '.join(self.tables)}.",
            )
        return self.tables[name]

    def _references(self, features: Sequence[str]) -> list[str]:
        """``table:column`` of each feature asked for."""
        wanted = []
        for one in features:
            name, _, column = one.partition(":")
            plan = reading.planned(self._table(name), [column] if column else None)
            wanted += [f"{name}:{c}" for c in plan.columns]
        return wanted
