"""``features/<table>``: point-in-time tables from the declarations in ``forge_core/features``; nothing is fitted.

One asset per declaration. A build touches only what its inputs changed. ``structure`` and ``no_leakage`` block
what comes after: a row that breaks a rule, or one that knew the future, must not reach a model.
"""

from collections.abc import Sequence
from datetime import timedelta

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    FreshnessPolicy,
    MaterializeResult,
    ResourceParam,
    asset,
)

from forge_assets.automation import FRESH
from forge_assets.compute import LIGHT, RETRIES
from forge_assets.features.showing import schema, showing
from forge_assets.outcome import Provenance, built, key
from forge_assets.outcome import keys as as_keys
from forge_assets.schema import structure, structure_spec
from forge_core.features import TABLES, FeatureTable
from forge_resources import chunking, features
from forge_resources.leakage import leakage
from forge_resources.stores import Stores

NO_LEAKAGE = "no_leakage"

# Google makes a scheduled export every two months: later than that a new one is due, after three it was missed.
FRESHNESS = FreshnessPolicy.time_window(fail_window=timedelta(days=95), warn_window=timedelta(days=65))

TRANSFORMS: dict[str, features.Transform] = {"chunks": chunking.chunks}


def _feature(table: FeatureTable) -> AssetsDefinition:
    checked = table.point_in_time
    about_leakage = "Built again from a past that ends, rows come out the same: none knows the future."
    specs = [structure_spec(table.asset, "No row breaks a rule, and none is there twice.")]
    if checked:
        specs.append(
            AssetCheckSpec(NO_LEAKAGE, asset=key(table.asset), blocking=True, description=about_leakage)
        )

    @asset(
        key=key(table.asset),
        deps=as_keys(list(table.inputs.values())),
        group_name="features",
        code_version=table.version,
        kinds={"postgres", "feast"} if table.entity else {"postgres"},
        tags={"layer": "features", "sensitivity": table.sensitivity},
        metadata={"dagster/table_name": table.address, "dagster/column_schema": schema(table)},
        description=table.about,
        check_specs=specs,
        op_tags=LIGHT,
        retry_policy=RETRIES,
        automation_condition=FRESH,
        freshness_policy=FRESHNESS,
    )
    def build(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
        inputs = list(table.inputs.values())
        provenance = Provenance.now(stores, table.asset, table.version, inputs, context.run.run_id)
        made = features.build(stores.database, table, _made_by(stores, inputs), TRANSFORMS.get(table.name))
        context.log.info(f"{table.address}: {made.rebuilt:,} of {made.units:,} units built again")
        twice = {"there_twice": _twice(stores, table)}
        checks = [structure(stores.database, table.asset, table.violations(), twice)]
        if checked:
            checks.append(_no_leakage(stores, table))
        version = stores.database.content_version(table.address, [c.name for c in table.columns])
        return built(stores, provenance, version, showing(stores, table, made), checks)

    return build


def _made_by(stores: Stores, inputs: Sequence[str]) -> str:
    """The code that made the inputs: the digest of an event says which it is, not what was made of it."""
    known = stores.versions.all()
    return ",".join(f"{name}:{known[name].code_version}" for name in inputs if name in known)


def _twice(stores: Stores, table: FeatureTable) -> int:
    return stores.database.value(
        f"select count(*) from (select from {table.address} group by {', '.join(table.key)} having count(*) > 1) t"
    )


def _no_leakage(stores: Stores, table: FeatureTable) -> AssetCheckResult:
    found = leakage(stores.database, table)
    words = f"{found.compared:,} rows built again at {found.moments} moments"
    return AssetCheckResult(
        asset_key=key(table.asset),
        check_name=NO_LEAKAGE,
        passed=not found.leaking,
        description=f"{words}; {found.leaking:,} know the future."
        if found.leaking
        else f"{words}: the same.",
        metadata={"compared": found.compared, "leaking": found.leaking, "moments": found.moments},
    )


def feature_assets() -> Sequence[AssetsDefinition]:
    return [_feature(table) for table in TABLES]
