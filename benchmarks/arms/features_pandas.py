"""The same feature tables by pandas, as one would write them there: ``features_pandas URL``.

Its fast paths: read and written through ADBC (``read_sql`` and ``to_sql`` take its connections), strings in Arrow,
subjects, items, sources and exports as categories, ``observed=True``, no ``apply``.
"""

from __future__ import annotations

import sys
import time

from benchmarks.arms import measure

HOUR, DAY = "h", "D"
KINDS = ("watch", "search", "browse", "message", "security", "app_usage")


def main() -> None:
    import adbc_driver_postgresql.dbapi as adbc
    import pandas as pd

    connection = adbc.connect(sys.argv[1])
    measure.start()
    seconds: dict[str, float] = {}
    began = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal began
        seconds[name] = round(time.perf_counter() - began, 2)
        began = time.perf_counter()

    watch = pd.read_sql(
        "select subject, source, export, item, time, sequence, title, channel from clean.watch",
        connection,
        dtype_backend="pyarrow",
    )
    watch = watch.astype(
        {name: "category" for name in ("subject", "source", "export", "item", "title", "channel")}
    )
    watch["time"] = watch["time"].astype("datetime64[us, UTC]")
    watch["sequence"] = watch["sequence"].astype("int64")
    watch = watch.sort_values(["subject", "time", "sequence"], ignore_index=True)
    lap("read")
    tables = {
        "interactions": interactions(watch),
        "items": items(watch),
    }
    lap("taste")
    tables["activity_hourly"] = hourly(watch)
    tables["activity_daily"] = daily(tables["activity_hourly"])
    tables["persons"] = persons(tables["activity_daily"])
    lap("activity")
    tables["sessions"] = sessions(watch)
    lap("sessions")
    for name, table in tables.items():
        for column in table.columns:
            if isinstance(table[column].dtype, pd.CategoricalDtype):
                table[column] = table[column].astype("string[pyarrow]")
        table.to_sql(f"pandas_{name}", connection, if_exists="replace", index=False)
    connection.commit()
    lap("write")
    connection.close()
    measure.done(len(watch), built={name: len(table) for name, table in tables.items()}, seconds_of=seconds)


def interactions(watch):
    import numpy as np

    found = (
        watch.groupby(["subject", "item"], observed=True, sort=False)
        .agg(
            first_time=("time", "first"), last_time=("time", "last"), count=("time", "size"),
            source=("source", "first"), export=("export", "first"),
        )
        .reset_index()
    )  # fmt: skip
    found["position"] = found.groupby("subject", observed=True).cumcount()
    found["strength"] = np.log1p(found["count"])
    found["ordered_only"] = False
    found["known_at"] = found["last_time"]
    return found


def items(watch):
    pairs = watch[["item", "subject"]].drop_duplicates()
    grouped = watch.sort_values("time", kind="stable").groupby("item", observed=True, sort=False)
    found = grouped.agg(
        title=("title", "last"),
        channel=("channel", "last"),
        interactions=("time", "size"),
        known_at=("time", "last"),
    ).reset_index()
    found["subjects"] = found["item"].map(pairs["item"].value_counts()).astype("int64")
    found["content"] = (
        found["title"].astype("string[pyarrow]") + " · " + found["channel"].astype("string[pyarrow]")
    )
    return found


def hourly(watch):
    import pandas as pd

    hours = watch[["subject", "source", "export", "time"]].assign(hour=watch["time"].dt.floor(HOUR))
    found = (
        hours.groupby(["subject", "source", "hour"], observed=True, sort=False)
        .agg(
            events=("time", "size"),
            first_at=("time", "min"),
            last_at=("time", "max"),
            export=("export", "first"),
        )
        .reset_index()
    )
    for kind in KINDS:
        found[kind] = found["events"] if kind == "watch" else 0
    found["calendar_minutes"] = found["dwell_minutes"] = 0.0
    found["known_at"] = found["hour"] + pd.Timedelta(hours=1)
    return found


def daily(hours):
    import pandas as pd

    hours = hours.sort_values(["subject", "source", "hour"])
    whose = hours.groupby(["subject", "source"], observed=True, sort=False)
    silence = hours["first_at"] - whose["last_at"].shift()
    hours = hours.assign(
        day=hours["hour"].dt.floor(DAY),
        silence=silence.where(silence <= pd.Timedelta(days=28)),
        night=hours["events"].where(hours["hour"].dt.hour < 6, 0),
    )
    found = (
        hours.groupby(["subject", "source", "day"], observed=True, sort=False)
        .agg(
            events=("events", "sum"), watch=("watch", "sum"), calendar_minutes=("calendar_minutes", "sum"),
            dwell_minutes=("dwell_minutes", "sum"), active_hours=("events", "size"), night_events=("night", "sum"),
            first_at=("first_at", "min"), last_at=("last_at", "max"), silence=("silence", "max"),
            export=("export", "first"),
        )
        .reset_index()
    )  # fmt: skip
    hour = pd.Timedelta(hours=1)
    found["first_hour"] = (found.pop("first_at") - found["day"]) / hour
    found["last_hour"] = (found.pop("last_at") - found["day"]) / hour
    found["longest_silence_h"] = found.pop("silence") / hour
    found["known_at"] = found["day"] + pd.Timedelta(days=1)
    return found


def persons(days):
    import pandas as pd

    days = days.sort_values(["subject", "source", "day"]).set_index("day")
    days["weekend"] = days["events"].where(days.index.dayofweek >= 5, 0)
    whose = days.groupby(["subject", "source"], observed=True, sort=False)
    week, month = (
        whose[["events", "night_events", "weekend", "calendar_minutes", "dwell_minutes"]].rolling(span).sum()
        for span in ("7D", "28D")
    )
    counts = {span: whose["events"].rolling(span).count() for span in ("7D", "28D")}
    found = pd.DataFrame(
        {
            "events_7d": week["events"], "events_28d": month["events"],
            "active_days_7d": counts["7D"], "active_days_28d": counts["28D"],
            "night_share_28d": month["night_events"] / month["events"],
            "weekend_share_28d": month["weekend"] / month["events"],
            "calendar_minutes_7d": week["calendar_minutes"], "dwell_minutes_7d": week["dwell_minutes"],
            "mean_silence_28d_h": whose["longest_silence_h"].rolling("28D").mean(),
            "trend": 4 * week["events"] / month["events"],
        }
    ).reset_index()  # fmt: skip
    found["known_at"] = found["day"] + pd.Timedelta(days=1)
    return found


def sessions(watch):
    import pandas as pd

    whose = [watch["subject"], watch["source"]]
    gap = watch.groupby(whose, observed=True, sort=False)["time"].diff()
    number = (gap.isna() | (gap > pd.Timedelta(minutes=30))).cumsum()
    events = watch[["subject", "source", "export", "item", "time"]].assign(session=number)
    found = events.groupby("session", sort=False).agg(
        subject=("subject", "first"), source=("source", "first"), export=("export", "first"),
        started_at=("time", "first"), ended_at=("time", "last"), events=("time", "size"),
    )  # fmt: skip
    pairs = events[["session", "item"]].drop_duplicates()
    found["items"] = pairs["session"].value_counts(sort=False).reindex(found.index)
    found["seconds"] = (found["ended_at"] - found["started_at"]).dt.total_seconds()
    found["known_at"] = found["ended_at"] + pd.Timedelta(minutes=30)
    return found.reset_index(drop=True)


if __name__ == "__main__":
    main()
