"""A champion's answer from the cache is the one that would be made: whatever it rests on, a change makes it anew."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from forge_core.errors import Refused, UsageError
from forge_models.recommender.models import PopularityModel
from forge_models.recommender.storing import save
from forge_resources.answers import predict
from forge_resources.stores import Stores
from forge_resources.versions import BUILT, Version
from tests.resources.feature_rows import BY_NAME, add, make

INTERACTIONS, ITEMS = BY_NAME["interactions"], BY_NAME["items"]
NAMES = ["yt:a", "yt:b", "yt:c"]


def seen(subject: str, item: str, position: int) -> dict:
    counts = {"count": 1, "strength": 1.0, "source": "s", "export": "e"}
    return {"subject": subject, "item": item, "position": position, **counts}


def promote(stores: Stores, folder: Path, counts: list[int]) -> str:
    """A champion that recommends by these counts."""
    save(PopularityModel(NAMES, np.array(counts), 9), folder)
    run = stores.tracking.run("recommender", "a-dagster-run")
    version = stores.registry.register("recommender", folder, run, {"candidate": "popularity"})
    stores.registry.promote("recommender", version)
    return version


@pytest.fixture
def stores(mlflow_store: str, tmp_path: Path) -> Stores:
    """A home in which one person has watched one film, and a champion that would have them watch another."""
    stores = Stores()
    stores.database.ensure()
    me = stores.vault.pseudonyms.person("me")
    make(stores.database, INTERACTIONS, [seen(me, "yt:a", 0)])
    make(stores.database, ITEMS, [{"item": name, "title": name.upper(), "subjects": 1} for name in NAMES])
    stores.versions.record("features/items", Version(BUILT, "v1", "c", {}), "run")
    stores.consent.set("recommend", "granted", "test")
    promote(stores, tmp_path / "first", [1, 3, 2])
    return stores


def best(stores: Stores) -> str:
    return predict(stores.settings, "recommender", "me", 2)["items"][0]["title"]


def hits(stores: Stores) -> int:
    return stores.cache.statistics()["prediction"]["hits"]


def test_the_same_question_has_the_same_answer_from_the_cache(stores: Stores) -> None:
    first, second = (predict(stores.settings, "recommender", "me", 2) for _ in range(2))

    assert first == second
    assert first["items"][0]["item"] == "yt:b"
    assert hits(stores) == 1


def change_champion(stores: Stores, tmp_path: Path) -> None:
    promote(stores, tmp_path / "second", [1, 2, 3])


def roll_back_and_forth(stores: Stores, tmp_path: Path) -> None:
    other = promote(stores, tmp_path / "second", [1, 2, 3])
    stores.registry.promote("recommender", "1")
    assert best(stores) == "YT:B"
    stores.registry.promote("recommender", other)


def watch_more(stores: Stores, tmp_path: Path) -> None:
    add(stores.database, INTERACTIONS, [seen(stores.vault.pseudonyms.person("me"), "yt:b", 1)])


def rename(stores: Stores, tmp_path: Path) -> None:
    with stores.database.transaction() as connection:
        connection.execute("update features.items set title = 'YT:C' where item = 'yt:b'")
    stores.versions.record("features/items", Version(BUILT, "v2", "c", {}), "run")


@pytest.mark.parametrize("change", [change_champion, roll_back_and_forth, watch_more, rename])
def test_what_an_answer_rests_on_makes_it_anew(
    stores: Stores, tmp_path: Path, change: Callable[[Stores, Path], None]
) -> None:
    assert best(stores) == "YT:B"

    change(stores, tmp_path)

    assert best(stores) == "YT:C"


def test_f_p_no_consent_no_answer_though_one_is_kept(stores: Stores) -> None:
    best(stores)
    stores.consent.set("recommend", "denied", "test")

    with pytest.raises(Refused, match="FORGE-CONSENT"):
        best(stores)


def test_an_erased_subject_has_no_kept_answers(stores: Stores) -> None:
    me = stores.vault.pseudonyms.person("me")
    best(stores)
    stores.database.erase(subject=me)

    assert stores.cache.erase(me) == {"cache/prediction": 1}
    with pytest.raises(UsageError, match="FORGE-SUBJECT-UNKNOWN"):
        best(stores)


def test_a_kept_answer_needs_no_mlflow(stores: Stores) -> None:
    best(stores)
    code = (
        "import sys\n"
        "from forge_resources.answers import predict\n"
        "from forge_resources.settings import load_settings\n"
        "print(predict(load_settings(), 'recommender', 'me', 2)['items'][0]['item'])\n"
        "print(sorted({'mlflow', 'torch', 'sklearn', 'scipy', 'dagster'} & set(sys.modules)))"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said.split() == ["yt:b", "[]"]
