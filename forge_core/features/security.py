"""Features of security events: how usual each one is for its subject, from what came before it alone."""

from forge_core import keys
from forge_core.features.contract import EXPORT, KNOWN_AT, SOURCE, SUBJECT, Column, FeatureTable, Unit

IMPOSSIBLE_H = 1  # nobody is in another country within the hour, but at a border

_WHOSE = "partition by subject, source"
_UNTIL_NOW = "order by place rows between unbounded preceding and current row"
_EARLIER = "order by place rows between unbounded preceding and 1 preceding"

# A network is the first three octets of an IPv4 address, or an IPv6 one up to its first "::"; tokens of addresses
# keep the prefixes that addresses share. ($$ is Template's way to write $.)
_NETWORK = (
    r"coalesce(substring(address from '^(\d+\.\d+\.\d+)\.\d+$$'), nullif(split_part(address, '::', 1), ''))"
)


def _within(hours: int, condition: str = "true") -> str:
    window = f"{_WHOSE} order by time range between interval '{hours} hours' preceding and current row"
    return f"count(*) filter (where {condition}) over ({window})"


def _first(column: str) -> str:
    """1 where a value is seen for the first time, 0 where it was before or nothing was, null without a value."""
    return f"case when {column} is not null then (earlier > 0 and {column}_before = 0)::int end::bigint as new_{column}"


def _before(column: str) -> str:
    return f"count(*) over ({_WHOSE}, {column} {_EARLIER}) as {column}_before"


EVENTS = FeatureTable(
    name="security_events",
    about="Logins, accesses and account changes, each against what was usual for its subject until then.",
    key=("event_id",),
    columns=(
        Column("event_id", "uuid", "the event", required=True),
        SUBJECT,
        SOURCE,
        Column("time", "time", "when", required=True),
        Column("item", "text", "service and action", required=True),
        Column("failed", "bool", "it did not succeed", required=True),
        Column("earlier", "int", "events before this one", served=True),
        Column("events_1h", "int", "events in the hour up to this one", served=True),
        Column("events_24h", "int", "events in the day up to this one", served=True),
        Column("failures_1h", "int", "failures in the hour up to this one", served=True),
        Column("failures_24h", "int", "failures in the day up to this one", served=True),
        Column("new_item", "int", "1: the first of its service and action", served=True),
        Column("new_device", "int", "1: the first from this device; null: none is known", served=True),
        Column("new_network", "int", "1: the first from this network; null: none is known", served=True),
        Column("new_country", "int", "1: the first from this country; null: none is known", served=True),
        Column("other_country_h", "float", "hours since the last event in another country", served=True),
        Column(
            "impossible_travel",
            "int",
            f"1: in another country within {IMPOSSIBLE_H} h; null: unavailable, the export names no country",
            served=True,
        ),
        Column("seconds_since_last", "float", "since the event before", served=True),
        Column(
            "hour_rarity", "float", "-ln of the share of events before in this hour, smoothed", served=True
        ),
        EXPORT,
        KNOWN_AT,
    ),
    inputs={"security": keys.clean("security")},
    unit=Unit.SUBJECT,
    when="time",
    select=f"""
        select event_id, subject, source, time, item, failed, earlier, events_1h, events_24h, failures_1h, failures_24h,
          {_first("item")}, {_first("device")}, {_first("network")}, {_first("country")}, other_country_h,
          case when country is not null then coalesce(other_country_h < {IMPOSSIBLE_H}, false)::int end::bigint
            as impossible_travel,
          seconds_since_last, -ln((same_hour + 1.0) / (earlier + 24.0))::float8 as hour_rarity, export, time as known_at
        from (
          select s.*, place - 1 as earlier, {_within(1)} as events_1h, {_within(24)} as events_24h,
            {_within(1, "failed")} as failures_1h, {_within(24, "failed")} as failures_24h,
            {_before("item")}, {_before("device")}, {_before("network")}, {_before("country")},
            count(*) over ({_WHOSE}, extract(hour from time at time zone 'UTC') {_EARLIER}) as same_hour,
            extract(epoch from time - lag(time) over ({_WHOSE} order by place))::float8 as seconds_since_last,
            case when country is not null then
              extract(epoch from time - max(elsewhere) over ({_WHOSE} {_UNTIL_NOW}))::float8 / 3600
            end as other_country_h
          from (
            select s.*, case when country <> lag(country) over located then lag(time) over located end as elsewhere
            from (select event_id, subject, source, export, time, item, device, country, {_NETWORK} as network,
                    coalesce(outcome = 'failure', false) as failed,
                    row_number() over ({_WHOSE} order by time, sequence, event_id) as place
                  from $security where time is not null) s
            window located as (partition by subject, source, country is null order by place)) s) s""",
    rules={"more_in_an_hour_than_in_a_day": "events_1h > events_24h or failures_1h > failures_24h"},
    entity=("subject", "source"),
)

TABLES = (EVENTS,)
