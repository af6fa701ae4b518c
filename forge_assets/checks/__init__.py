"""Checks that are asked of assets from outside: drift of a feature table between two fixed windows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    ResourceParam,
    asset_check,
)

from forge_assets import pictures
from forge_assets.compute import HEAVY
from forge_assets.outcome import key, shown
from forge_core import keys
from forge_models.recommender import RECOMMENDER
from forge_resources.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa

REFERENCE_SHARE = 0.8  # without a champion: the earlier four fifths of the events against the last fifth

# One row per event of a known time; what a recommender would notice if it changed.
_EVENTS = """
select w.time, extract(hour from w.time)::float8 as hour, extract(isodow from w.time)::float8 as weekday,
  ln(i.interactions)::float8 as popularity, coalesce(i.categories[1], i.channel, 'none') as category,
  w.source as source
from clean.watch w join features.items i using (item) where w.time is not null order by w.time, w.event_id
"""


@asset_check(
    asset=key(keys.INTERACTIONS),
    name="drift",
    additional_deps=[key(keys.ITEMS)],
    description="Habits and tastes since the champion's training window, by effect size with a minimum n.",
    op_tags=HEAVY,
)
def interactions_drift(
    context: AssetCheckExecutionContext, stores: ResourceParam[Stores]
) -> AssetCheckResult:
    """Evidently's statistics on two windows of events; a season, a handful of events or a large n is no alarm."""
    from forge_core.evaluation import drift

    events = stores.database.read(_EVENTS)
    cut = _cut(stores, events)
    reference, current = events.slice(0, cut).drop(["time"]), events.slice(cut).drop(["time"])
    report = drift.drift(reference, current, seed=stores.settings.seed)
    metadata = {
        "reference_events": reference.num_rows,
        "current_events": current.num_rows,
        **{c.name: c.words for c in report.columns},
    }
    bars = [(c.name, c.effect, c.threshold, c.alarm) for c in report.columns if not c.too_few]
    if bars:
        metadata["drift_per_column"] = shown(
            stores, pictures.effects(bars, "reference against current window")
        )
    return AssetCheckResult(
        passed=not report.alarms,
        severity=AssetCheckSeverity.WARN,
        description=f"Drift in {', '.join(report.alarms)}." if report.alarms else report.words,
        metadata=metadata,
    )


def _cut(stores: Stores, events: "pa.Table") -> int:
    """How many events belong to the reference: those of the champion's training window, else a fixed share."""
    import pyarrow as pa
    import pyarrow.compute as pc

    champion = keys.table(keys.family(RECOMMENDER.name, "champion"))
    until = (
        stores.database.value(f"select until from {champion}") if stores.database.exists(champion) else None
    )
    if until is None:
        return int(events.num_rows * REFERENCE_SHARE)
    limit = pa.scalar(until, pa.timestamp("us", "UTC"))
    return int(pc.sum(pc.less_equal(events["time"], limit)).as_py() or 0)


def check_definitions() -> Sequence[AssetChecksDefinition]:
    return [interactions_drift]
