"""The whole way, once: a cohort's exports → raw → … → a champion that answers, through the command alone.

One home, one ``forge up`` and one build are shared by all tests here; they run in order and only look, but
for the last few, which ingest again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from examples.generator import generate
from forge_resources.settings import load_settings
from forge_resources.stack.processes import running
from forge_resources.stores import Stores
from tests.conftest import SERVERS

# servers, thirty exports and five families: some minutes on an idle machine
pytestmark = [pytest.mark.whole_way, pytest.mark.timeout(1500)]
LIMIT_S = 1200  # of one command

ROOT = Path(__file__).resolve().parents[2]
# a cohort whose taste is in what is written of items: content surely beats both baselines
PEOPLE, YEARS, SEED = 30, 0.5, 4


@dataclass
class Home:
    """A home with a running ``forge up``, and what ingest and build said in it."""

    environment: dict[str, str]
    exports: Path
    ingest: dict[str, Any]
    build: dict[str, Any]

    def forge(self, *arguments: str | Path) -> tuple[int, Any]:
        """(exit code, the JSON document) of ``forge ARGUMENTS --json``."""
        return run(self.environment, *arguments)


def run(environment: dict[str, str], *arguments: str | Path) -> tuple[int, Any]:
    command = [sys.executable, "-m", "forge_cli.main", *map(str, arguments), "--json"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="session")
def whole_way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("whole way")  # a space in its path, as people have
    exports = generate(folder / "exports", people=PEOPLE, years=YEARS, seed=SEED)
    environment = {name: value for name, value in os.environ.items() if name not in SERVERS}
    environment |= {"FORGE_HOME": str(folder / "home"), "FORGE_PRESET": "quick", "FORGE_UI_PORT": "0"}
    with open(folder / "up.log", "wb") as log:
        up = subprocess.Popen(
            [sys.executable, "-m", "forge_cli.main", "up", "--port", "0"],
            env=environment,
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        try:
            settings = load_settings(home=folder / "home")
            deadline = time.monotonic() + 120
            while running(settings) is None:
                assert up.poll() is None, (folder / "up.log").read_text()
                assert time.monotonic() < deadline, (folder / "up.log").read_text()
                time.sleep(0.2)
            code, ingested = run(environment, "ingest", exports)
            assert code == 0, ingested
            code, built = run(environment, "build")
            assert code == 0, built
            yield Home(environment, exports, ingested, built)
        finally:
            up.terminate()
            up.wait(60)


def state(home: Home, asset: str) -> dict[str, Any]:
    return next(row for row in home.build["assets"] if row["asset"] == asset)


def test_every_export_is_published_with_rows_and_named_synthetic(whole_way: Home) -> None:
    exports = whole_way.ingest["exports"]

    assert len(exports) == PEOPLE
    assert {export["status"] for export in exports} == {"published"}
    assert whole_way.ingest["population"] == "synthetic"
    assert whole_way.ingest["new_rows"] == whole_way.ingest["rows"] > 1000


def test_one_build_makes_the_whole_graph(whole_way: Home) -> None:
    assert whole_way.build["run"]["status"] == "success"
    others = {
        row["asset"]: row for row in whole_way.build["assets"] if row["state"] not in ("built", "published")
    }
    assert others == {}


def test_raw_rows_reach_the_features(whole_way: Home) -> None:
    assert state(whole_way, "clean/watch")["rows"] > 1000
    assert state(whole_way, "features/subjects")["rows"] == PEOPLE


def test_the_champion_beats_its_baselines(whole_way: Home) -> None:
    metric = state(whole_way, "recommender/champion")["metrics"][0]

    assert metric["value"] > max(metric["baselines"].values())


def test_no_blocking_check_failed(whole_way: Home) -> None:
    failed = {name for row in whole_way.build["assets"] for name in row["checks_failed"]}

    assert not failed & {"structure", "leakage"}


@pytest.fixture(scope="session")
def stores(whole_way: Home) -> Stores:
    """The home's tables, as a step of Dagster sees them."""
    code, environment = whole_way.forge("env")
    assert code == 0
    return Stores(
        load_settings(home=whole_way.environment["FORGE_HOME"], postgres_url=environment["POSTGRES_URL"])
    )


def planted(home: Home, what: str) -> dict[str, Any]:
    """What the generator planted into some people, by their address."""
    truth = json.loads((home.exports / "truth.json").read_text())
    return {person["email"]: person[what] for person in truth["people"] if person[what]}


def test_planted_logins_are_told_as_alerts(whole_way: Home, stores: Stores) -> None:
    """Those of the later half, when there are habits to differ from; each with its reason in words."""
    middle = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=365 * YEARS / 2)
    odd = {who: datetime.fromisoformat(time) for who, time in planted(whole_way, "odd_login").items()}
    late = {who: time for who, time in odd.items() if time > middle}
    assert late
    told = {
        (subject, time): reasons
        for subject, time, reasons in stores.database.rows(
            "select subject, date_trunc('second', time), reasons from insights.alerts where task = 'account'"
        )
    }
    found = [told.get((stores.vault.token(who), time)) for who, time in late.items()]
    assert all(reasons and any("country" in reason for reason in reasons) for reasons in found)
    weeks = PEOPLE * 52 * YEARS
    assert len(told) - len(odd) <= weeks  # one false alert a week and person at most


def test_planted_turns_of_mood_are_seen(whole_way: Home, stores: Stores) -> None:
    """The weeks of the chat before the turn and those after it, of every person whose mood turns."""
    seen = []
    for who, turn in planted(whole_way, "mood_turn").items():
        rows = stores.database.rows(
            "select week >= %s, sum(score * texts) / sum(texts) from insights.sentiment"
            " where subject = %s and source = 'google_chat' group by 1",
            (datetime.fromisoformat(turn["time"]), stores.vault.token(who)),
        )
        means = dict(rows)
        seen.append((means[True] < means[False]) == (turn["way"] == "worse"))
    assert len(seen) >= 5
    assert all(seen)


def test_a_text_of_ones_own_is_read_and_not_kept(whole_way: Home, stores: Stores) -> None:
    code, answer = whole_way.forge("predict", "nlp", "--text", "It was a wonderful evening, I loved it.")

    assert code == 0
    said = {one["task"]: one for one in answer["statements"]}
    assert said["sentiment"]["value"] > 0
    assert said["language"]["what"].endswith("en.")


@pytest.mark.parametrize("family", ["nlp", "behavior", "anomaly", "profile"])
def test_every_family_answers_with_its_sources(whole_way: Home, family: str) -> None:
    who = next(iter(planted(whole_way, "odd_login")))

    code, answer = whole_way.forge("predict", family, "--subject", who)

    assert code == 0
    assert answer["statements"]
    assert any(one["sources"] and one["events"] for one in answer["statements"])
    assert answer["models"]


def test_a_prediction_names_its_reasons_and_its_model(whole_way: Home) -> None:
    truth = json.loads((whole_way.exports / "truth.json").read_text())

    code, answer = whole_way.forge(
        "predict", "recommender", "--subject", truth["people"][0]["email"], "-k", "5"
    )

    assert code == 0
    assert len(answer["items"]) == 5
    assert all(item["title"] and item["reasons"] for item in answer["items"])
    assert answer["model_version"]


def test_somebody_unknown_gets_no_answer(whole_way: Home) -> None:
    code, answer = whole_way.forge("predict", "recommender", "--subject", "nobody@example.test")

    assert code == 2
    assert answer["error"]["code"] == "FORGE-SUBJECT-UNKNOWN"


def test_the_registry_lists_the_champion(whole_way: Home) -> None:
    _, answer = whole_way.forge("models")

    assert ["challenger", "champion"] in [model["aliases"] for model in answer["models"]]


def test_what_was_built_is_fresh(whole_way: Home) -> None:
    code, answer = whole_way.forge("build", "--dry-run")

    assert code == 0
    assert answer["planned"] == {}


def test_f_a6_the_same_exports_twice_bring_no_new_rows_and_succeed(whole_way: Home) -> None:
    code, answer = whole_way.forge("ingest", whole_way.exports)

    assert code == 0
    assert answer["new_rows"] == 0
    assert answer["run"] is None


def test_f_a6_a_newer_overlapping_export_adds_only_what_is_new(whole_way: Home, tmp_path: Path) -> None:
    # the first person's earlier export, in the other file format: all of it is in the newer one already
    overlapping = generate(tmp_path / "older", people=1, years=YEARS, seed=SEED, overlap=1)

    code, answer = whole_way.forge("ingest", overlapping)

    older = [export for export in answer["exports"] if export["status"] == "published"]
    watched = sum(export["kinds"]["watch"]["rows"] for export in older)
    assert code == 0
    assert watched > 0
    assert sum(export["kinds"]["watch"]["new_rows"] for export in older) == 0


def test_status_tells_it_all_without_a_run(whole_way: Home) -> None:
    code, answer = whole_way.forge("status", "--exports")

    assert code == 0
    assert answer["population"] == "synthetic"
    assert answer["champions"]["recommender"][0]["name"] == "ndcg@10"


def test_alerts_are_listed_and_can_be_false(whole_way: Home) -> None:
    code, answer = whole_way.forge("alerts")
    assert code == 0
    first = answer["incidents"][0]["incident"]

    code, _ = whole_way.forge("alerts", "false", first)
    assert code == 0

    _, after = whole_way.forge("alerts")
    assert first not in [one["incident"] for one in after["incidents"]]
