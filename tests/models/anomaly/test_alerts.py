"""From scores to alerts: quiet where nothing is, loud where an account is taken, and taught by what a person says."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from forge_core import keys
from forge_core.errors import UsageError
from forge_models.anomaly import ANOMALY, alerting, feedback
from forge_models.anomaly.incidents import ACCOUNT as SCENARIOS
from forge_models.anomaly.incidents import plant, recounted
from forge_models.anomaly.models import Scored
from forge_models.anomaly.splitting import rows
from forge_models.anomaly.streams import DAY, streams
from tests.models.anomaly import logs
from tests.models.anomaly.fitted import KEY, fit, model, splits_of

KEYED = KEY["account"]


def one_person(days: int = 120, seed: int = 5, **changed: bool) -> pa.Table:
    return logs.security(1, days, seed, **changed)


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_f_d6_a_clean_log_of_90_days_alarms_once_a_week_at_most(seed: int) -> None:
    clean = one_person(90, seed)
    scored = fit("account", "rarity", splits_of("account", clean).refit()).score(rows("account", clean))
    told = [one for one in alerting.incidents("account", scored) if one.state == "open"]
    assert len(told) <= 90 / 7


def test_f_d6_under_14_days_is_learning_mode() -> None:
    short = one_person(13)
    fitted = model("account", "rarity")
    assert ANOMALY.tell({"account": fitted}, {KEYED: short})["insights/alerts"].num_rows == 0
    answer = ANOMALY.answer({"account": fitted}, {KEYED: short})
    assert not answer.said
    assert "learning mode" in answer.note


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_f_d7_planted_takeovers_are_found_in_the_top_hundredth(seed: int) -> None:
    clean = rows("account", one_person(150, seed))
    table = clean
    seen = streams(clean)
    for number, scenario in enumerate(SCENARIOS):  # each in a week of its own, all in the one log
        begin = int(seen.time[0]) + (80 + 12 * number) * DAY
        inside = (seen.time >= begin) & (seen.time < begin + 7 * DAY)
        week = streams(clean.filter(pa.array(seen.time < begin + 7 * DAY)))
        copy = plant("account", week, 0, int(seen.time[inside][0]), scenario, 0, seed)
        planted = copy.filter(copy["incident"])
        ids = pa.array([f"{scenario}-{place}" for place in range(planted.num_rows)])
        planted = planted.set_column(planted.column_names.index("event_id"), "event_id", ids)
        source = pa.array(["test"] * planted.num_rows)
        planted = planted.set_column(planted.column_names.index("source"), "source", source)
        table = pa.concat_tables([table, planted.drop_columns(["incident"]).cast(table.schema)])
    table = recounted(table)
    scored = fit("account", "rarity", splits_of("account", table).refit()).score(table)
    ids = scored.streams.table["event_id"].to_pylist()
    clean_rows = np.array([not any(name.startswith(one) for one in SCENARIOS) for name in ids])
    line = np.quantile(scored.days[clean_rows], 0.99)  # above 99 of 100 events of the owner
    found = {
        scenario
        for scenario in SCENARIOS
        for place in range(len(ids))
        if ids[place].startswith(scenario) and scored.days[place] >= max(line, alerting.ALERT_DAYS)
    }
    assert len(found) >= 4


def taken(days: int = 120) -> tuple[Scored, pa.Table]:
    """A log with one takeover on the last but tenth day, scored."""
    clean = rows("account", one_person(days, 9))
    seen = streams(clean)
    begin = int(seen.time[-1]) - 10 * DAY
    table = plant("account", seen, 0, begin, "takeover", 0, 1)
    table = table.set_column(
        table.column_names.index("source"), "source", pa.array(["test"] * table.num_rows)
    )
    table = recounted(table)
    return model("account", "rarity").score(table), table


def test_an_incident_groups_what_is_close_and_says_why() -> None:
    scored, table = taken()
    planted = {name for name in table.filter(table["incident"])["event_id"].to_pylist()}
    found = [
        one
        for one in alerting.incidents("account", scored)
        if any(scored.streams.table["event_id"][alert.row].as_py() in planted for alert in one.alerts)
    ]
    assert len(found) == 1
    assert len(found[0].alerts) <= alerting.MOST_ALERTS
    because = " ".join(reason.because for reason in found[0].reasons)
    assert "from this country" in because


def test_the_answer_is_in_words_with_sources() -> None:
    _, table = taken()
    answer = ANOMALY.answer({"account": model("account", "rarity")}, {KEYED: table}, days=30)
    assert answer.said
    first = answer.said[0]
    assert first.task == "account"
    assert first.because
    assert first.sources == ["test"]
    assert first.value is not None
    assert first.value >= alerting.ALERT_DAYS
    assert "expected" in first.what


def test_impossible_travel_is_unavailable_where_no_country_is_named() -> None:
    silent = logs.security(1, 60, 4, countries=False)
    answer = ANOMALY.answer({"account": model("account", "rarity")}, {KEYED: silent})
    assert "unavailable" in answer.note


def test_a_false_alert_damps_its_pattern_for_that_stream_and_an_acknowledged_one_is_closed() -> None:
    scored, _ = taken()
    before = alerting.incidents("account", scored)
    top = max(before, key=lambda one: one.days)
    for verdict, state in (("ack", "closed"), ("false", "false")):
        after = alerting.incidents("account", scored, {top.alerts[0].id: verdict})
        assert next(one for one in after if one.id == top.id).state == state
    assert alerting.damped_days(3000.0, 1) < alerting.ALERT_DAYS
    assert alerting.damped_days(3000.0, 0) == pytest.approx(3000.0)


def test_a_pattern_that_was_false_is_not_told_again() -> None:
    scored, _ = taken()
    found = alerting.incidents("account", scored, threshold=7.0, budget=100)
    patterns = [pattern for one in found for pattern in {a.pattern for a in one.alerts}]
    repeated = max(set(patterns), key=patterns.count)
    same = [one for one in found if {a.pattern for a in one.alerts} == {repeated}]
    if len(same) < 2:
        pytest.skip("no pattern came twice in this log")
    after = alerting.incidents("account", scored, {same[0].id: "false"}, threshold=28.0, budget=100)
    assert same[1].id not in {one.id for one in after if one.state == "open"}


def test_the_budget_holds_back_what_is_no_rarer() -> None:
    scored, _ = taken()
    loose = alerting.incidents("account", scored, threshold=3.0, budget=1)
    told = sorted(one.first for one in loose if one.state == "open")
    held = [one for one in loose if one.state == "over_budget"]
    assert held
    for one in held:
        week = [o for o in loose if o.state == "open" and one.first - 7 * DAY < o.first <= one.first]
        assert week
        assert max(o.days for o in week) >= one.days
    assert told


def test_feedback_is_planned_and_read() -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    known = ["abcdef012345", "abcd99999999", "i-abcdef012345"]
    assert feedback.plan(known, "abcde", "false", now)["item"] == "abcdef012345"
    for asked, verdict, code in (
        ("abcd", "ack", "FORGE-ALERT-AMBIGUOUS"),
        ("ffff", "ack", "FORGE-ALERT-UNKNOWN"),
        ("abcde", "maybe", "FORGE-ALERT-VERDICT"),
    ):
        with pytest.raises(UsageError) as error:
            feedback.plan(known, asked, verdict, now)
        assert error.value.code == code
    table = pa.Table.from_pylist(
        [
            {"about": "alert", "item": "a", "verdict": "ack", "time": now},
            {"about": "alert", "item": "a", "verdict": "false", "time": now.replace(year=2025)},
            {"about": "alert", "item": "b", "verdict": "like", "time": now},
        ]
    )
    assert feedback.verdicts(table) == {"a": "false"}
    assert feedback.verdicts(None) == {}


def test_told_alerts_follow_feedback() -> None:
    _, table = taken()
    models = {"account": model("account", "rarity")}
    before = ANOMALY.tell(models, {KEYED: table})
    top = before["insights/alerts"].sort_by([("days", "descending")])["alert"][0].as_py()
    seen = {"about": "alert", "item": top, "verdict": "ack", "time": datetime(2024, 1, 1, tzinfo=UTC)}
    said = pa.Table.from_pylist([seen])
    after = ANOMALY.tell(models, {KEYED: table, keys.FEEDBACK: said})["insights/alerts"]
    assert after.filter(pc.equal(after["alert"], top))["state"].to_pylist() == ["closed"]
