"""Clean: only what consent lets through, and nobody's name."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from forge_resources.pseudonymising import rebuild_clean
from tests.assets.conftest import checks, watched
from tests.assets.events import START, told

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


def test_a_message_has_tokens_for_people_and_everything_else_as_it_was(forge):
    stores, tokens = forge.stores, forge.stores.vault.pseudonyms
    stores.consent.grant_all("test")
    endless = (
        "Somebody <" + "".join(f"{n:x}" for n in range(9000)) + "@example.test>"
    )  # longer than an index takes
    mail = {
        "item": "mail:<1@x>",
        "source": "mail",
        "time": START,
        "thread": "t1",
        "body": "Hi",
        "sender": endless,
    }
    others = {"recipients": ["b@x.test", "A@x.test", "b@x.test"], "attachments": ["application/pdf 10 a.pdf"]}
    told(stores, "message", [{**mail, **others}, {**mail, "item": "mail:<2@x>", "recipients": []}])

    assert forge.build(*CONSENTS, "clean/message").success

    rows = stores.database.rows(
        "select thread, sender, recipients, attachments, body from clean.message order by item"
    )
    contact = tokens.contact
    shared = (contact("t1"), contact(endless))
    first = [contact("b@x.test"), contact("a@x.test"), contact("b@x.test")]
    assert rows == [(*shared, first, others["attachments"], "Hi"), (*shared, [], None, "Hi")]


def test_addresses_keep_what_they_share_and_nothing_else(forge):
    stores = forge.stores
    stores.consent.grant_all("test")
    plain = ["192.0.2.1", "192.0.2.77", "198.51.100.1", "2001:db8::1", "2001:db8::2", "not an address"]
    told(stores, "security", [{"item": f"login:{a}"[:7], "time": START, "address": a} for a in plain])

    forge.build(*CONSENTS, "clean/security")

    found = [a for (a,) in stores.database.rows("select address from clean.security order by sequence")]
    assert not set(plain) & set(found)
    assert found[0].rpartition(".")[0] == found[1].rpartition(".")[0] != found[2].rpartition(".")[0]
    assert found[0].split(".")[0] != "192"
    sixth = [ip_address(a).packed for a in found[3:5]]
    assert sixth[0][:15] == sixth[1][:15]
    assert sixth[0] != sixth[1]
    assert found[5].startswith("n_")


def test_only_people_with_consent_are_given_tokens(stores, monkeypatch):
    pseudonyms, asked = stores.vault.pseudonyms, []
    plain = pseudonyms.contact
    monkeypatch.setattr(pseudonyms, "contact", lambda value: asked.append(value) or plain(value))
    told(stores, "message", [{"item": "mail:1", "time": START, "sender": "friend@x.test", "source": "mail"}])
    told(
        stores,
        "message",
        [{"item": "chat:1", "time": START, "sender": "other@x.test", "source": "chat"}],
        "b-0",
    )
    stores.consent.set("profile", "granted", "test", source="mail")

    rebuild_clean(stores.database, pseudonyms, "message")

    assert asked == ["friend@x.test"]
    assert stores.database.count("clean.message") == 1
