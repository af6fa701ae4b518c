"""``clean/<kind>``: raw events with consent for at least one purpose, pseudonymised, each once.

Identifier classes of the contract decide how a column changes: people and contacts become keyed tokens,
addresses keep their prefix, coordinates become cells of about a kilometre, text stays
as it is. Set operations only: one transaction, one INSERT … SELECT per table.
"""

from collections.abc import Sequence

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    ResourceParam,
    asset,
)

from forge_assets.automation import FRESH
from forge_assets.checks.event_checks import event_check_specs, event_checks
from forge_assets.clean.showing import showing
from forge_assets.compute import LIGHT, RETRIES
from forge_assets.outcome import Provenance, built, key
from forge_assets.outcome import keys as as_keys
from forge_assets.schema import column_schema, structure, structure_spec
from forge_core import events, keys
from forge_resources.pseudonymising import rebuild_clean
from forge_resources.rhythm import rhythm
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
            structure_spec(asset_key, "The contract of events holds."),
            *event_check_specs(asset_key),
        ],
        op_tags=LIGHT,
        retry_policy=RETRIES,
        automation_condition=FRESH,
    )
    def clean(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
        database, address = stores.database, keys.table(asset_key)
        database.ensure()
        provenance = Provenance.now(stores, asset_key, VERSION, depends_on, context.run.run_id)
        derived = rebuild_clean(database, stores.vault.pseudonyms, kind)
        raw_rows, rows = database.count(f"raw.{kind}"), database.count(address)
        found = rhythm(database, kind)
        return built(
            stores,
            provenance,
            database.content_version(address),
            {
                "dagster/row_count": rows,
                "without_consent": raw_rows - (rows - derived),
                "subjects": database.value(f"select count(distinct subject) from {address}"),
                **({"visits_derived": derived} if kind == "place" else {}),
                **showing(stores, kind, found),
            },
            [
                structure(database, asset_key, events.violations(kind)),
                *event_checks(database, kind, found),
            ],
        )

    return clean


def clean_assets() -> Sequence[AssetsDefinition]:
    return [_clean(kind) for kind in keys.KINDS]
