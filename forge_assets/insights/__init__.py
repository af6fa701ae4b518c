"""``insights/<what>``: what champions say of the data."""

from collections.abc import Sequence

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, ResourceParam, asset

from forge_assets.automation import FRESH
from forge_assets.compute import HEAVY, RETRIES
from forge_assets.outcome import Provenance, built, key
from forge_assets.outcome import keys as as_keys
from forge_assets.schema import table_metadata
from forge_core import keys
from forge_core.errors import ForgeError
from forge_models.recommender import RECOMMENDER
from forge_resources.consent import allowed
from forge_resources.stores import Stores

VERSION = "2"
CHAMPION = keys.family(RECOMMENDER.name, "champion")
DEPENDS_ON = [CHAMPION, keys.INTERACTIONS, keys.ITEMS, keys.consent(RECOMMENDER.purpose)]
_ADDRESS = keys.table(keys.RECOMMENDATIONS)


@asset(
    key=key(keys.RECOMMENDATIONS),
    deps=as_keys(DEPENDS_ON),
    group_name="insights",
    code_version=VERSION,
    kinds={"postgres"},
    tags={"layer": "insights"},
    description="The champion's ten best unseen items for every subject, with the items that pulled each one in.",
    op_tags=HEAVY,
    retry_policy=RETRIES,
    automation_condition=FRESH,
)
def recommendations(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
    """One row per subject and rank; every row names the model version that said so."""
    import pyarrow as pa

    provenance = Provenance.now(stores, keys.RECOMMENDATIONS, VERSION, DEPENDS_ON, context.run.run_id)
    champion = stores.registry.champion(RECOMMENDER.name)
    if champion is None:
        raise ForgeError(
            "FORGE-NO-CHAMPION", "No recommender was promoted.", "", "Build recommender/champion first."
        )
    version, folder = champion
    interactions = stores.database.read(
        f"select * from features.interactions t where {allowed('t.subject', 't.source', RECOMMENDER.purpose)}"
        " order by 1, 2"
    )
    tables = {keys.INTERACTIONS: interactions, keys.ITEMS: stores.database.table(keys.table(keys.ITEMS))}
    answers = RECOMMENDER.predict_all(RECOMMENDER.load(folder), tables)
    answers = answers.append_column("model_version", pa.array([version] * answers.num_rows, pa.string()))
    stores.database.write(_ADDRESS, answers)
    # every personal row carries source and export: those of the subject's first event
    stores.database.rebuild(
        _ADDRESS,
        f"select a.*, o.source, o.export from {_ADDRESS} a join (select distinct on (subject) subject, source, export"
        " from features.interactions order by subject, position) o using (subject)",
    )
    metadata = {**table_metadata(stores.database, _ADDRESS), "champion": f"{RECOMMENDER.name} v{version}"}
    return built(stores, provenance, stores.database.content_version(_ADDRESS), metadata)


def insight_assets() -> Sequence[AssetsDefinition]:
    return [recommendations]
