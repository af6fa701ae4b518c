"""What is stated: with its evidence, in words, not what was denied; and what becomes of odd lives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from forge_core import keys
from forge_core.errors import UsageError
from forge_models.family import Answer
from forge_models.profile import PROFILE, feedback
from forge_models.profile.evidence import TIME
from forge_models.profile.gathering import gather
from forge_models.profile.models import ProfileModel
from tests.models.profile.examples import evidence, exported, tastes
from tests.models.profile.fitted import TASKS, fit, splits_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def model() -> ProfileModel:
    return fit("interests", "decayed", splits_of("interests", tastes()))


def tell(model: ProfileModel, table: pa.Table, said: pa.Table | None = None) -> pa.Table:
    tables = {keys.EVIDENCE: table} | ({keys.FEEDBACK: said} if said is not None else {})
    return PROFILE.tell({"interests": model}, tables)[keys.PROFILE]


def answer(model: ProfileModel, table: pa.Table, **asked: object) -> Answer:
    return PROFILE.answer({"interests": model}, {keys.EVIDENCE: table}, **asked)


def words(*rows: tuple[str, str]) -> pa.Table:
    """Feedback on statements: (id, verdict), one after the other."""
    made = [
        {"about": "statement", "item": item, "verdict": verdict, "time": NOW + timedelta(minutes=n),
         "subject": "p_0", "source": "src", "export": "e1"}
        for n, (item, verdict) in enumerate(rows)
    ]  # fmt: skip
    schema = pa.schema([(n, TIME if n == "time" else pa.string()) for n in made[0]])
    return pa.Table.from_pylist(made, schema)


def test_a_statement_carries_its_evidence_and_its_chance(model: ProfileModel) -> None:
    weekly = evidence([("p_0", 7 * n + 1, "interest", "channel:chess") for n in range(10)])
    row = tell(model, weekly).to_pylist()[0]

    assert (row["events"], row["weeks"], row["weeks_of"]) == (10, 10, 10)
    assert 0 < row["low"] <= row["probability"] <= row["high"] <= 1
    assert row["event_ids"] == [f"event {n}" for n in range(5, 10)]
    assert row["told_by"] == ["clean/watch"]
    assert row["what"].startswith("watches chess")
    assert row["last_seen"] - row["first_seen"] == timedelta(days=63)


def test_tastes_over_time_rise_and_fade(model: ProfileModel) -> None:
    rows = [("p_0", 7 * n, "interest", "channel:always") for n in range(40)]
    rows += [("p_0", 7 * n, "interest", "channel:before") for n in range(20)]
    rows += [("p_0", 7 * n, "interest", "channel:after") for n in (3, *range(32, 40))]
    said = {row["thing"]: row["trend"] for row in tell(model, evidence(rows)).to_pylist()}

    assert said == {"channel:always": "steady", "channel:before": "fading", "channel:after": "rising"}


def test_a_statement_keeps_its_id_when_its_evidence_grows(model: ProfileModel) -> None:
    short, long = (tell(model, tastes(2, weeks)) for weeks in (12, 30))
    ids = [
        {(row["subject"], row["thing"]): row["statement"] for row in one.to_pylist()} for one in (short, long)
    ]
    both = ids[0].keys() & ids[1].keys()

    assert both
    assert all(ids[0][key] == ids[1][key] for key in both)


def test_what_is_denied_stays_away_though_its_evidence_grows_and_comes_back_when_allowed(
    model: ProfileModel,
) -> None:
    short, long = tastes(2, 12), tastes(2, 30)
    one = tell(model, short)["statement"][0].as_py()

    assert one in tell(model, long)["statement"].to_pylist()
    held = tell(model, long, words((one, "false")))
    assert one not in held["statement"].to_pylist()
    assert held.schema.metadata == {b"forge.denied": b"1"}
    assert one in tell(model, long, words((one, "false"), (one, "true")))["statement"].to_pylist()
    assert one not in tell(model, long, words((one, "true"), (one, "false")))["statement"].to_pylist()


def test_an_answer_leaves_out_what_is_denied_and_counts_it(model: ProfileModel) -> None:
    table = tastes(1, 20)
    row = max(tell(model, table).to_pylist(), key=lambda row: row["probability"])
    tables = {keys.EVIDENCE: table, keys.FEEDBACK: words((row["statement"], "false"))}
    before, after = answer(model, table), PROFILE.answer({"interests": model}, tables)

    assert row["what"] in [said.what for said in before.said]
    assert row["what"] not in [said.what for said in after.said]
    assert "1 denied" in after.note


def test_an_answer_says_why_and_from_what(model: ProfileModel) -> None:
    found = answer(model, tastes(1, 20), task="interests", k=3)

    assert len(found.said) == 3
    assert all(said.because and said.sources == ["src"] and said.events > 1 for said in found.said)
    assert "routines" in answer(model, tastes(1, 20)).note
    with pytest.raises(UsageError, match="FORGE-PROFILE-TASK"):
        answer(model, tastes(1, 20), task="dreams")


def test_statements_of_two_sources_are_rows_of_their_own_under_one_id(model: ProfileModel) -> None:
    rows = [("p_0", 7 * n, "interest", "channel:a", source) for n in range(5) for source in ("one", "two")]
    found = tell(model, evidence(rows))

    assert found["source"].to_pylist() == ["one", "two"]
    assert len(set(found["statement"].to_pylist())) == 1
    said = answer(model, evidence(rows)).said
    assert [(one.sources, one.events) for one in said] == [(["one", "two"], 10)]


def test_the_interval_of_a_statement_holds_the_rate_behind_it() -> None:
    draw = np.random.default_rng(2)
    rate = {f"channel:{n}": draw.uniform(0.05, 0.95) for n in range(60)}
    rows = [("p_0", 7 * week, "interest", "channel:any") for week in range(60)]
    rows += [
        ("p_0", 7 * week, "interest", thing)
        for week in range(60)
        for thing, chance in rate.items()
        if draw.random() < chance
    ]
    table = evidence(rows)
    told = tell(fit("interests", "decayed", splits_of("interests", table)), table).to_pylist()
    inside = [row["low"] <= rate[row["thing"]] <= row["high"] for row in told if row["thing"] in rate]

    assert len(inside) > 30
    assert 0.75 <= np.mean(inside) <= 1.0


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("p_0", 3, "interest", "channel:a")],
        [("p_0", 3, "interest", "channel:a")] * 50,
        [("p_0", 7 * n, "interest", "channel:a") for n in range(60)],
        [("p_0", day, "interest", "channel:a") for day in (0, 400, 800)],
        [("p_0", -20_000, "interest", "channel:a"), ("p_0", 27_000, "interest", "channel:a")],
        [("p_0", 3, "interest", "")],
    ],
    ids=["nothing", "one event", "all on a day", "one thing", "gaps of a year", "1970 and 2099", "no label"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["counting", "decayed", "network", "frequency", "last_week"])
def test_f_d1_odd_lives_are_small_and_no_error(rows: list[tuple], name: str, model: ProfileModel) -> None:
    table = evidence(rows)
    splits = splits_of("interests", table)
    size, minimum = PROFILE.size(TASKS["interests"], splits), TASKS["interests"].minimum

    assert any(size[what] < least for what, least in minimum.items())
    assert not any(PROFILE.leakage(TASKS["interests"], splits).values())
    found = fit("interests", name, splits)
    assert PROFILE.evaluate(TASKS["interests"], found, splits, "test").subjects == []
    assert PROFILE.pictures(TASKS["interests"], found, splits)
    told = answer(found, table)
    assert told.said or "nothing to state" in told.note


def test_a_hundred_thousand_things_are_no_burden(model: ProfileModel) -> None:
    things = [("p_0", n // 300, "interest", f"channel:{n}") for n in range(100_000)]
    often = [("p_0", 7 * n, "interest", "channel:often") for n in range(47)]
    table = evidence(things[:1] + often)
    many = pa.table({
        **{name: pa.array([value] * len(things)) for name, value in table.slice(0, 1).to_pylist()[0].items()
           if name not in ("time", "thing", "label")},
        "time": pa.array([row[1] * 86_400_000_000 for row in things], pa.int64()).cast(TIME),
        "thing": pa.array([row[3] for row in things]), "label": pa.array([row[3] for row in things]),
    }).select(table.column_names).cast(table.schema)  # fmt: skip
    shifted = pa.table({name: many[name] if name != "time" else pc.add(many["time"], timedelta(days=19_723))
                        for name in many.column_names}).cast(table.schema)  # fmt: skip
    whole = pa.concat_tables([table, shifted])
    splits = splits_of("interests", whole)

    assert PROFILE.size(TASKS["interests"], splits)["events"] == whole.num_rows
    PROFILE.evaluate(TASKS["interests"], fit("interests", "counting", splits), splits, "test")
    assert answer(model, whole).said[0].what.startswith("watches often")


def test_an_id_is_found_by_its_beginning_and_doubt_is_said() -> None:
    ids = ["abcd11112222", "abcd33334444", "ffff00001111"]

    assert feedback.plan(ids, "ffff", "deny", NOW)["item"] == "ffff00001111"
    assert feedback.plan(ids, "abcd11112222", "allow", NOW)["verdict"] == "true"
    for asked, word, code in (
        ("abcd", "deny", "AMBIGUOUS"), ("eeee", "deny", "UNKNOWN"), ("fff", "deny", "UNKNOWN"),
        ("ffff", "like", "VERDICT"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=f"FORGE-STATEMENT-{code}"):
            feedback.plan(ids, asked, word, NOW)


def test_the_planted_life_of_the_example_export_is_found_again(tmp_path: Path) -> None:
    """Tastes, hours of watching, the weekly appointment, work on weekdays, and the circle of contacts."""
    tables, truth = exported(tmp_path / "exports", people=3, years=1)
    found = gather(tables).table
    models = {task: fit(task, "counting", splits_of(task, found).refit()) for task in TASKS}
    said = PROFILE.tell(models, {keys.EVIDENCE: found})[keys.PROFILE]
    for person in truth["people"]:
        own = [
            row
            for row in said.to_pylist()
            if person["person"] in row["subject"] or person["archives"][0] in row["export"]
        ]
        best = sorted(own, key=lambda row: -row["probability"])

        def top(facet: str, n: int, best: list[dict] = best) -> list[dict]:
            return [row for row in best if row["thing"].startswith(f"{facet}:")][:n]

        loved = list(person["taste"])
        assert sum(any(topic in row["label"] for topic in loved) for row in top("channel", 5)) >= 4
        assert top("site", 1)[0]["label"].startswith(loved[0].lower().replace(" ", "-"))
        blocks = [int(row["thing"].partition(":")[2]) % 8 for row in top("watch", 5)]
        near = {int((person["hour"] + shift) % 24) // 3 for shift in (-2.5, 0, 2.5)}
        assert sum(block in near for block in blocks) >= 4
        assert all("Synthetic weekly meeting" in row["label"] for row in top("appointment", 1))
        assert [row["label"] for row in top("place", 3)]
        assert all("Work" in row["label"] for row in top("place", 3))
        circle = {row["label"] for row in top("to", 5)}
        assert circle
        assert circle <= set(person["circle"])
