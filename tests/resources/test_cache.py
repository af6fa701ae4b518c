"""The cache: right or absent, never wrong; and what rests on it: champions and their answers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from forge_core.errors import ForgeError
from forge_resources.cache import KINDS, Cache
from forge_resources.registry import Registry
from forge_resources.settings import load_settings
from forge_resources.stores import Stores

ADA, BOB = "p_" + "a" * 20, "p_" + "b" * 20
NOWHERE = "unix:///nowhere/redis.sock"


class Maker:
    """Makes a value and knows how often it had to."""

    def __init__(self, value: Any = "made") -> None:
        self.value, self.times = value, 0

    def __call__(self) -> Any:
        self.times += 1
        return self.value


@pytest.fixture
def cache(home: Path) -> Cache:
    return Cache(load_settings().redis_url, 60, b"secret", "forge-test")


def client() -> Any:
    return redis.Redis.from_url(str(load_settings().redis_url))


def the_key(cache: Cache) -> bytes:
    (key,) = client().scan_iter("forge-test:cache:*")
    return key


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, "ü"]}, [], None, False, 0, "", b"\x00raw", b""])
def test_what_is_kept_comes_back(cache: Cache, value: Any) -> None:
    make = Maker(value)

    answers = [cache.get_or("prediction", ["k"], make) for _ in range(2)]

    assert answers == [value, value]
    assert make.times == 1


def test_an_array_comes_back_with_its_type_and_shape(cache: Cache) -> None:
    vector = np.arange(6, dtype=np.float16).reshape(2, 3)

    cache.get_or("intermediate", ["query"], lambda: vector)
    kept = cache.get_or("intermediate", ["query"], Maker("not asked"))

    assert kept.dtype == vector.dtype
    assert np.array_equal(kept, vector)


def test_what_would_need_pickle_is_not_kept(cache: Cache) -> None:
    with pytest.raises(ValueError, match=r"[Oo]bject arrays"):
        cache.get_or("intermediate", ["query"], lambda: np.array([object()]))
    with pytest.raises(TypeError):
        cache.get_or("prediction", ["k"], lambda: {1, 2})


def test_made_and_kept_answers_look_alike(cache: Cache) -> None:
    first, second = (cache.get_or("prediction", ["k"], lambda: {"pair": (1, 2)}) for _ in range(2))

    assert first == second == {"pair": [1, 2]}


def test_another_version_is_made_anew_and_replaces_the_old(cache: Cache) -> None:
    assert cache.get_or("prediction", ["k"], Maker("old"), version=["v1", 3]) == "old"
    assert cache.get_or("prediction", ["k"], Maker("new"), version=["v2", 3]) == "new"
    assert cache.get_or("prediction", ["k"], Maker("newer"), version=["v1", 3]) == "newer"
    assert cache.statistics()["prediction"]["stale"] == 2


@pytest.mark.parametrize(
    "other", [("model", ["k"], None), ("prediction", ["l"], None), ("prediction", ["k"], ADA)]
)
def test_kinds_parts_and_subjects_do_not_mix(cache: Cache, other: tuple) -> None:
    kind, parts, subject = other
    cache.get_or("prediction", ["k"], Maker("one"))

    assert cache.get_or(kind, parts, Maker("another"), subject=subject) == "another"


def test_it_ends_after_its_time(cache: Cache) -> None:
    cache.get_or("prediction", ["k"], Maker(), ttl_s=7)
    assert 0 < client().ttl(the_key(cache)) <= 7

    cache.clear()
    cache.get_or("prediction", ["k"], Maker())
    assert 7 < client().ttl(the_key(cache)) <= 60


def test_a_time_of_zero_switches_it_off(home: Path) -> None:
    off, make = Cache(load_settings().redis_url, 0), Maker()

    assert [off.get_or("prediction", ["k"], make) for _ in range(2)] == ["made", "made"]
    assert make.times == 2
    assert list(client().scan_iter("*")) == []


def test_nothing_personal_can_be_read_in_a_key(cache: Cache) -> None:
    cache.get_or("prediction", ["youtube:secret-film", ADA], Maker(), subject=ADA)

    key = the_key(cache).decode()
    assert ADA not in key
    assert "secret-film" not in key


def test_hits_are_counted_over_processes(cache: Cache) -> None:
    for _ in range(4):
        cache.get_or("prediction", ["k"], Maker())
    another = Cache(load_settings().redis_url, 60, b"secret", "forge-test")

    told = another.statistics()
    assert set(told) == set(KINDS)
    assert (told["prediction"]["hits"], told["prediction"]["misses"]) == (3, 1)
    assert told["prediction"]["hit_rate"] == 0.75
    assert told["model"]["hit_rate"] is None


def test_f_o8_flushed_is_a_miss(cache: Cache) -> None:
    make = Maker()
    cache.get_or("prediction", ["k"], make)
    client().flushdb()

    assert cache.get_or("prediction", ["k"], make) == "made"
    assert make.times == 2


@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty", "swapped", "another type", "nonsense"])
def test_f_o8_a_poisoned_value_is_made_anew(cache: Cache, damage: str) -> None:
    cache.get_or("prediction", ["k"], Maker("right"))
    key = the_key(cache)
    stored = client().get(key)
    assert isinstance(stored, bytes)
    if damage == "another type":
        client().delete(key)
        client().hset(key, "a", "b")
    elif damage == "swapped":  # a sound value of another key
        cache.get_or("prediction", ["other"], Maker("wrong"))
        (other,) = set(client().scan_iter("forge-test:cache:*")) - {key}
        client().set(key, client().get(other))
    else:
        flipped = stored[:-1] + bytes([stored[-1] ^ 1])
        client().set(
            key, {"truncated": stored[:-3], "one bit": flipped, "empty": b""}.get(damage, b"F1" * 40)
        )

    assert cache.get_or("prediction", ["k"], Maker("right")) == "right"
    unasked = Maker("not asked")
    assert cache.get_or("prediction", ["k"], unasked) == "right"
    assert unasked.times == 0


def test_f_o8_another_homes_secret_opens_nothing(cache: Cache) -> None:
    cache.get_or("prediction", ["k"], Maker("mine"))
    key, value = the_key(cache), client().get(the_key(cache))
    other = Cache(load_settings().redis_url, 60, b"another secret", "forge-test")
    other.get_or("prediction", ["k"], Maker("theirs"))
    for found in set(client().scan_iter("forge-test:cache:*")) - {key}:
        client().set(found, value)

    assert other.get_or("prediction", ["k"], Maker("made")) == "made"


def test_f_o8_without_redis_it_works_says_so_once_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    gone, make = Cache(NOWHERE, 60), Maker()

    answers = [gone.get_or("prediction", ["k"], make) for _ in range(3)]

    assert answers == ["made"] * 3
    assert len(caplog.records) == 1
    told = gone.statistics()["prediction"]
    assert (told["misses"], told["unavailable"], told["hits"]) == (3, 3, 0)
    with pytest.raises(ForgeError, match="FORGE-REDIS-DOWN"):
        gone.erase(ADA)


def test_a_value_that_is_too_large_is_not_kept(home: Path) -> None:
    small, make = Cache(load_settings().redis_url, 60, max_bytes=100), Maker("x" * 200)

    assert [small.get_or("prediction", ["k"], make) for _ in range(2)] == [make.value] * 2
    assert make.times == 2
    assert small.statistics()["prediction"]["too_large"] == 2


def test_many_who_ask_at_once_have_it_made_once(cache: Cache) -> None:
    begun, answers = threading.Barrier(6), []
    release = threading.Event()
    make = Maker()

    def slow() -> str:
        release.wait(1.0)
        return make()

    def ask() -> None:
        begun.wait()
        answers.append(cache.get_or("prediction", ["k"], slow))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join()

    assert answers == ["made"] * 6
    assert make.times == 1


def test_a_maker_that_fails_keeps_nothing_and_holds_up_nobody(cache: Cache) -> None:
    with pytest.raises(ZeroDivisionError):
        cache.get_or("prediction", ["k"], lambda: 1 / 0)

    assert cache.get_or("prediction", ["k"], Maker()) == "made"


def test_answers_about_a_subject_are_found_and_erased(cache: Cache) -> None:
    cache.get_or("prediction", ["k", 1], Maker("a"), subject=ADA)
    cache.get_or("prediction", ["k", 2], Maker("a"), subject=ADA)
    cache.get_or("prediction", ["k", 1], Maker("b"), subject=BOB)

    assert cache.find(ADA) == {"cache/prediction": 2}
    assert cache.erase(ADA) == {"cache/prediction": 2}
    assert cache.find(ADA) == {}
    assert cache.find(BOB) == {"cache/prediction": 1}


def test_a_kind_or_one_value_can_be_dropped(cache: Cache) -> None:
    for number in range(3):
        cache.get_or("model", ["m", number], Maker())
    cache.get_or("prediction", ["k"], Maker())

    assert cache.drop("model", ["m", 0]) == 1
    assert cache.drop("model") == 2
    assert cache.clear() == 1
    assert cache.statistics()["prediction"]["misses"] == 0


def champions(stores: Stores, tmp_path: Path, number: int) -> list[str]:
    """Registers ``number`` versions of a family; returns their names."""
    artifact = tmp_path / "artifact"
    artifact.mkdir(exist_ok=True)
    (artifact / "model.json").write_text("{}")
    run = stores.tracking.run("recommender", "a-dagster-run")
    return [
        stores.registry.register("recommender", artifact, run, {"candidate": f"c{n}"}) for n in range(number)
    ]


def test_a_champion_is_never_stale(mlflow_store: str, tmp_path: Path) -> None:
    stores = Stores()
    assert stores.registry.serving("recommender") is None
    first, second = champions(stores, tmp_path, 2)
    told = []
    for version in (first, first, second, first):  # promoted, looked up again, replaced, rolled back
        stores.registry.promote("recommender", version)
        serving = stores.registry.serving("recommender")
        assert serving is not None
        told.append((serving.version, serving.tags["candidate"], serving.folder.is_dir()))
    stores.tracking.client.delete_registered_model_alias("recommender", "champion")  # by other hands

    assert told == [(first, "c0", True), (first, "c0", True), (second, "c1", True), (first, "c0", True)]
    assert stores.registry.serving("recommender") is None
    assert stores.cache.statistics()["model"] | {"hits": 2, "misses": 2} == stores.cache.statistics()["model"]


def test_a_model_made_again_under_the_same_number_is_another(mlflow_store: str, tmp_path: Path) -> None:
    stores = Stores()
    (version,) = champions(stores, tmp_path, 1)
    stores.registry.promote("recommender", version)
    before = stores.registry.serving("recommender")
    stores.tracking.client.delete_registered_model("recommender")
    (again,) = champions(stores, tmp_path, 1)
    stores.registry.promote("recommender", again)
    after = stores.registry.serving("recommender")

    assert before is not None
    assert after is not None
    assert before.version == after.version
    assert before.stamp != after.stamp


def test_f_o8_without_redis_champions_are_found(mlflow_store: str, tmp_path: Path) -> None:
    stores = Stores()
    (version,) = champions(stores, tmp_path, 1)
    stores.registry.promote("recommender", version)

    serving = Registry(stores.tracking, Cache(NOWHERE, 60)).serving("recommender")

    assert serving is not None
    assert serving == stores.registry.serving("recommender")
