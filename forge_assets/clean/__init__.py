"""``clean/<kind>``: raw events with consent for at least one purpose, pseudonymised, each once.

Identifier classes of the contract decide how a column changes: people and contacts become keyed tokens,
addresses keep their prefix, coordinates become cells of about a kilometre, text stays
as it is. Set operations only: one transaction, one INSERT … SELECT per table.
"""

from collections.abc import Sequence

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    ResourceParam,
    asset,
)

from forge_assets.automation import FRESH
from forge_assets.compute import LIGHT, RETRIES
from forge_assets.outcome import Provenance, built, key
from forge_assets.outcome import keys as as_keys
from forge_assets.schema import column_schema
from forge_core import events, keys
from forge_resources.pseudonymising import rebuild_clean
from forge_resources.stores import Stores

VERSION = "1"


def _clean(kind: str) -> AssetsDefinition:
    asset_key = keys.clean(kind)
    depends_on = [keys.raw(kind), *map(keys.consent, keys.PURPOSES)]

    @asset(
        key=key(asset_key),
        deps=as_keys(depends_on),
        group_name="clean",
        code_version=VERSION,
        kinds={"postgres"},
        tags={"layer": "clean"},
        description=f"{events.KINDS[kind].about.capitalize()}: consented, pseudonymised, each once.",
        metadata={"dagster/table_name": keys.table(asset_key), "dagster/column_schema": column_schema(kind)},
        check_specs=[
            AssetCheckSpec(
                "structure", asset=key(asset_key), blocking=True, description="The contract of events holds."
            )
        ],
        op_tags=LIGHT,
        retry_policy=RETRIES,
        automation_condition=FRESH,
    )
    def clean(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
        database, address = stores.database, keys.table(asset_key)
        database.ensure()
        provenance = Provenance.now(stores, asset_key, VERSION, depends_on, context.run.run_id)
        rebuild_clean(database, stores.vault.pseudonyms, kind)
        raw_rows, rows = database.count(f"raw.{kind}"), database.count(address)
        subjects, first, last, unknown = database.rows(
            "select count(distinct subject), min(time)::date::text, max(time)::date::text,"
            f" count(*) filter (where time is null) from {address}"
        )[0]
        return built(
            stores,
            provenance,
            database.content_version(address),
            {
                "dagster/row_count": rows,
                "without_consent": raw_rows - rows,
                "subjects": subjects,
                "first_day": first or "–",
                "last_day": last or "–",
                "time_unknown": unknown,
            },
            [_structure(stores, kind, asset_key)],
        )

    return clean


def _structure(stores: Stores, kind: str, asset_key: str) -> AssetCheckResult:
    """Counts the rows that break a rule of the contract; any one blocks what comes after."""
    rules = events.violations(kind)
    counted = ", ".join(f"count(*) filter (where {condition})" for condition in rules.values())
    counts = dict(
        zip(rules, stores.database.rows(f"select {counted} from {keys.table(asset_key)}")[0], strict=True)
    )
    broken = {rule: count for rule, count in counts.items() if count}
    return AssetCheckResult(
        asset_key=key(asset_key),
        check_name="structure",
        passed=not broken,
        description=f"{len(rules)} rules hold." if not broken else f"Broken: {', '.join(broken)}.",
        metadata=counts,
    )


def clean_assets() -> Sequence[AssetsDefinition]:
    return [_clean(kind) for kind in keys.KINDS]
