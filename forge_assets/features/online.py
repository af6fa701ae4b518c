"""``features/online``: the newest row of every entity, in Redis, under the definitions that Feast serves.

Its check compares what is served with what a training set would be given now: the same definitions, two ways.
"""

from collections.abc import Sequence

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    TableRecord,
    asset,
)

from forge_assets.automation import FRESH
from forge_assets.compute import HEAVY, RETRIES
from forge_assets.outcome import Provenance, built, digest, key
from forge_assets.outcome import keys as as_keys
from forge_core import keys
from forge_core.features import TABLES
from forge_resources.feature_store import Skew
from forge_resources.stores import Stores

VERSION = "1"
SERVED = [table for table in TABLES if table.entity]
SKEW = "skew"


@asset(
    key=key(keys.ONLINE_FEATURES),
    deps=as_keys([table.asset for table in SERVED]),
    group_name="features",
    code_version=VERSION,
    kinds={"feast", "redis"},
    tags={"layer": "features", "sensitivity": "personal"},
    description="The newest features of every person and item in Redis, as models are served them.",
    check_specs=[
        AssetCheckSpec(
            SKEW,
            asset=key(keys.ONLINE_FEATURES),
            description="Served values are those that a training set would be given now.",
        )
    ],
    op_tags=HEAVY,
    retry_policy=RETRIES,
    automation_condition=FRESH,
)
def online_features(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
    """Register the definitions, push what changed, compare a sample."""
    inputs = [table.asset for table in SERVED]
    provenance = Provenance.now(stores, keys.ONLINE_FEATURES, VERSION, inputs, context.run.run_id)
    store = stores.feature_store
    applied = store.apply()
    pushed = store.materialize()
    records = [
        TableRecord({"table": name, "entities": one.entities, "written": one.written, "removed": one.removed})
        for name, one in pushed.items()
    ]
    skews = {table.name: store.skew(table.name) for table in SERVED}
    metadata = {
        "views": len(applied["views"]),
        "entities": sum(one.entities for one in pushed.values()),
        "written": sum(one.written for one in pushed.values()),
        "pushed": MetadataValue.table(records),
    }
    return built(stores, provenance, digest(provenance.inputs), metadata, [_skew(skews)])


def _skew(skews: dict[str, Skew]) -> AssetCheckResult:
    wrong = [name for name, one in skews.items() if not one.ok]
    compared = sum(one.entities for one in skews.values())
    words = f"{compared:,} entities compared"
    return AssetCheckResult(
        asset_key=key(keys.ONLINE_FEATURES),
        check_name=SKEW,
        passed=not wrong,
        severity=AssetCheckSeverity.WARN,
        description=f"{words}; they differ in {', '.join(wrong)}." if wrong else f"{words}: the same.",
        metadata={name: one.as_dict() for name, one in skews.items()},
    )


def online_assets() -> Sequence[AssetsDefinition]:
    return [online_features]
