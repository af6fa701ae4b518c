"""``insights/<what>``: what champions say of the data, a table for each of a family's ``insights``."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    MaterializeResult,
    ResourceParam,
    multi_asset,
)

from forge_assets.automation import FRESH
from forge_assets.compute import HEAVY, RETRIES
from forge_assets.families.bundle import Bundle
from forge_assets.insights.evidence import evidence
from forge_assets.outcome import Provenance, built, key
from forge_assets.outcome import keys as as_keys
from forge_assets.schema import table_metadata
from forge_core import keys
from forge_core.errors import ForgeError
from forge_models.families import FAMILIES
from forge_models.family import ModelFamily
from forge_resources.family_tables import consented
from forge_resources.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = "3"


def insights(family: ModelFamily) -> AssetsDefinition:
    """All tables of a family: they are told at once, by its tasks' champions."""
    bundle = Bundle(family)
    depends_on = [bundle.key("champion"), *family.inputs, bundle.consent]

    @multi_asset(
        name=f"{family.name}_insights",
        specs=[
            AssetSpec(
                key=key(insight),
                deps=as_keys(depends_on),
                group_name="insights",
                code_version=VERSION,
                kinds={"postgres"},
                tags={"layer": "insights"},
                description=about,
                automation_condition=FRESH,
            )
            for insight, about in family.insights.items()
        ],
        can_subset=True,
        op_tags=HEAVY,
        retry_policy=RETRIES,
    )
    def build(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> Iterator[MaterializeResult]:
        """Personal rows carry subject, source and export; every row names the model version that said so."""
        import pyarrow as pa

        champions = {
            lane.task.name: (lane, found)
            for lane in bundle.lanes
            if (found := stores.registry.champion(lane.name)) is not None
        }
        if not champions:
            raise ForgeError(
                "FORGE-NO-CHAMPION",
                f"No {family.name} model was promoted.",
                "",
                f"Build {bundle.key('champion')} first.",
            )
        wanted = [one for one in family.insights if key(one) in context.selected_asset_keys]
        provenances = {
            one: Provenance.now(stores, one, VERSION, depends_on, context.run.run_id) for one in wanted
        }
        models = {task: lane.load(folder) for task, (lane, (_, folder)) in champions.items()}
        said_by = ", ".join(f"{lane.name} v{version}" for lane, (version, _) in champions.values())
        version = "/".join(version for _, (version, _) in champions.values())
        told = family.tell(models, consented(stores, family))
        for one in wanted:
            address, rows = keys.table(one), told[one]
            counted = _counted(rows)
            rows = rows.append_column("model_version", pa.array([version] * rows.num_rows, pa.string()))
            stores.database.write(address, rows)
            metadata = {**table_metadata(stores.database, address), "champion": said_by, **counted}
            yield built(stores, provenances[one], stores.database.content_version(address), metadata)

    return build


def _counted(rows: "pa.Table") -> dict[str, int]:
    """What a family counted while it told a table, such as statements that were denied: ``forge.…`` of its schema."""
    found = rows.schema.metadata or {}
    return {
        name.decode().removeprefix("forge."): int(n) for name, n in found.items() if name[:6] == b"forge."
    }


def insight_assets() -> Sequence[AssetsDefinition]:
    return [*(insights(family) for family in FAMILIES), evidence]
