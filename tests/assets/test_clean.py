"""Clean: only what consent lets through, and nobody's name."""

from __future__ import annotations

import pytest

from tests.assets.conftest import checks, watched

CONSENTS = [f"governance/consent/{p}" for p in ("recommend", "understand", "forecast", "protect", "profile")]


@pytest.fixture
def ingested(forge, takeout):
    forge.ingest(takeout(watched(1, 2, 3)), subject="somebody@example.test")
    return forge


def test_without_consent_nothing_becomes_clean(ingested):
    assert ingested.build(*CONSENTS, "clean/watch").success
    assert ingested.stores.database.count("clean.watch") == 0


def test_consent_for_one_purpose_is_enough_for_clean(ingested):
    ingested.stores.consent.set("profile", "granted", "test")
    ingested.build(*CONSENTS, "clean/watch")
    assert ingested.stores.database.count("clean.watch") == 3


def test_the_word_on_one_subject_beats_the_word_on_all(ingested):
    token = ingested.stores.vault.pseudonyms.person("somebody@example.test")
    ingested.stores.consent.grant_all("test")
    for purpose in ("recommend", "understand", "forecast", "protect", "profile"):
        ingested.stores.consent.set(purpose, "denied", "test", subject=token)
    ingested.build(*CONSENTS, "clean/watch")
    assert ingested.stores.database.count("clean.watch") == 0


def test_a_subject_is_the_same_token_everywhere_and_never_the_name(ingested, takeout):
    ingested.stores.consent.grant_all("test")
    ingested.ingest(takeout(watched(7, 8)), subject="somebody@example.test")
    ingested.build(*CONSENTS, "clean/watch")
    subjects = ingested.stores.database.rows("select distinct subject from clean.watch")
    assert subjects == [(ingested.stores.vault.pseudonyms.person("somebody@example.test"),)]


def test_a_row_that_breaks_the_contract_blocks(ingested):
    ingested.stores.consent.grant_all("test")
    with ingested.stores.database.transaction() as connection:
        connection.execute(
            "update raw.watch set item = 'no namespace' where sequence = (select min(sequence) from raw.watch)"
        )

    result = ingested.build(*CONSENTS, "clean/watch", "features/items")

    assert not checks(result)["clean/watch:structure"][0]
    assert not result.success
    assert not ingested.stores.database.exists("features.items")


def test_find_and_erase_by_subject_and_source(ingested):
    database = ingested.stores.database
    assert database.find(subject="somebody@example.test") == {"raw.watch": 3}
    assert database.find(source="youtube") == {"raw.watch": 3}
    assert database.erase(subject="somebody@example.test") == {"raw.watch": 3}
    assert database.find(subject="somebody@example.test") == {}


def test_exports_and_consent_are_found_and_erased_by_subject_too(ingested, takeout):
    exports, consent = ingested.stores.exports, ingested.stores.consent
    ingested.ingest(takeout(watched(8)), subject="another@example.test")
    (mine,) = exports.find(subject="somebody@example.test")
    token = ingested.stores.vault.pseudonyms.person("somebody@example.test")
    consent.grant_all("test")
    consent.set("profile", "denied", "test", subject=token)

    assert exports.erase(subject="somebody@example.test") == [mine.partition]
    assert consent.erase(subject=token) == 1

    assert not mine.path.exists()
    assert [e.subject for e in exports.all()] == ["another@example.test"]
    assert consent.find(subject=token) == 0
    assert ingested.stores.database.value("select count(*) from governance.consent") == 5
