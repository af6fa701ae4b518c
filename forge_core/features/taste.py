"""Features of what is watched: interactions of subjects with items, items, attributes of subjects."""

from forge_core import keys
from forge_core.events import Identifier
from forge_core.features.contract import EXPORT, KNOWN_AT, SOURCE, SUBJECT, Column, FeatureTable, Unit

_WATCH = {"watch": keys.clean("watch")}

INTERACTIONS = FeatureTable(
    name="interactions",
    about="One row per subject and item, from everything watched, listened to or rated.",
    key=("subject", "item"),
    columns=(
        SUBJECT,
        Column("item", "text", "what was watched", required=True),
        Column("first_time", "time", "the first time"),
        Column("last_time", "time", "the last time"),
        Column("position", "int", "place among the subject's items, by first time, from 0"),
        Column("count", "int", "how often", required=True),
        Column("strength", "float", "ln(1 + count)"),
        Column("ordered_only", "bool", "no time is known, the order is"),
        SOURCE,
        EXPORT,
        KNOWN_AT,
    ),
    inputs=_WATCH,
    unit=Unit.SUBJECT,
    # An event of unknown time has its order; one with a time is ordered by it, ties by the order exported. Where
    # several sources tell of an item, the row is of the first by name.
    select="""
        select subject, item, min(time) as first_time, max(time) as last_time,
          row_number() over (partition by subject order by min(time), min(sequence), item) - 1 as position,
          count(*) as count, ln(1 + count(*))::float8 as strength, bool_and(time is null) as ordered_only,
          min(source) as source, min(export) as export, max(time) as known_at
        from $watch group by subject, item""",
    rules={
        "count_below_one": "count < 1",
        "last_before_first": "last_time < first_time",
        "order_negative": "position < 0",
    },
)

ITEMS = FeatureTable(
    name="items",
    about="What is known of each item, and how many people and events stand behind it.",
    key=("item",),
    columns=(
        Column("item", "text", "the item", required=True),
        Column("title", "text", "its title", Identifier.TEXT),
        Column("channel", "text", "who published it", Identifier.TEXT),
        Column("categories", "texts", "genres or categories"),
        Column("content", "text", "all its words, for text vectors", Identifier.TEXT),
        Column("interactions", "int", "events", served=True),
        Column("subjects", "int", "people who know it", served=True),
        KNOWN_AT,
    ),
    inputs=_WATCH,
    unit=Unit.ITEM,
    select="""
        with n as materialized (
          select item, sum(events)::bigint as interactions, count(*) as subjects, max(known_at) as known_at,
            max(titled) as titled
          from (select item, subject, count(*) as events, max(time) as known_at,
                  max(time) filter (where title is not null) as titled
                from $watch group by item, subject) s group by item)
        select item, title, channel, coalesce(categories, '{}') as categories,
          nullif(concat_ws(' · ', title, channel, array_to_string(categories, ', ')), '') as content,
          interactions, subjects, known_at
        from n join (
          select distinct on (w.item) w.item, title, channel, categories
          from $watch w join n on n.item = w.item and (w.time = n.titled or n.titled is null)
          order by w.item, (title is null), time desc nulls last, sequence desc, event_id) k using (item)""",
    rules={"nobody": "subjects < 1"},
    entity=("item",),
)

SUBJECTS = FeatureTable(
    name="subjects",
    about="Attributes of subjects, one per row: as stated in the export, and their activity in thirds.",
    key=("subject", "attribute"),
    columns=(
        SUBJECT,
        Column("attribute", "text", "what is said", required=True),
        Column("value", "text", "its value", Identifier.TEXT, required=True),
        SOURCE,
        EXPORT,
    ),
    inputs={**_WATCH, "preference": keys.clean("preference")},
    unit=Unit.ALL,
    select="""
        select subject, replace(item, 'attribute:', '') as attribute, max(value) as value,
          min(source) as source, min(export) as export
        from $preference where item like 'attribute:%' group by 1, 2
        union all
        select subject, 'activity', (array['light', 'medium', 'heavy'])[ntile(3) over (order by events, subject)],
          source, export
        from (select subject, count(*) as events, min(source) as source, min(export) as export
              from $watch group by subject) w""",
    # groups for the bias report: they describe people as a whole, and nothing is trained on them
    point_in_time=False,
)

TABLES = (INTERACTIONS, ITEMS, SUBJECTS)
