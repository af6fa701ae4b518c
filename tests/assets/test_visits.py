"""Visits: derived from positions where an export tells of none, coarse, each once, with consent only."""

from __future__ import annotations

from datetime import timedelta

import pytest

from forge_resources import visits
from forge_resources.pseudonymising import rebuild_clean
from tests.assets.conftest import checks
from tests.assets.events import START, told
from tests.assets.test_clean import CONSENTS

HOME, WORK = (52.52041, 13.40489), (52.49903, 13.41871)
MINUTE = timedelta(minutes=1)


def point(minute: int, place: tuple[float, float], **more) -> dict:
    north, east = place
    return {
        "time": START + minute * MINUTE, "source": "google-location", "item": f"point:{north:.5f},{east:.5f}",
        "latitude": north, "longitude": east, **more,
    }  # fmt: skip


def day() -> list[dict]:
    """Home for an hour, ten minutes of way, work for two hours."""
    way = [point(60 + n, (HOME[0] - n * 0.002, HOME[1] + n * 0.0014)) for n in range(1, 10)]
    return [*(point(n, HOME) for n in range(60)), *way, *(point(n, WORK) for n in range(70, 190))]


@pytest.fixture
def consented(stores):
    stores.consent.grant_all("test")
    return stores


def stays(stores) -> list[tuple]:
    return stores.database.rows(
        "select item, time, end_time, latitude, longitude, activity, subject, export, source, time_flag"
        " from clean.place where starts_with(item, 'stay:') order by time"
    )


def test_stays_become_visits_of_clean_in_coarse_cells(forge, consented):
    told(consented, "place", day())

    result = forge.build(*CONSENTS, "clean/place")

    assert checks(result)["clean/place:structure"][0]
    (metadata,) = [m.metadata for m in result.asset_materializations_for_node("clean__place")]
    assert metadata["visits_derived"].value == 2
    assert metadata["without_consent"].value == 0
    token = consented.vault.pseudonyms.person("me")
    rest = ("still", token, "takeout-0123456789ab", "google-location", None)
    assert stays(consented) == [
        ("stay:52.52,13.40", START, START + 59 * MINUTE, 52.52, 13.4, *rest),
        ("stay:52.50,13.42", START + 70 * MINUTE, START + 189 * MINUTE, 52.5, 13.42, *rest),
    ]


def test_coordinates_in_an_item_are_as_coarse_as_the_columns(consented):
    named = point(5, HOME) | {"item": "place:ChIJ,1"}
    told(consented, "place", [point(0, (-0.00412, -179.99999)), point(1, HOME), named])
    rebuild_clean(consented.database, consented.vault.pseudonyms, "place")
    found = consented.database.rows("select item from clean.place order by time")
    assert [item for (item,) in found] == ["point:0.00,-180.00", "point:52.52,13.40", "place:ChIJ,1"]


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([p | {"end_time": p["time"]} for p in day()[:1]] + day()[1:], id="visits are exported"),
        pytest.param([p | {"accuracy": 1500.0} for p in day()], id="known to a kilometre only"),
        pytest.param([p | {"item": f"foursquare:{n}"} for n, p in enumerate(day())], id="check-ins"),
    ],
)
def test_no_visits_are_derived_from(consented, points):
    told(consented, "place", points)
    assert rebuild_clean(consented.database, consented.vault.pseudonyms, "place") == 0


def test_no_visits_are_derived_without_consent(stores):
    told(stores, "place", day())
    assert rebuild_clean(stores.database, stores.vault.pseudonyms, "place") == 0
    assert stores.database.count("clean.place") == 0


def test_derived_again_they_are_the_same_and_pieces_do_not_show(consented, monkeypatch):
    later = [p | {"time": p["time"] + timedelta(days=1), "subject": "another"} for p in day()]
    told(consented, "place", [*day(), *later])
    rebuild_clean(consented.database, consented.vault.pseudonyms, "place")
    whole, version = stays(consented), consented.database.content_version("clean.place")
    monkeypatch.setattr(visits, "FETCH", 7)
    monkeypatch.setattr(visits, "PIECE", 20)

    rebuild_clean(consented.database, consented.vault.pseudonyms, "place")

    assert len(whole) == 4
    assert stays(consented) == whole
    assert consented.database.content_version("clean.place") == version
