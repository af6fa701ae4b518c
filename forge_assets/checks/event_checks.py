"""The checks of a clean table of events beside its structure: times, uniqueness, freshness.

They warn and never block: a stream that stopped or a date that cannot be is worth a look, and the rest of the
data is as good as before. Their numbers are sums over people.
"""

from dagster import AssetCheckResult, AssetCheckSeverity, AssetCheckSpec, MetadataValue, TableRecord

from forge_assets.outcome import key
from forge_core import keys
from forge_core.events import TimeFlag
from forge_resources.postgres import Database
from forge_resources.rhythm import ENOUGH_DAYS, Rhythm

TIME_RANGE, UNIQUENESS, FRESHNESS = "time_range", "uniqueness", "freshness"

# Before these there was nothing to export: an earlier time is a clock that was never set, or a wrong unit.
BEGINNINGS = {
    "watch": "1995-01-01",  # the first ratings of films on the web
    "search": "1995-01-01",
    "browse": "1993-01-01",
    "message": "1985-01-01",
    "document": "1985-01-01",
    "calendar": "1970-01-02",
    "place": "2000-05-02",  # GPS without a blur for civilians
    "security": "1990-01-01",
    "app_usage": "2008-07-01",  # the first stores of apps
    "preference": "1995-01-01",
    "feedback": "2024-01-01",  # there was no Forge to say something of
}
STATES = ("preference", "document")  # they hold now; many have no time, and nothing is wrong with that
TIMELESS_SHARE = 0.01  # of events without a time: more is a format that was not understood
TWICE_SHARE = 0.001  # of events that two sources tell of: more is counted twice somewhere
TWICE_SECONDS = 2  # one system writes milliseconds, another rounds


def event_check_specs(asset: str) -> list[AssetCheckSpec]:
    about = {
        TIME_RANGE: "Events have times, and none before their kind began.",
        UNIQUENESS: "Each event is there once, also where two sources tell of it.",
        FRESHNESS: "No stream fell silent for longer than its own rhythm explains.",
    }
    return [AssetCheckSpec(name, asset=key(asset), description=words) for name, words in about.items()]


def event_checks(database: Database, kind: str, rhythm: Rhythm) -> list[AssetCheckResult]:
    """The three checks of ``clean.<kind>``."""
    if not rhythm.sources:
        asset = keys.clean(kind)
        return [_answer(asset, name, True, "No events.", {}) for name in (TIME_RANGE, UNIQUENESS, FRESHNESS)]
    return [_time_range(database, kind), _uniqueness(database, kind, rhythm), _freshness(kind, rhythm)]


def _time_range(database: Database, kind: str) -> AssetCheckResult:
    flags = [flag.value for flag in TimeFlag]
    counted = ", ".join(f"count(*) filter (where time_flag = '{flag}')" for flag in flags)
    rows, timeless, early, *flagged = database.rows(
        f"select count(*), count(*) filter (where time is null),"
        f" count(*) filter (where time < '{BEGINNINGS[kind]}Z'), {counted} from {keys.table(keys.clean(kind))}"
    )[0]
    too_many = timeless > TIMELESS_SHARE * rows and kind not in STATES
    words = [f"{timeless:,} of {rows:,} events have no time"]
    if early:
        words.append(f"{early:,} lie before {BEGINNINGS[kind]}")
    metadata = {
        "without_time": timeless,
        "without_time_share": round(timeless / rows, 4),
        f"before_{BEGINNINGS[kind][:4]}": early,
        **{f"flag_{flag}": count for flag, count in zip(flags, flagged, strict=True) if count},
    }
    return _answer(keys.clean(kind), TIME_RANGE, not (too_many or early), "; ".join(words) + ".", metadata)


def _uniqueness(database: Database, kind: str, rhythm: Rhythm) -> AssetCheckResult:
    address = keys.table(keys.clean(kind))
    rows, ids = database.rows(f"select count(*), count(distinct event_id) from {address}")[0]
    # one source cannot tell of an event twice in two seconds without meaning it
    near = database.value(_NEAR.format(address=address)) if len(rhythm.sources) > 1 else 0
    words = (
        f"{rows:,} events, {rows - ids:,} ids twice, {near:,} told by two sources within {TWICE_SECONDS} s."
    )
    return _answer(
        keys.clean(kind),
        UNIQUENESS,
        rows == ids and near <= TWICE_SHARE * rows,
        words,
        {"ids_twice": rows - ids, "told_by_two_sources": near, "told_by_two_share": round(near / rows, 4)},
    )


# Only what more than one source has is put in order.
_NEAR = f"""
with shared as (select subject, item from {{address}} where time is not null
                group by 1, 2 having min(source) <> max(source))
select count(*) from (
  select source <> lag(source) over mine and time - lag(time) over mine <= interval '{TWICE_SECONDS} s' as twice
  from {{address}} join shared using (subject, item) where time is not null
  window mine as (partition by subject, item order by time, source)) neighbours where twice"""


def _freshness(kind: str, rhythm: Rhythm) -> AssetCheckResult:
    asset = keys.clean(kind)
    streams = sum(source.subjects for source in rhythm.sources)
    if not rhythm.judged:
        words = f"Too little to say: no stream has {ENOUGH_DAYS} days with events."
        return _answer(asset, FRESHNESS, True, words, {"streams": streams, "judged": 0})
    stopped = {source.source: source.stopped for source in rhythm.sources if source.stopped}
    words = f"{rhythm.stopped:,} of {rhythm.judged:,} streams seem to have stopped"
    if stopped:
        words += f" before their export was made: {', '.join(f'{n} of {s}' for s, n in stopped.items())}"
    by_source = [
        TableRecord(
            {
                "source": source.source,
                "streams": source.subjects,
                "judged": source.judged,
                "stopped": source.stopped,
                "last event": str(source.last_day or "–"),
                "newest export": str(source.until or "–"),
            }
        )
        for source in rhythm.sources
    ]
    metadata = {"streams": streams, "judged": rhythm.judged, "by_source": MetadataValue.table(by_source)}
    return _answer(asset, FRESHNESS, not stopped, f"{words}.", metadata)


def _answer(asset: str, name: str, passed: bool, words: str, metadata: dict) -> AssetCheckResult:
    return AssetCheckResult(
        asset_key=key(asset),
        check_name=name,
        passed=bool(passed),
        severity=AssetCheckSeverity.WARN,
        description=words,
        metadata=metadata,
    )
