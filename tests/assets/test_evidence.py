"""``insights/evidence``: gathered from whatever is there, of those who consented; and the profile that rests on it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import dagster as dg
import pyarrow as pa
import pytest

from forge_assets.families import family_assets
from forge_assets.insights import evidence, insights
from forge_core import keys
from forge_core.errors import Refused, UsageError
from forge_models.nlp import NLP
from forge_models.profile import PROFILE
from forge_models.profile.candidates import Foretell
from forge_resources import features, statements
from forge_resources.settings import Settings, load_settings
from forge_resources.statements_told import judge, statements_told
from forge_resources.stores import Stores
from tests.assets.conftest import checks
from tests.resources.lives import at, happened

NETWORKS = ("network",)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closed forms alone: what trains is tried in tests/models/profile."""
    for task in PROFILE.tasks:
        kept = [one for one in task.candidates if isinstance(one, Foretell) and one.name not in NETWORKS]
        monkeypatch.setitem(task.__dict__, "candidates", kept)
    return


@pytest.fixture
def lived(stores: Stores, quick: None) -> Stores:
    """Three people who watch what they love, week after week; nobody writes a word."""
    draw = random.Random(1)
    for person in ("anna", "ben", "cleo"):
        loves = draw.sample(range(30), 4)
        rows = []
        for day in range(7 * 40):
            number = draw.choice(loves) if draw.random() < 0.7 else draw.randrange(30)
            rows.append({
                "subject": stores.vault.token(person), "time": at(day, 20), "categories": [],
                "event_id": uuid.UUID(int=draw.getrandbits(128)), "item": f"youtube:{number}",
                "channel": f"Channel {number}", "channel_id": f"UC{number}",
            })  # fmt: skip
        happened(stores.database, "watch", rows)
    from forge_core.features import TABLES
    from forge_resources.chunking import chunks

    for table in TABLES:
        features.build(stores.database, table, "1", chunks if table.name == "chunks" else None)
    stores.consent.grant_all("test")
    return stores


def build(stores: Stores, *families: object) -> dg.ExecuteInProcessResult:
    made = [asset for family in families for asset in (*family_assets(family), insights(family))]  # type: ignore[arg-type]
    return dg.materialize(
        [evidence, *made],
        resources={"stores": stores},
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def built(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}


def test_another_family_without_consent_holds_nothing_back(lived: Stores) -> None:
    lived.consent.set("understand", "denied", "test")
    for name in NLP.inputs:
        if not lived.database.exists(keys.table(name)):  # reference sets, which nobody is behind
            lived.database.write(keys.table(name), pa.table({"number": [1]}))

    result = build(lived, NLP, PROFILE)

    assert result.success
    assert not checks(result)["nlp/training_set:ready"][0]
    assert "insights/topics" not in built(result)
    assert {keys.EVIDENCE, "profile/training_set", "profile/champion", keys.PROFILE} <= built(result)
    assert lived.database.count("insights.profile") > 0
    version = lived.versions.all()[keys.EVIDENCE]
    assert version.state == "built"


def test_rows_of_who_did_not_consent_to_profiles_are_not_even_gathered(lived: Stores) -> None:
    lived.consent.set("profile", "denied", "test", subject=lived.vault.token("ben"))
    build(lived, PROFILE)

    said = {one for (one,) in lived.database.rows("select distinct subject from insights.evidence")}
    assert said == {lived.vault.token("anna"), lived.vault.token("cleo")}
    settings = load_settings()
    with pytest.raises(Refused, match="FORGE-CONSENT"):
        statements.statements(settings, "profile", "ben")
    with pytest.raises(UsageError, match="FORGE-SUBJECT-UNKNOWN"):
        statements.statements(settings, "profile", "nobody")


def test_a_denied_statement_is_gone_at_once_and_stays_away(lived: Stores) -> None:
    build(lived, PROFILE)
    settings: Settings = load_settings()
    first = statements_told(lived, "anna")["statements"][0]
    assert first["what"] in [
        one["what"] for one in statements.statements(settings, "profile", "anna")["statements"]
    ]
    before = lived.feedback.version()

    assert judge(lived, "deny", first["statement"][:6], dry_run=True)["statement"] == first["statement"]
    assert lived.feedback.version() == before
    judge(lived, "deny", first["statement"][:6])

    def said() -> list[str]:
        return [one["what"] for one in statements.statements(settings, "profile", "anna")["statements"]]

    assert lived.feedback.counts() == {"statement false": 1}
    assert lived.feedback.version() != before
    assert first["what"] not in said()
    assert first["statement"] not in [one["statement"] for one in statements_told(lived)["statements"]]
    assert statements_told(lived, "anna")["denied"] == [first["statement"]]
    assert statements_told(lived, "ben")["denied"] == []

    happened(lived.database, "watch", [
        {"subject": lived.vault.token("anna"), "time": at(day, 21), "item": "youtube:x", "channel": first["what"],
         "channel_id": None, "categories": []} for day in range(200, 280)
    ])  # fmt: skip
    result = build(lived, PROFILE)
    told = result.asset_materializations_for_node("profile_insights")[0].metadata
    assert told["denied"].value == 1
    assert (
        lived.database.rows("select 1 from insights.profile where statement = %s", (first["statement"],))
        == []
    )
    assert first["what"] not in said()

    judge(lived, "allow", first["statement"])
    assert first["what"] in said()


def test_sensitive_things_are_held_back_and_only_counted(lived: Stores) -> None:
    weekly = [
        {"subject": lived.vault.token("anna"), "time": at(7 * n, 9), "item": "youtube:b", "channel": "Bible hour",
         "channel_id": "UCb", "categories": []} for n in range(20)
    ]  # fmt: skip
    happened(lived.database, "watch", weekly)
    result = build(lived)

    told = result.asset_materializations_for_node("evidence.gather_evidence")
    told = told or [event.materialization for event in result.get_asset_materialization_events()]
    assert told[0].metadata["held_back_religion"].value == 20
    assert "Bible" not in str(told[0].metadata)
    assert lived.database.count("insights.evidence", "label like 'Bible%%'") == 0


def test_without_consent_nothing_is_gathered_and_nothing_learned(lived: Stores) -> None:
    lived.consent.set("profile", "denied", "test")
    result = build(lived, PROFILE)

    assert result.success
    assert lived.database.count("insights.evidence") == 0
    assert not checks(result)["profile/training_set:ready"][0]
    with pytest.raises(Refused, match="FORGE-NO-STATEMENTS"):
        statements_told(lived)


def test_statements_are_found_and_erased_with_their_subject(lived: Stores) -> None:
    build(lived, PROFILE)
    anna = lived.vault.token("anna")
    judge(lived, "deny", statements_told(lived, "anna")["statements"][0]["statement"])
    found = lived.database.find(anna)

    assert {"insights.evidence", "insights.profile", "governance.feedback"} <= {
        n for n, c in found.items() if c
    }
    lived.database.erase(anna)
    assert not any(lived.database.find(anna).values())


def test_a_run_of_the_whole_graph_can_be_planned() -> None:
    """Inputs with blocking checks do not fit into a list of inputs: Dagster refuses to launch such a run."""
    from dagster._core.execution.api import create_execution_plan

    from definitions import build_defs

    plan = create_execution_plan(build_defs().get_repository_def().get_job("build_everything"))
    step = plan.get_step_by_key("insights__evidence.gather_evidence")

    assert step.step_inputs
    assert all(one.dependency_keys is not None for one in step.step_inputs)
