"""``governance/…``: who may be used for what, and what people said of insights.

Both are said outside of any run: the tables are the truth, the assets show them. A change makes exactly what rests on
it stale.
"""

from collections.abc import Sequence

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
)

from forge_assets.compute import LIGHT
from forge_assets.outcome import Provenance, built, key
from forge_core import keys
from forge_resources.stores import Stores

VERSION = "1"

ABOUT = {
    "recommend": "suggest what to watch, read or listen to next",
    "understand": "read texts: topics, sentiment, entities, summaries",
    "forecast": "forecast places, activities and load",
    "protect": "find unusual logins and accesses",
    "profile": "state interests, routines and tastes",
}


def _consent(purpose: str) -> AssetsDefinition:
    asset_key = keys.consent(purpose)

    @asset(
        key=key(asset_key),
        group_name="governance",
        code_version=VERSION,
        op_tags=LIGHT,
        tags={"layer": "governance"},
        description=f"Consent to {ABOUT[purpose]}, by subject and source.",
    )
    def consent(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
        stores.database.ensure()
        provenance = Provenance.now(stores, asset_key, VERSION, [], context.run.run_id)
        rows = stores.consent.rows(purpose)
        states = {
            state: sum(1 for row in rows if row[2] == state) for state in ("granted", "denied", "expired")
        }
        everyone = next(
            (state for subject, source, state, _ in rows if subject == source == "*"), "not asked"
        )
        table = "\n".join(
            ["| subjects | sources | state | by |", "|---|---|---|---|"]
            + [
                f"| {'all' if subject == '*' else 'one'} | {'all' if source == '*' else source} | {state} | {by} |"
                for subject, source, state, by in rows
            ]
        )
        return built(
            stores,
            provenance,
            stores.consent.version(purpose),
            {**states, "everyone": everyone, "words": MetadataValue.md(table)},
        )

    return consent


@asset(
    key=key(keys.FEEDBACK),
    group_name="governance",
    code_version=VERSION,
    op_tags=LIGHT,
    tags={"layer": "governance"},
    description="What people said of alerts and of statements about them; families learn from it.",
)
def feedback(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
    stores.database.ensure()
    provenance = Provenance.now(stores, keys.FEEDBACK, VERSION, [], context.run.run_id)
    counts = stores.feedback.counts()
    return built(stores, provenance, stores.feedback.version(), {"words": sum(counts.values()), **counts})


def governance_assets() -> Sequence[AssetsDefinition]:
    return [*(_consent(purpose) for purpose in keys.PURPOSES), feedback]
