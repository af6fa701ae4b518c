"""WHEN, by what happens: each sensor is a thin shell over a pure planner."""

from dagster import AssetSelection, AutomationConditionSensorDefinition, DefaultSensorStatus

from sensors.failures import close_tracking
from sensors.inbox import inbox
from sensors.incidents import incidents

# One sensor for all declared conditions; it looks twice a minute and starts nothing while inputs are in progress.
freshness = AutomationConditionSensorDefinition(
    "keep_fresh",
    target=AssetSelection.all(),
    default_status=DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Rebuilds what has a changed input, unless a blocking check of it failed.",
)

SENSORS = [inbox, freshness, close_tracking, incidents]
