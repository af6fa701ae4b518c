"""A person's state in Redis: equal to the history, moved on by events, made anew when it is not of what is stored."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import redis

from forge_core.errors import ForgeError, Refused, UsageError
from forge_models.recommender.sequential_model import SequentialModel
from forge_models.recommender.storing import save
from forge_resources import answers, champions
from forge_resources.personal_state import Kept, PersonalStates
from forge_resources.stores import Stores
from forge_resources.versions import BUILT, Version
from tests.models.sequences import ITEMS, model
from tests.resources.feature_rows import BY_NAME, add, make, on

INTERACTIONS = BY_NAME["interactions"]
FAMILY, PURPOSE = "recommender", "recommend"
VERSION = ["1", "stamp", "catalogue"]
CLOSE = 1e-4


def item(number: int) -> str:
    return f"test:item{number:05d}"


def seen(subject: str, number: int, position: int, source: str = "s") -> dict:
    times = {"first_time": on(1 + position), "last_time": on(1 + position), "known_at": on(1 + position)}
    counts = {"count": 1, "strength": 1.0, "source": source, "export": "e"}
    return {"subject": subject, "item": item(number), "position": position, **times, **counts}


@pytest.fixture
def stores(home: Path) -> Stores:
    """A home in which one person has watched three items."""
    stores = Stores()
    stores.database.ensure()
    make(stores.database, INTERACTIONS, [seen(me(stores), number, number) for number in range(3)])
    make(
        stores.database,
        BY_NAME["items"],
        [{"item": item(n), "title": f"Film {n}", "subjects": 1} for n in range(9)],
    )
    stores.consent.set(PURPOSE, "granted", "test")
    return stores


@pytest.fixture(scope="module")
def fitted() -> SequentialModel:
    return model()


def me(stores: Stores) -> str:
    return stores.vault.pseudonyms.person("me")


def current(stores: Stores, fitted: SequentialModel, version: list[str] = VERSION) -> Kept:
    return stores.personal_states.current(FAMILY, PURPOSE, me(stores), fitted, version)


def tell(stores: Stores, number: int, day: int = 10) -> None:
    stores.online_events.append(me(stores), item(number), on(day))


def scores(fitted: SequentialModel, kept: Kept) -> np.ndarray:
    found = fitted.recall(kept.state).scores
    assert found is not None
    return found


def recomputed(stores: Stores, fitted: SequentialModel) -> np.ndarray:
    """What the whole history says, by a store that has no Redis."""
    without = PersonalStates(stores.online_events, stores.consent, None)
    kept = without.current(FAMILY, PURPOSE, me(stores), fitted, VERSION)
    assert kept.made == "anew"
    return scores(fitted, kept)


# --- moved on -------------------------------------------------------------------------------------


def test_a_state_is_made_once_and_found_then(stores: Stores, fitted: SequentialModel) -> None:
    assert [current(stores, fitted).made for _ in range(2)] == ["anew", "found"]


def test_events_move_it_on_and_it_stays_equal_to_the_history(stores: Stores, fitted: SequentialModel) -> None:
    current(stores, fitted)
    for number in range(3, 20):
        tell(stores, number)
        kept = current(stores, fitted)
        assert kept.made == "moved on"
        np.testing.assert_allclose(scores(fitted, kept), recomputed(stores, fitted), atol=CLOSE)
    assert kept.state.events == 20
    assert kept.sources == ["event", "s"]


def test_several_events_told_while_nobody_looked_are_caught_up_with(
    stores: Stores, fitted: SequentialModel
) -> None:
    current(stores, fitted)
    for number in (7, 5, 9):
        tell(stores, number)

    kept = current(stores, fitted)

    assert kept.made == "moved on"
    np.testing.assert_allclose(scores(fitted, kept), recomputed(stores, fitted), atol=CLOSE)


def test_a_known_item_told_again_changes_nothing(stores: Stores, fitted: SequentialModel) -> None:
    before = scores(fitted, current(stores, fitted))
    tell(stores, 1)

    np.testing.assert_array_equal(scores(fitted, current(stores, fitted)), before)
    np.testing.assert_allclose(recomputed(stores, fitted), before, atol=CLOSE)


def test_the_same_event_told_twice_is_one(stores: Stores) -> None:
    numbers = {stores.online_events.append(me(stores), item(5), on(10)) for _ in range(2)}

    assert len(numbers) == 1
    assert len(stores.online_events.since(me(stores), 0)) == 1


# --- made anew ------------------------------------------------------------------------------------


def another_export(stores: Stores) -> None:
    add(stores.database, INTERACTIONS, [seen(me(stores), 8, 3)])


def an_export_that_holds_what_was_told(stores: Stores) -> None:
    tell(stores, 4)
    add(stores.database, INTERACTIONS, [seen(me(stores), 5, 3), seen(me(stores), 4, 4)])


def consent_taken_from_a_source(stores: Stores) -> None:
    add(stores.database, INTERACTIONS, [seen(me(stores), 8, 3, "other")])
    stores.consent.set(PURPOSE, "denied", "test", source="other")


def redis_emptied(stores: Stores) -> None:
    with redis.Redis.from_url(str(stores.settings.redis_url)) as client:
        client.flushall()


def value_damaged(stores: Stores) -> None:
    with redis.Redis.from_url(str(stores.settings.redis_url)) as client:
        (key,) = client.keys("*:state:*")
        value = client.get(key)
        assert isinstance(value, bytes)
        client.set(key, value[:60] + bytes([value[60] ^ 1]) + value[61:])


def value_of_somebody_else(stores: Stores) -> None:
    """Copied under this person's key: the checksum covers the key."""
    other = stores.vault.pseudonyms.person("other")
    add(stores.database, INTERACTIONS, [seen(other, 9, 0)])
    stores.personal_states.current(FAMILY, PURPOSE, other, model(), VERSION)
    with redis.Redis.from_url(str(stores.settings.redis_url)) as client:
        mine, theirs = (stores.personal_states._key(FAMILY, VERSION[0], one) for one in (me(stores), other))
        value = client.get(theirs)
        assert isinstance(value, bytes)
        client.set(mine, value)


@pytest.mark.parametrize(
    "change",
    [
        another_export,
        an_export_that_holds_what_was_told,
        consent_taken_from_a_source,
        redis_emptied,
        value_damaged,
        value_of_somebody_else,
    ],
)
def test_f_o8_what_is_not_of_what_is_stored_is_made_anew(
    stores: Stores, fitted: SequentialModel, change: Callable[[Stores], None]
) -> None:
    current(stores, fitted)

    change(stores)

    kept = current(stores, fitted)
    assert kept.made == "anew"
    np.testing.assert_allclose(scores(fitted, kept), recomputed(stores, fitted), atol=CLOSE)
    assert current(stores, fitted).made == "found"


@pytest.mark.parametrize(
    "version", [["2", "stamp", "catalogue"], ["1", "other", "catalogue"], ["1", "stamp", "new"]]
)
def test_a_state_of_another_model_is_not_used(
    stores: Stores, fitted: SequentialModel, version: list[str]
) -> None:
    current(stores, fitted)

    assert current(stores, fitted, version).made == "anew"


def test_f_o8_without_redis_the_history_answers(
    stores: Stores, fitted: SequentialModel, tmp_path: Path
) -> None:
    gone = PersonalStates(stores.online_events, stores.consent, f"unix://{tmp_path}/nothing.sock")

    kept = gone.current(FAMILY, PURPOSE, me(stores), fitted, VERSION)

    assert kept.made == "anew"
    with pytest.raises(ForgeError, match="FORGE-REDIS-DOWN"):
        gone.erase(me(stores))


def test_a_state_ends_by_itself_when_nobody_asks(stores: Stores, fitted: SequentialModel) -> None:
    current(stores, fitted)
    with redis.Redis.from_url(str(stores.settings.redis_url)) as client:
        (key,) = client.keys("*:state:*")
        assert 0 < client.ttl(key) <= stores.settings.state_ttl_s


# --- find and erase -------------------------------------------------------------------------------


def test_f_c3_states_and_events_are_found_and_erased(stores: Stores, fitted: SequentialModel) -> None:
    tell(stores, 5)
    current(stores, fitted)
    current(stores, fitted, ["2", "stamp", "catalogue"])

    assert stores.personal_states.find(me(stores)) == {"state/recommender": 2}
    assert stores.database.find(subject=me(stores))["online.events"] == 1
    assert stores.personal_states.erase(me(stores)) == {"state/recommender": 2}
    assert stores.database.erase(subject=me(stores))["online.events"] == 1
    assert stores.personal_states.find(me(stores)) == {}
    with redis.Redis.from_url(str(stores.settings.redis_url)) as client:
        assert client.keys("*:state:*") == []


def test_keys_name_nobody(stores: Stores, fitted: SequentialModel) -> None:
    current(stores, fitted)
    with redis.Redis.from_url(str(stores.settings.redis_url)) as client:
        (key,) = client.keys("*:state:*")
    assert me(stores).encode() not in key


# --- answers --------------------------------------------------------------------------------------


@pytest.fixture
def served(mlflow_store: str, stores: Stores, fitted: SequentialModel, tmp_path: Path) -> Stores:
    """The same home with the sequential model in service."""
    save(fitted, tmp_path / "model")
    run = stores.tracking.run(FAMILY, "a-dagster-run")
    version = stores.registry.register(FAMILY, tmp_path / "model", run, {"candidate": "sequential"})
    stores.registry.promote(FAMILY, version)
    stores.versions.record("features/items", Version(BUILT, "v1", "c", {}), "run")
    champions._models.clear()
    return Stores()


def best(stores: Stores, **asked: float) -> list[str]:
    return [i["item"] for i in answers.predict(stores.settings, FAMILY, "me", 5, **asked)["items"]]


def test_an_event_changes_the_next_answer_and_is_not_recommended(served: Stores) -> None:
    before = best(served)

    told = answers.event(served.settings, "me", before[0])

    assert told["state"] == "moved on"
    assert told["events"] == 4
    assert before[0] not in best(served)
    answer = answers.predict(served.settings, FAMILY, "me", 5)
    assert answer["from"] == {"events": 4, "sources": ["event", "s"], "exports": ["e"], "state": "found"}
    assert answer["items"][0]["reasons"]


def test_diversity_and_recency_make_other_answers(served: Stores) -> None:
    assert len({tuple(best(served, **asked)) for asked in ({}, {"diversity": 1.0})}) == 2


def test_an_event_is_history_for_a_champion_without_states_too(served: Stores, tmp_path: Path) -> None:
    from forge_models.recommender.models import PopularityModel

    names = [item(n) for n in range(ITEMS)]
    save(PopularityModel(names, np.arange(ITEMS), 9), tmp_path / "popular")
    run = served.tracking.run(FAMILY, "another-run")
    version = served.registry.register(FAMILY, tmp_path / "popular", run, {"candidate": "popularity"})
    served.registry.promote(FAMILY, version)
    first = best(served)[0]

    assert answers.event(served.settings, "me", first)["state"] is None
    assert first not in best(served)


def test_f_p_without_consent_an_event_is_refused_and_nothing_is_kept(served: Stores) -> None:
    served.consent.set(PURPOSE, "denied", "test", source="event")

    with pytest.raises(Refused, match="FORGE-CONSENT"):
        answers.event(served.settings, "me", item(7))
    assert served.online_events.since(me(served), 0) == []


def test_consent_withdrawn_later_takes_the_event_out_of_the_answer(served: Stores) -> None:
    before = best(served)
    answers.event(served.settings, "me", item(40))
    served.consent.set(PURPOSE, "denied", "test", source="event")

    assert best(served) == before


def test_f_p_consent_withdrawn_altogether_is_no_answer_though_a_state_is_kept(served: Stores) -> None:
    best(served)
    served.consent.set(PURPOSE, "denied", "test")

    with pytest.raises(Refused, match="FORGE-CONSENT"):
        best(served)


def test_an_item_never_seen_is_kept_and_leaves_the_state_as_it_was(served: Stores) -> None:
    before = best(served)
    told = answers.event(served.settings, "me", "test:never-heard-of")

    assert not told["in_catalogue"]
    assert best(served) == before
    assert len(served.online_events.since(me(served), 0)) == 1


def test_a_person_of_one_told_event_has_an_answer(served: Stores) -> None:
    with pytest.raises(UsageError, match="FORGE-SUBJECT-UNKNOWN"):
        answers.event(served.settings, "somebody", item(1))
    answers.event(served.settings, "somebody", item(1), new=True)

    answer = answers.predict(served.settings, FAMILY, "somebody", 3)

    assert answer["note"] == ""
    assert len(answer["items"]) == 3


@pytest.mark.parametrize("wrong", ["nameless", "", "test:", "a b:c", "test:x\ny", "test:" + "x" * 600])
def test_what_is_no_item_is_wrong_usage(served: Stores, wrong: str) -> None:
    with pytest.raises(UsageError, match="FORGE-EVENT-ITEM"):
        answers.event(served.settings, "me", wrong)


def test_f_p9_the_future_is_refused_and_the_past_is_not(served: Stores) -> None:
    with pytest.raises(UsageError, match="FORGE-EVENT-TIME"):
        answers.event(served.settings, "me", item(7), datetime.now(UTC) + timedelta(days=3))
    answers.event(served.settings, "me", item(7), datetime(2001, 1, 1))

    assert best(served)


def test_answers_import_torch_only_when_one_is_made() -> None:
    code = "import sys, forge_resources.answers; print({'torch', 'numpy', 'scipy'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
    )
