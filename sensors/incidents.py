"""New incidents are said aloud once each: a thin shell over ``plan``. The cursor holds ids, which are hashes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from dagster import DefaultSensorStatus, ResourceParam, SensorEvaluationContext, SkipReason, sensor

from forge_core import keys
from forge_resources import alerts
from forge_resources.stores import Stores

REMEMBERED = 1000  # ids in the cursor; more open incidents than these nobody reads


@dataclass(frozen=True)
class Plan:
    """Which incidents to speak of now, and what to remember of all that were spoken of."""

    new: Sequence[str]
    said: Sequence[str]


def plan(open_ids: Sequence[str], said: Sequence[str]) -> Plan:
    """``open_ids``: the newest first. Pure."""
    known = set(said)
    new = [one for one in open_ids if one not in known]
    return Plan(new, [*new, *said][:REMEMBERED])


@sensor(
    name="incidents",
    minimum_interval_seconds=60,
    default_status=DefaultSensorStatus.RUNNING,
    description="Says how many new incidents there are, once, after they were told; `forge alerts` lists them.",
)
def incidents(context: SensorEvaluationContext, stores: ResourceParam[Stores]) -> SkipReason:
    """Looks at the incidents only when they were told anew since the last look."""
    told = stores.versions.current([keys.INCIDENTS]).get(keys.INCIDENTS)
    if told is None:
        return SkipReason("No incidents were told yet.")
    before = json.loads(context.cursor or "{}")
    if before.get("told") == told:
        return SkipReason("Nothing was told since the last look.")
    found = plan([one["incident"] for one in alerts.incidents(stores)], before.get("said", []))
    if found.new:
        context.log.warning(f"{len(found.new)} new incidents: `forge alerts` lists them.")
    context.update_cursor(json.dumps({"told": told, "said": found.said}))
    return SkipReason(f"{len(found.new)} new incidents.")
