"""WHEN, on request and by the clock: jobs and schedules."""

from dagster import (
    AssetSelection,
    Config,
    DefaultScheduleStatus,
    Failure,
    ScheduleDefinition,
    define_asset_job,
    job,
    op,
)

from forge_assets.families import FAMILIES
from forge_assets.outcome import key
from forge_core import keys

RAW = AssetSelection.assets(*(key(keys.raw(kind)) for kind in keys.KINDS))

ingest = define_asset_job("ingest", RAW, description="Publish exports into raw tables.")
build_everything = define_asset_job(
    "build_everything", AssetSelection.all() - RAW, description="Everything right of raw."
)
RETRAIN = [
    define_asset_job(
        f"retrain_{family.name}",
        AssetSelection.groups(family.name).downstream(),
        description=f"Training set to champion of the {family.name}, and what rests on it.",
    )
    for family in FAMILIES
]


class Refusal(Config):
    """Why an archive was refused, as the error says it: without its name and without anything in it."""

    reason: str


@op
def refuse(config: Refusal) -> None:
    """Fails with the reason, so that a refused archive is seen where failures are looked for."""
    raise Failure(config.reason, allow_retries=False)


@job(description="An archive in the inbox that was refused: a run that fails and says why.")
def refused_archive() -> None:
    refuse()


# Mondays before the day begins; a week brings enough new events to learn from and too few to learn twice.
WEEKLY = [
    ScheduleDefinition(
        name=f"weekly_{retrain.name}",
        job=retrain,
        cron_schedule="0 4 * * 1",
        default_status=DefaultScheduleStatus.RUNNING,
    )
    for retrain in RETRAIN
]

JOBS = [ingest, build_everything, refused_archive, *RETRAIN]
