"""Feast's objects, made of the declared feature tables: an entity per key column, a view per table, services.

A view's source is the table, with one row for each entity and moment; its timestamp is ``known_at``, so Feast's
join takes only what was known by then. Views have no TTL: a feature holds until the next row. A service
(``by_subject_source``) is all that is served of one kind of entity: one hash in Redis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from forge_core.features import FeatureTable
from forge_resources.feature_store.queries import history

ABOUT = {
    "subject": "A person, by pseudonym.",
    "source": "The exporting system that the row rests on; consent is given by source.",
    "item": "What can be watched, with its namespace.",
}


def definitions(tables: Iterable[FeatureTable]) -> list[Any]:
    """Entities, views and services of ``tables``, which are those of ``queries.registered``."""
    from datetime import timedelta

    from feast import Entity, FeatureService, FeatureView, Field, ValueType
    from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
    from feast.types import Bool, Float64, Int64, String

    kinds = {"int": Int64, "float": Float64, "bool": Bool, "text": String}
    tables = list(tables)
    names = sorted({name for table in tables for name in table.entity})
    entities = {
        name: Entity(
            name=name, join_keys=[name], value_type=ValueType.STRING, description=ABOUT.get(name, name)
        )
        for name in names
    }
    views = {
        table.name: FeatureView(
            name=table.name,
            entities=[entities[name] for name in table.entity],
            ttl=timedelta(0),
            schema=[Field(name=name, dtype=String) for name in table.entity]
            + [
                Field(name=column.name, dtype=kinds[column.type], description=column.about)
                for column in table.served
            ],
            source=PostgreSQLSource(
                name=table.address, query=history(table), timestamp_field="known_at", description=table.about
            ),
            online=True,
            description=table.about,
            tags={"asset": table.asset, "sensitivity": table.sensitivity, "version": table.version},
        )
        for table in tables
    }
    services = [
        FeatureService(
            name=service,
            features=[views[table.name] for table in tables if table.entity == entity],
            description=f"All that is served by {' and '.join(entity)}.",
        )
        for service, entity in sorted(services_of(tables).items())
    ]
    return [*entities.values(), *views.values(), *services]


def services_of(tables: Sequence[FeatureTable]) -> dict[str, tuple[str, ...]]:
    """The names of the services, each with its entity."""
    return {f"by_{'_'.join(table.entity)}": table.entity for table in tables}
