"""``features/<table>``: point-in-time tables, set operations in PostgreSQL only, nothing fitted.

``interactions``  one row per subject and item: when first and last, how often, in which order
``items``         what is known of an item: title, channel, categories, how many people and events
``subjects``      attributes of subjects, one row each: stated ones, and how active they are
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    ResourceParam,
    asset,
)

from forge_assets import pictures
from forge_assets.automation import FRESH
from forge_assets.compute import LIGHT, RETRIES
from forge_assets.outcome import Provenance, built, key, shown
from forge_assets.outcome import keys as as_keys
from forge_assets.schema import structure, structure_spec, table_metadata
from forge_core import keys
from forge_resources.stores import Stores


@dataclass(frozen=True)
class Feature:
    """A feature table: its SQL over clean tables, and the conditions that no row of it may meet."""

    asset: str
    about: str
    depends_on: Sequence[str]
    select: str
    violations: Mapping[str, str]
    version: str = "1"


WATCH, PREFERENCE = keys.clean("watch"), keys.clean("preference")

# An event of unknown time has its order; one with a time is ordered by it, ties by the order exported.
_ORDER = "w.time, w.sequence, w.item"

FEATURES = (
    Feature(
        keys.INTERACTIONS,
        "One row per subject and item, from everything watched, listened to or rated.",
        [WATCH],
        f"""select subject, item, min(time) first_time, max(time) last_time,
            row_number() over (partition by subject order by min(place)) - 1 as position,
            count(*) as count, ln(1 + count(*))::float8 as strength, bool_and(time is null) as ordered_only,
            (array_agg(source order by place))[1] as source, (array_agg(export order by place))[1] as export
          from (select w.*, row_number() over (partition by w.subject order by {_ORDER}) as place
                from clean.watch w) w
          group by subject, item""",
        {
            "subject_missing": "subject is null",
            "item_missing": "item is null",
            "count_below_one": "count < 1",
            "last_before_first": "last_time < first_time",
            "order_negative": "position < 0",
        },
    ),
    Feature(
        keys.ITEMS,
        "What is known of each item, and how many people and events stand behind it.",
        [WATCH],
        """select n.item, k.title, k.channel, coalesce(k.categories, '{}') as categories, n.interactions, n.subjects
           from (select item, count(*) as interactions, count(distinct subject) as subjects
                 from clean.watch group by item) n
           join (select distinct on (item) item, title, channel, categories from clean.watch
                 order by item, (title is null), time desc nulls last, sequence desc, event_id) k using (item)""",
        {"item_missing": "item is null", "nobody": "subjects < 1"},
    ),
    Feature(
        keys.SUBJECTS,
        "Attributes of subjects, one per row: as stated in the export, and their activity in thirds.",
        [WATCH, PREFERENCE],
        """select subject, replace(item, 'attribute:', '') as attribute, max(value) as value,
             min(source) as source, min(export) as export
           from clean.preference where item like 'attribute:%' group by 1, 2
           union all
           select subject, 'activity', (array['light', 'medium', 'heavy'])[ntile(3) over (order by events, subject)],
             source, export
           from (select subject, count(*) events, min(source) source, min(export) export
                 from clean.watch group by subject) w""",
        {"subject_missing": "subject is null", "value_missing": "value is null"},
    ),
)


def _feature(feature: Feature) -> AssetsDefinition:
    address = keys.table(feature.asset)

    @asset(
        key=key(feature.asset),
        deps=as_keys(feature.depends_on),
        group_name="features",
        code_version=feature.version,
        kinds={"postgres"},
        tags={"layer": "features"},
        description=feature.about,
        check_specs=[structure_spec(feature.asset, "No row breaks a rule.")],
        op_tags=LIGHT,
        retry_policy=RETRIES,
        automation_condition=FRESH,
    )
    def build(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
        provenance = Provenance.now(
            stores, feature.asset, feature.version, feature.depends_on, context.run.run_id
        )
        stores.database.rebuild(address, feature.select)
        metadata = table_metadata(stores.database, address) | _pictures(stores, feature.asset)
        version = stores.database.content_version(address)
        checks = [structure(stores.database, feature.asset, feature.violations)]
        return built(stores, provenance, version, metadata, checks)

    return build


def _pictures(stores: Stores, asset_key: str) -> dict[str, Any]:
    """The long tail of items: from counts alone."""
    if asset_key != keys.ITEMS:
        return {}
    counts = [n for (n,) in stores.database.rows("select interactions from features.items order by 1 desc")]
    return {"long_tail": shown(stores, pictures.long_tail(counts))} if counts else {}


def feature_assets() -> Sequence[AssetsDefinition]:
    return [_feature(feature) for feature in FEATURES]
