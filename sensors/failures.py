"""A run that failed or was cancelled leaves no MLflow run open."""

from dagster import (
    DagsterRunStatus,
    DefaultSensorStatus,
    ResourceParam,
    RunStatusSensorContext,
    SkipReason,
    run_status_sensor,
)

from forge_assets.families import FAMILIES
from forge_core import keys
from forge_resources.stores import Stores


@run_status_sensor(
    run_status=DagsterRunStatus.FAILURE,
    default_status=DefaultSensorStatus.RUNNING,
    description="Marks the MLflow runs of a failed run as failed.",
)
def close_tracking(context: RunStatusSensorContext, stores: ResourceParam[Stores]) -> SkipReason:
    """Only families that the run touched: MLflow is imported for nothing else."""
    selected = {asset.to_user_string() for asset in context.dagster_run.asset_selection or ()}
    closed = 0
    for family in FAMILIES:
        if keys.family(family.name, "tuning") in selected:
            run = stores.tracking.find(family.name, context.dagster_run.run_id)
            if run:
                stores.tracking.finish(run, "FAILED")
                closed += 1
    return SkipReason(f"{closed} MLflow runs closed.")
