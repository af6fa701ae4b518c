"""Features of when a person is active: hours, days, sessions, and aggregates of the days before.

Hours and days are UTC. A person's day is told by ``first_hour`` and ``last_hour``, not by midnight.
"""

from forge_core import keys
from forge_core.features.contract import EXPORT, KNOWN_AT, SOURCE, SUBJECT, Column, FeatureTable, Unit

ACTIVE = ("watch", "search", "browse", "message", "security", "app_usage")  # what somebody does at a moment
OWN = ("watch", "search", "browse", "app_usage")  # and certainly did: a message may be somebody else's
SESSION_GAP = "30 minutes"  # of silence end a session, as on the web (Catledge & Pitkow 1995: 25.5)
LONGEST_SPAN = "7 days"  # what an entry or a visit counts for at most: longer is no appointment and no stay
LONGEST_SILENCE = "28 days"  # after this nothing is known, rather than a silence

_COUNTS = tuple(Column(kind, "int", f"events of the kind {kind}", served=True) for kind in ACTIVE)


def _events(kinds: tuple[str, ...], columns: str) -> str:
    return " union all ".join(
        f"select {columns}, '{kind}' as kind from ${kind} where time is not null" for kind in kinds
    )


def _spans(name: str, of: str, condition: str) -> str:
    """SQL: the minutes of each hour that spans cover; overlapping spans count once each."""
    return f"""
      select s.subject, s.source, hour, s.export, 0 as events, null::text as kind, null::timestamptz as time,
        {of}
      from (select subject, source, export, time, least(end_time, time + interval '{LONGEST_SPAN}') as end_time
            from ${name} where {condition} and end_time > time) s,
        generate_series(date_trunc('hour', s.time), s.end_time, interval '1 hour') as hour
      where hour < s.end_time"""


_MINUTES = (
    "extract(epoch from least(s.end_time, hour + interval '1 hour') - greatest(s.time, hour))::float8 / 60"
)

HOURLY = FeatureTable(
    name="activity_hourly",
    about="Events, calendar load and time at places per hour; hours in which nothing was are not there.",
    key=("subject", "source", "hour"),
    columns=(
        SUBJECT,
        SOURCE,
        Column("hour", "time", "its beginning, UTC", required=True),
        Column("events", "int", "events of all active kinds", served=True),
        *_COUNTS,
        Column("calendar_minutes", "float", "minutes in calendar entries with a time of day", served=True),
        Column("dwell_minutes", "float", "minutes in visits to places", served=True),
        Column("first_at", "time", "the first event in it"),
        Column("last_at", "time", "the last event in it"),
        EXPORT,
        KNOWN_AT,
    ),
    inputs={kind: keys.clean(kind) for kind in (*ACTIVE, "calendar", "place")},
    unit=Unit.MONTH,
    when="hour",
    select=f"""
        select subject, source, hour, sum(events)::bigint as events,
          {", ".join(f"coalesce(sum(events) filter (where kind = '{kind}'), 0)::bigint as {kind}" for kind in ACTIVE)},
          sum(calendar) as calendar_minutes, sum(dwell) as dwell_minutes,
          min(first_at) as first_at, max(last_at) as last_at, min(export) as export,
          hour + interval '1 hour' as known_at
        from (
          select subject, source, date_trunc('hour', time) as hour, min(export) as export, count(*) as events,
            kind, min(time) as first_at, max(time) as last_at, 0::float8 as calendar, 0::float8 as dwell
          from ({_events(ACTIVE, "subject, source, export, time")}) e group by 1, 2, 3, kind
          union all
          select subject, source, hour, export, events, kind, time, time, minutes, 0
          from ({_spans("calendar", f"{_MINUTES} as minutes", "not coalesce(all_day, false)")}) c
          union all
          select subject, source, hour, export, events, kind, time, time, 0, minutes
          from ({_spans("place", f"{_MINUTES} as minutes", "item not like 'point:%'")}) p
        ) parts group by subject, source, hour""",
    rules={
        "hour_not_full": "hour <> date_trunc('hour', hour)",
        "negative": "events < 0 or calendar_minutes < 0 or dwell_minutes < 0",
    },
    entity=("subject", "source"),
)

DAILY = FeatureTable(
    name="activity_daily",
    about="What a subject did per day: counts by kind, calendar load, time at places, the longest silence.",
    key=("subject", "source", "day"),
    columns=(
        SUBJECT,
        SOURCE,
        Column("day", "time", "its beginning, UTC", required=True),
        Column("events", "int", "events of all active kinds", served=True),
        *_COUNTS,
        Column("calendar_minutes", "float", "minutes in calendar entries", served=True),
        Column("dwell_minutes", "float", "minutes in visits to places", served=True),
        Column("active_hours", "int", "hours with an event", served=True),
        Column("night_events", "int", "events from 0 to 6 o'clock", served=True),
        Column("first_hour", "float", "when the first event was, in hours", served=True),
        Column("last_hour", "float", "when the last event was, in hours", served=True),
        Column(
            "longest_silence_h",
            "float",
            "the longest silence that ended on this day, in hours: sleep, for who is otherwise active",
            served=True,
        ),
        EXPORT,
        KNOWN_AT,
    ),
    inputs={"hourly": keys.feature("activity_hourly")},
    unit=Unit.MONTH,
    when="day",
    select=f"""
        select subject, source, date_trunc('day', hour) as day, sum(events)::bigint as events,
          {", ".join(f"sum({kind})::bigint as {kind}" for kind in ACTIVE)},
          sum(calendar_minutes) as calendar_minutes, sum(dwell_minutes) as dwell_minutes,
          count(*) filter (where events > 0) as active_hours,
          coalesce(sum(events) filter (where extract(hour from hour) < 6), 0)::bigint as night_events,
          extract(epoch from min(first_at) - date_trunc('day', min(hour)))::float8 / 3600 as first_hour,
          extract(epoch from max(last_at) - date_trunc('day', min(hour)))::float8 / 3600 as last_hour,
          extract(epoch from max(silence) filter (where silence <= interval '{LONGEST_SILENCE}'))::float8 / 3600
            as longest_silence_h,
          min(export) as export, date_trunc('day', hour) + interval '1 day' as known_at
        from (select *, first_at - max(last_at) over (
                partition by subject, source order by hour rows between unbounded preceding and 1 preceding
              ) as silence from $hourly) h
        group by subject, source, date_trunc('day', hour)""",
    rules={
        "more_hours_than_a_day": "active_hours > 24",
        "counts_do_not_add_up": f"events <> {' + '.join(ACTIVE)}",
    },
    entity=("subject", "source"),
)

SESSIONS = FeatureTable(
    name="sessions",
    about=f"Runs of activity that {SESSION_GAP} of silence end.",
    key=("subject", "source", "started_at"),
    columns=(
        SUBJECT,
        SOURCE,
        Column("started_at", "time", "its first event", required=True),
        Column("ended_at", "time", "its last event", required=True),
        Column("seconds", "float", "from the first to the last event", served=True),
        Column("events", "int", "events in it", served=True),
        Column("items", "int", "different items", served=True),
        Column("kinds", "texts", "kinds of events in it"),
        EXPORT,
        KNOWN_AT,
    ),
    inputs={kind: keys.clean(kind) for kind in OWN},
    unit=Unit.MONTH,
    when="started_at",
    select=f"""
        select subject, source, min(time) as started_at, max(time) as ended_at,
          extract(epoch from max(time) - min(time))::float8 as seconds, count(*) as events,
          count(distinct item) as items, array_agg(distinct kind order by kind) as kinds, min(export) as export,
          max(time) + interval '{SESSION_GAP}' as known_at
        from (select e.*, count(*) filter (where begins)
                over (partition by subject, source order by time) as session
              from (select e.*, coalesce(time - lag(time) over (
                      partition by subject, source order by time) > interval '{SESSION_GAP}', true) as begins
                    from ({_events(OWN, "subject, source, export, item, time")}) e) e) e
        group by subject, source, session""",
    rules={"ends_before_it_starts": "ended_at < started_at", "empty": "events < 1"},
    entity=("subject", "source"),
)


def _before(days: int) -> str:
    return (
        "over (partition by subject, source order by day"
        f" range between interval '{days - 1} days' preceding and current row)"
    )


PERSONS = FeatureTable(
    name="persons",
    about="What a subject was like in the week and the four weeks up to each active day.",
    key=("subject", "source", "day"),
    columns=(
        SUBJECT,
        SOURCE,
        Column("day", "time", "the last day of the weeks, UTC", required=True),
        Column("events_7d", "int", "events in seven days", served=True),
        Column("events_28d", "int", "events in 28 days", served=True),
        Column("active_days_7d", "int", "days with an event, of seven", served=True),
        Column("active_days_28d", "int", "days with an event, of 28", served=True),
        Column("night_share_28d", "float", "share of events from 0 to 6 o'clock", served=True),
        Column("weekend_share_28d", "float", "share of events on Saturday and Sunday", served=True),
        Column("calendar_minutes_7d", "float", "minutes in calendar entries in seven days", served=True),
        Column("dwell_minutes_7d", "float", "minutes at places in seven days", served=True),
        Column("mean_silence_28d_h", "float", "mean of the days' longest silences, in hours", served=True),
        Column("trend", "float", "events a day, of seven days over those of 28", served=True),
        EXPORT,
        KNOWN_AT,
    ),
    inputs={"daily": keys.feature("activity_daily")},
    unit=Unit.MONTH,
    when="day",
    select=f"""
        select subject, source, day,
          sum(events) {_before(7)}::bigint as events_7d, sum(events) {_before(28)}::bigint as events_28d,
          count(*) filter (where events > 0) {_before(7)} as active_days_7d,
          count(*) filter (where events > 0) {_before(28)} as active_days_28d,
          (sum(night_events) {_before(28)} / nullif(sum(events) {_before(28)}, 0))::float8 as night_share_28d,
          (coalesce(sum(events) filter (where extract(isodow from day) > 5) {_before(28)}, 0)
            / nullif(sum(events) {_before(28)}, 0))::float8 as weekend_share_28d,
          sum(calendar_minutes) {_before(7)} as calendar_minutes_7d,
          sum(dwell_minutes) {_before(7)} as dwell_minutes_7d,
          avg(longest_silence_h) {_before(28)} as mean_silence_28d_h,
          (4 * sum(events) {_before(7)} / nullif(sum(events) {_before(28)}, 0))::float8 as trend,
          min(export) {_before(28)} as export, day + interval '1 day' as known_at
        from $daily""",
    rules={
        "share_out_of_range": "night_share_28d not between 0 and 1 or weekend_share_28d not between 0 and 1"
    },
    entity=("subject", "source"),
)

TABLES = (HOURLY, DAILY, SESSIONS, PERSONS)
