"""WHEN, on request and by the clock: jobs and schedules."""

from dagster import AssetSelection, DefaultScheduleStatus, ScheduleDefinition, define_asset_job

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
# Mondays before the day begins; a week brings enough new events to learn from and too few to learn twice.
WEEKLY = [
    ScheduleDefinition(
        name=f"weekly_{job.name}",
        job=job,
        cron_schedule="0 4 * * 1",
        default_status=DefaultScheduleStatus.RUNNING,
    )
    for job in RETRAIN
]

JOBS = [ingest, build_everything, *RETRAIN]
