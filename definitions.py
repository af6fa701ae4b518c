"""The one code location: wiring and nothing else."""

from collections.abc import Mapping
from typing import Any

from dagster import Definitions, ExecutorDefinition

from forge_assets.checks import check_definitions
from forge_assets.clean import clean_assets
from forge_assets.embeddings import embedding_assets
from forge_assets.families import all_family_assets
from forge_assets.features import feature_assets
from forge_assets.features.online import online_assets
from forge_assets.governance import governance_assets
from forge_assets.insights import insight_assets
from forge_assets.raw import raw_export
from forge_assets.reference import reference_assets
from forge_resources.executors import forge_executor
from forge_resources.stores import Stores
from jobs import JOBS, WEEKLY
from sensors import SENSORS


def build_defs(
    overrides: Mapping[str, Any] | None = None, executor: ExecutorDefinition = forge_executor
) -> Definitions:
    """All definitions; tests, the command and production share this, ``overrides`` replaces resources."""
    return Definitions(
        assets=[
            raw_export,
            *governance_assets(),
            *reference_assets(),
            *clean_assets(),
            *feature_assets(),
            *online_assets(),
            *embedding_assets(),
            *all_family_assets(),
            *insight_assets(),
        ],
        asset_checks=check_definitions(),
        jobs=JOBS,
        schedules=WEEKLY,
        sensors=SENSORS,
        resources={"stores": Stores(), **(overrides or {})},
        executor=executor,
    )


defs = build_defs()
