"""``forge build``: selections, plans against the stores, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_cli.build import Built, chosen, plan, with_ancestors
from forge_cli.client import Event, Outcome, error_text, read_event
from forge_core import keys
from forge_core.errors import UsageError
from forge_core.staleness import Node
from forge_resources.settings import load_settings
from forge_resources.stores import Stores
from forge_resources.versions import BUILT, Version

GRAPH = {
    "governance/consent/recommend": Node((), "1"),
    "raw/watch": Node((), "1"),
    "clean/watch": Node(("raw/watch", "governance/consent/recommend"), "1"),
    "recommender/training_set": Node(("clean/watch",), "1"),
    "recommender/champion": Node(("recommender/training_set",), "1"),
}


@pytest.fixture
def stores(home: Path) -> Stores:
    found = Stores(load_settings())
    found.database.ensure()
    return found


def test_a_selection_is_an_asset_a_group_or_a_pattern() -> None:
    assert chosen(GRAPH, ["recommender/champion"]) == {"recommender/champion"}
    assert chosen(GRAPH, ["recommender"]) == {"recommender/training_set", "recommender/champion"}
    assert chosen(GRAPH, ["clean/*"]) == {"clean/watch"}
    assert chosen(GRAPH, []) == set(GRAPH)


def test_f_i3_a_selection_of_nothing_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="FORGE-SELECTION"):
        chosen(GRAPH, ["recomender"])


def test_a_selected_asset_brings_its_ancestors_along() -> None:
    assert with_ancestors(GRAPH, {"clean/watch"}) == {
        "clean/watch",
        "raw/watch",
        "governance/consent/recommend",
    }


def test_raw_tables_are_made_by_exports_and_never_planned(stores: Stores) -> None:
    assert list(plan(stores, GRAPH)) == [key for key in GRAPH if key != "raw/watch"]


def test_consent_given_since_makes_its_asset_stale_and_what_rests_on_it(stores: Stores) -> None:
    for key in plan(stores, GRAPH):
        version = stores.consent.version("recommend") if "consent" in key else key
        inputs = stores.versions.current(GRAPH[key].dependencies)
        stores.versions.record(key, Version(BUILT, version, "1", inputs), "run")
    assert plan(stores, GRAPH) == {}

    stores.consent.grant_all("a test")

    assert "recommender/champion" in plan(stores, GRAPH)
    assert next(iter(plan(stores, GRAPH))) == keys.consent("recommend")


def test_exit_3_only_where_the_named_asset_was_itself_refused() -> None:
    built = Built({}, None, [{"asset": "recommender/champion", "state": "refused"}])

    assert built.exit_code(["recommender/champion"]) == 3
    assert built.exit_code(["recommender"]) == 0
    assert built.exit_code([]) == 0


def test_a_failed_run_is_exit_1_whatever_was_named() -> None:
    failed = Built({"a": "missing"}, Outcome("r", "FAILURE"), [{"asset": "a", "state": "refused"}])

    assert failed.exit_code(["a"]) == 1


def test_a_forge_error_is_told_in_its_own_words_without_a_traceback() -> None:
    chain = {
        "message": "dagster._core.errors.DagsterExecutionStepExecutionError: Error occurred\n",
        "errorChain": [{"error": {"message": "forge_core.errors.ForgeError: [FORGE-X] It broke.\n"}}],
    }

    assert error_text(chain) == "[FORGE-X] It broke."


def test_another_error_is_told_by_its_innermost_line() -> None:
    chain = {"message": "outer\n", "errorChain": [{"error": {"message": "ValueError: inner\n  at line 3\n"}}]}

    assert error_text(chain) == "ValueError: inner"


def test_an_outcome_gathers_what_happened() -> None:
    raw = {
        "__typename": "ExecutionStepStartEvent",
        "stepKey": "clean__watch",
        "timestamp": "1000",
        "message": "",
    }
    outcome = Outcome("run")

    for event in (read_event(raw), Event("failed", "clean/watch", 2.0, message="[FORGE-X] It broke.")):
        assert event is not None
        outcome.take(event)

    assert outcome.steps == {"clean/watch": "failed"}
    assert outcome.failures == [{"step": "clean/watch", "message": "[FORGE-X] It broke."}]
