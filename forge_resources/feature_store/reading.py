"""Online values of entities: one round trip to Redis, without Feast's SDK; the table where Redis has no answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from forge_core.errors import UsageError
from forge_core.features import FeatureTable
from forge_resources.feature_store import layout, queries
from forge_resources.feature_store.wire import Wire, guarded
from forge_resources.postgres import Database

if TYPE_CHECKING:
    import pyarrow as pa

    from forge_resources.cache import Cache

Entity = Mapping[str, str] | Sequence[str]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KNOWN_AT = "known_at"
TIMEOUT_S = 0.25  # the table answers in less than this
REST_S = 5.0  # after Redis did not answer it is left alone for this long
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How columns of one table are asked for: ready bytes for all entities alike."""

    table: FeatureTable
    columns: tuple[str, ...]
    prefix: bytes
    head: bytes
    fields: bytes


@lru_cache(maxsize=256)
def plan(name: str, served: tuple[str, ...], entity: tuple[str, ...]) -> tuple[bytes, bytes, bytes]:
    """(key prefix, beginning, fields) of the HMGET; ``known_at`` is the last field."""
    fields = [layout.field(name, column) for column in served] + [layout.known_at_field(name)]
    head = b"*%d\r\n$5\r\nHMGET\r\n" % (2 + len(fields))
    return layout.key_prefix(entity), head, b"".join(map(layout.bulk, fields))


def planned(table: FeatureTable, columns: Sequence[str] | None) -> Plan:
    """The plan for ``columns`` of a table, all that are served if None; a name that is not is refused."""
    served = tuple(column.name for column in table.served)
    wanted = served if columns is None else tuple(columns)
    if unknown := set(wanted) - set(served):
        raise UsageError(
            "FORGE-FEATURE-UNKNOWN",
            f"The table {table.name} does not serve {', '.join(sorted(unknown))}.",
            fix=f"It serves {', '.join(served)}.",
        )
    return Plan(table, wanted, *plan(table.name, wanted, table.entity))


def entity_values(table: FeatureTable, entity: Entity) -> tuple[str, ...]:
    """The values of an entity in the order of the declaration; a mapping by name, or values in that order."""
    if isinstance(entity, Mapping):
        if set(entity) >= set(table.entity):
            return tuple(str(entity[name]) for name in table.entity)
    elif not isinstance(entity, str) and len(entity) == len(table.entity):
        return tuple(map(str, entity))
    raise UsageError(
        "FORGE-ENTITY",
        f"An entity of the table {table.name} is named by {', '.join(table.entity)}.",
    )


def commands(asked: Plan, entities: Sequence[tuple[str, ...]], project: bytes) -> list[bytes]:
    """One HMGET per entity."""
    order = sorted(range(len(asked.table.entity)), key=lambda i: asked.table.entity[i])
    return [
        b"".join(
            (
                asked.head,
                layout.bulk(layout.key(asked.prefix, [values[i] for i in order], project)),
                asked.fields,
            )
        )
        for values in entities
    ]


def answered(asked: Plan, answer: Sequence[bytes | None]) -> dict[str, Any] | None:
    """The values of one entity and when they were known; None where Redis holds none, or none that can be read."""
    if answer[-1] is None:
        return None
    try:
        values: dict[str, Any] = dict(zip(asked.columns, map(layout.decode, answer), strict=False))
        values[KNOWN_AT] = EPOCH + timedelta(microseconds=layout.decode_timestamp(answer[-1]))
    except (ValueError, OverflowError):
        log.warning("A value of the online store cannot be read; the table answers.")
        return None
    return values


def unknown(asked: Plan) -> dict[str, Any]:
    """What is said of an entity without a row: nothing, since never."""
    return dict.fromkeys((*asked.columns, KNOWN_AT))


def from_table(
    database: Database, asked: Plan, entities: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], dict[str, Any]]:
    """The same values from PostgreSQL, of entities that have a row."""
    table = asked.table
    if not entities or not database.exists(table.address):
        return {}
    width, served = len(table.entity), [column.name for column in table.served]
    rows = database.rows(queries.of_entities(table), [list(column) for column in zip(*entities, strict=True)])
    found = {}
    for row in rows:
        values = dict(zip(served, row[width + 1 :], strict=True))
        found[row[:width]] = {name: values[name] for name in asked.columns} | {KNOWN_AT: row[width]}
    return found


def empty(table: FeatureTable, reference: str) -> pa.Array:
    """No values of the feature ``table:column``, of its type."""
    import pyarrow as pa

    kinds = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    kind = next(c.type for c in table.served if c.name == reference.partition(":")[2])
    return pa.array([], kinds.get(kind, pa.string()))


class Reader:
    """Reads plans of entities; counts hits and misses in ``cache`` under "feature"."""

    def __init__(self, database: Database, url: str, project: bytes, cache: Cache | None) -> None:
        self.database, self.url, self.project, self.cache = database, url, project, cache
        self._silent_until = 0.0

    @cached_property
    def _wire(self) -> Wire:
        return Wire(self.url, TIMEOUT_S)

    def read(
        self, plans: Sequence[Plan], entities: Sequence[Entity], fall_back: bool
    ) -> list[list[dict[str, Any]]]:
        """For each plan the values of each entity; without ``fall_back`` Redis has to answer."""
        values = [entity_values(plans[0].table, entity) for entity in entities] if plans else []
        asked = [command for plan in plans for command in commands(plan, values, self.project)]
        if fall_back:
            answers = self._ask(asked)
        else:
            with guarded():
                answers = self._wire.exchange(asked)
        found, hits = [], 0
        for number, plan in enumerate(plans):
            mine = answers[number * len(values) : (number + 1) * len(values)]
            rows = [answered(plan, answer) for answer in mine]
            missing = [v for v, row in zip(values, rows, strict=True) if row is None]
            hits += len(rows) - len(missing)
            stored = from_table(self.database, plan, missing) if fall_back else {}
            found.append([row or stored.get(v) or unknown(plan) for v, row in zip(values, rows, strict=True)])
        if self.cache is not None and fall_back:
            self.cache.count("feature", hits=hits, misses=len(asked) - hits)
        return found

    def _ask(self, asked: Sequence[bytes]) -> list[Any]:
        """The answers, all of them nothing while Redis is away."""
        import redis

        if time.monotonic() >= self._silent_until:
            try:
                return self._wire.exchange(asked)
            except (redis.RedisError, OSError) as error:
                log.warning("Redis does not answer (%s): the tables do.", type(error).__name__)
                self._silent_until = time.monotonic() + REST_S
        return [[None]] * len(asked)
