"""Features of where a person was: the sequence of visits, each with what came before it."""

from forge_core import keys
from forge_core.features.contract import EXPORT, KNOWN_AT, SOURCE, SUBJECT, Column, FeatureTable, Unit

REMEMBERED = "28 days"  # a visit before that says nothing of this one

PLACES = FeatureTable(
    name="place_sequences",
    about="Visits in the order of each subject's time, each with the visit before it; raw positions are no visits.",
    key=("subject", "source", "event_id"),
    columns=(
        SUBJECT,
        SOURCE,
        Column("event_id", "uuid", "the visit", required=True),
        Column("place", "text", "where: a place id or a cell", required=True),
        Column("arrived_at", "time", "arrival", required=True),
        Column("left_at", "time", "departure, where the export says"),
        Column("seconds", "float", "how long", served=True),
        Column("hour_of_week", "int", "of the arrival, UTC: 0 is Monday at midnight", served=True),
        Column("previous_place", "text", f"the visit before, within {REMEMBERED}"),
        Column("gap_seconds", "float", "from leaving that to arriving here; null: it went on", served=True),
        EXPORT,
        KNOWN_AT,
    ),
    inputs={"place": keys.clean("place")},
    unit=Unit.MONTH,
    when="arrived_at",
    select=f"""
        select subject, source, event_id, item as place, time as arrived_at, end_time as left_at,
          extract(epoch from end_time - time)::float8 as seconds,
          (extract(isodow from time) - 1) * 24 + extract(hour from time) as hour_of_week,
          case when since <= interval '{REMEMBERED}' then previous end as previous_place,
          case when since <= interval '{REMEMBERED}' and left_before <= time
            then extract(epoch from time - left_before)::float8 end as gap_seconds,
          export, coalesce(end_time, time) as known_at
        from (select p.*, lag(item) over visits as previous, time - lag(time) over visits as since,
                lag(coalesce(end_time, time)) over visits as left_before
              from $place p where time is not null and item not like 'point:%'
              window visits as (partition by subject, source order by time, sequence, event_id)) p""",
    rules={
        "leaves_before_it_arrives": "left_at < arrived_at",
        "hour_of_week": "hour_of_week not between 0 and 167",
    },
    entity=("subject", "source"),
)

TABLES = (PLACES,)
