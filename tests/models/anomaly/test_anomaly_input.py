"""Logs as they come: all events alike, gaps of months, a clock that goes back, a shared account, one user or very
many.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from forge_models.anomaly import alerting
from forge_models.anomaly.splitting import rows
from forge_models.anomaly.streams import DAY, SECOND, streams
from tests.models.anomaly import logs
from tests.models.anomaly.fitted import fit, model, splits_of, table

HOUR = 3600 * SECOND
BEGIN = logs.START * DAY


def opened(task_table: pa.Table, name: str = "rarity") -> list[alerting.Incident]:
    fitted = fit("account", name, splits_of("account", task_table).refit())
    scored = fitted.score(rows("account", task_table))
    assert np.isfinite(scored.score).all()
    assert (scored.days >= 1).all()
    return [one for one in alerting.incidents("account", scored) if one.state == "open"]


@pytest.mark.parametrize("name", ["rarity", "neighbours", "forest", "tails", "volume"])
def test_events_that_are_all_alike_raise_no_alert(name: str) -> None:
    same = [
        {"subject": "me", "time": BEGIN + day * DAY + 9 * HOUR, "item": "mail:login", "new_device": 0}
        for day in range(90)
    ]
    assert opened(logs.events(same), name) == []


def test_a_gap_of_months_is_no_incident() -> None:
    clean = logs.security(1, 200, 3)
    seen = streams(clean)
    day = seen.day - seen.day[0]
    gap = seen.table.filter(pa.array((day < 70) | (day > 160)))
    back = {BEGIN // DAY + 161, BEGIN // DAY + 162}
    assert not [one for one in opened(gap) if one.first // DAY in back]


def test_a_clock_that_goes_back_breaks_nothing() -> None:
    clean = logs.security(1, 90, 3)
    time = clean["time"].cast(pa.int64()).to_numpy().copy()
    time[500:] -= 2 * HOUR
    moved = clean.set_column(clean.column_names.index("time"), "time", pa.array(time).cast(logs.TIME))
    assert len(opened(moved)) <= 90 / 7


def test_a_shared_account_is_one_habit_of_two() -> None:
    one, two = logs.security(1, 90, 3), logs.security(1, 90, 11)
    both = pa.concat_tables([one, two])
    ids = pa.array([f"event-{place:06d}" for place in range(both.num_rows)])
    both = both.set_column(both.column_names.index("event_id"), "event_id", ids)
    assert len(opened(both)) <= 90 / 7


def test_very_many_users_of_one_event_each() -> None:
    many = logs.events(
        [{"subject": f"u{n}", "time": BEGIN + n * 60 * SECOND, "item": "mail:login"} for n in range(5000)]
    )
    splits = splits_of("account", many)
    fitted = fit("account", "rarity", splits.refit())
    assert alerting.incidents("account", fitted.score(rows("account", many))) == []
    from forge_models.anomaly import ANOMALY

    assert ANOMALY.size(ANOMALY.tasks[0], splits)["evaluated_events"] == 0  # learning mode


def test_an_event_is_judged_by_those_before_it_alone() -> None:
    whole = rows("account", table("account"))
    fitted = model("account", "rarity")
    scored = fitted.score(whole)
    cut = int(np.median(scored.streams.time))
    early = fitted.score(scored.streams.table.filter(pa.array(scored.streams.time < cut)))
    inside = scored.streams.time < cut
    by_event = dict(zip(early.streams.table["event_id"].to_pylist(), early.score, strict=True))
    ids = np.array(scored.streams.table["event_id"].to_pylist(), object)[inside]
    np.testing.assert_allclose([by_event[one] for one in ids], scored.score[inside], atol=1e-9)


def test_a_day_is_judged_by_the_days_before_it_alone() -> None:
    whole = rows("routine", table("routine"))
    fitted = model("routine", "rarity")
    half = fitted.score(whole.filter(pa.array(streams(whole).time < BEGIN + 50 * DAY)))
    full = fitted.score(whole)
    inside = full.streams.time < BEGIN + 50 * DAY
    np.testing.assert_allclose(np.sort(half.score), np.sort(full.score[inside]), atol=1e-9)


def test_an_unknown_time_or_subject_is_left_out() -> None:
    clean = logs.security(1, 30, 3)
    time = pa.array([None, *clean["time"].to_pylist()[1:]], logs.TIME)
    holed = clean.set_column(clean.column_names.index("time"), "time", time)
    assert rows("account", holed).num_rows == clean.num_rows - 1


def test_when_a_device_was_seen_last_is_no_event() -> None:
    """Every export tells it of every device, at the time of the export: nobody did anything then."""
    clean = logs.security(1, 90, 3)
    state = {"subject": "me", "time": BEGIN + 89 * DAY + 3 * HOUR, "item": "google:device-last-seen"}
    state |= {"new_device": 1, "new_item": 1}
    told = logs.events([state])
    assert rows("account", told).num_rows == 0
    both = pa.concat_tables([clean, told.select(clean.column_names).cast(clean.schema)])
    assert rows("account", both).num_rows == clean.num_rows
