"""Text on its way from raw to an answer: passages, vectors, and a search by words and by meaning."""

from __future__ import annotations

import pytest

from forge_core.errors import ForgeError, Refused
from forge_resources.search import Search, search
from forge_resources.stores import Stores
from tests.assets.conftest import checks
from tests.assets.events import DAY, START, told
from tests.assets.test_clean import CONSENTS
from tests.models.encoder_models import small

LETTERS = [
    "The roof of the house is leaking again since the storm, we need a carpenter.",
    "Your flight to Lisbon leaves on Friday at nine, please be at the airport early.",
    "The invoice number 4711-XK is due next week, please transfer the amount.",
    "Our cat had four kittens, two of them are black and white.",
    "The doctor says that the knee has to rest for three weeks after the operation.",
]
TEXT = [
    *CONSENTS, "clean/message", "clean/document", "features/chunks", "embeddings/documents", "embeddings/persons",
]  # fmt: skip


@pytest.fixture
def text(stores: Stores) -> Stores:
    stores.consent.grant_all("test")
    told(stores, "message", [letter(n) for n in range(len(LETTERS))])
    return stores


def letter(number: int, **more) -> dict:
    return {
        "item": f"mail:{number}", "source": "gmail", "time": START + number * DAY, "title": None,
        "body": LETTERS[number % len(LETTERS)], "sender": "bob@example.test", **more,
    }  # fmt: skip


def first(stores: Stores, words: str, **how) -> str:
    found = search(stores, Search(words, **how))
    return found[0].text if found else ""


def encoded(result) -> int:
    (made,) = result.asset_materializations_for_node("embeddings__documents")
    return made.metadata["encoded_now"].value


def test_a_letter_is_found_by_its_words_and_by_its_meaning(forge, text):
    result = forge.build(*TEXT)
    assert result.success
    assert checks(result)["embeddings/documents:recall"][0]
    assert first(text, "4711-XK") == LETTERS[2]
    assert first(text, "injured leg and hospital") == LETTERS[4]
    (passage,) = search(text, Search("kittens", k=1))
    assert (passage.kind, passage.source, passage.time) == ("message", "gmail", START + 3 * DAY)
    assert passage.found_by == {"words": 1, "meaning": 1, "feedback": 1}
    assert passage.author == text.vault.pseudonyms.contact("bob@example.test")
    assert text.database.value("select passages from embeddings.persons") == len(LETTERS)


def test_an_unchanged_text_is_never_embedded_twice(forge, text):
    assert encoded(forge.build(*TEXT)) == len(LETTERS)
    again = letter(0, item="mail:copy", time=START + 30 * DAY)
    fresh = letter(1, item="mail:new", body="A new text about sailing boats and the wind.")
    told(text, "message", [again, fresh], partition="takeout-aaaaaaaaaaaa")
    assert encoded(forge.build(*TEXT)) == 1
    assert text.database.count("embeddings.documents") == len(LETTERS) + 2
    assert "sailing" in first(text, "boats at sea")


def test_f_d14_no_source_time_or_consent_but_what_was_asked_for(forge, text):
    told(
        text, "message", [letter(n, source="whatsapp", item=f"chat:{n}") for n in (0, 3)], "chat-aaaaaaaaaaaa"
    )
    forge.build(*TEXT)
    for words in ("carpenter", "invoice", "animals"):
        assert {p.source for p in search(text, Search(words, sources=("whatsapp",)))} == {"whatsapp"}
        late = search(text, Search(words, since=START + 3 * DAY))
        assert late
        assert all(passage.time >= START + 3 * DAY for passage in late)
    text.consent.set("understand", "denied", "test", source="whatsapp")  # the next search knows it
    assert {p.source for p in search(text, Search("cat kittens"))} == {"gmail"}
    forge.build(*TEXT)
    assert text.database.count("embeddings.documents", "source = 'whatsapp'") == 0


def test_f_d13_another_encoder_refuses_the_old_index_until_it_is_built_again(
    forge, text, tmp_path, monkeypatch
):
    forge.build(*TEXT)
    monkeypatch.setenv("FORGE_TEXT_ENCODER", str(small(tmp_path / "small")))
    other = Stores()
    with pytest.raises(Refused) as refused:
        search(other, Search("kittens"))
    assert refused.value.code == "FORGE-INDEX-MODEL"
    assert "forge build embeddings/documents" in refused.value.fix
    before = text.vectors.space("documents").model
    type(forge)(other).build("embeddings/documents", "embeddings/persons")
    assert text.vectors.space("documents").model != before
    assert search(other, Search("kittens"))


def test_without_text_there_is_nothing_to_search_and_the_run_is_green(forge, stores):
    stores.consent.grant_all("test")
    result = forge.build(*TEXT)
    assert result.success
    passed, why = checks(result)["embeddings/documents:enough"]
    assert not passed
    assert "Learning mode" in why
    with pytest.raises(ForgeError) as missing:
        search(stores, Search("anything"))
    assert missing.value.code == "FORGE-INDEX-MISSING"


def test_odd_words_are_words_and_odd_texts_are_embedded(forge, text):
    bodies = [
        "y" * 10_000_000,
        "שלום עולם, מה שלומך היום? " * 100,
        "🙂" * 5000,
        "\U0001f468\u200d\U0001f469" * 900,
    ]
    odd = [{"item": f"doc:{n}", "body": body, "time": START} for n, body in enumerate(bodies)]
    told(text, "document", odd, "files-aaaaaaaaaaaa")
    assert forge.build(*TEXT).success
    assert (
        text.database.value("select count(distinct event_id) from features.chunks where kind = 'document'")
        == 4
    )
    for words in (
        "' or 1=1 --",
        "\\ ' & | ! :* <->",
        "x" * 20_000,
        "🙂 שלום",
        "the of and",
        "\x00 nul",
        "word " * 3000,
    ):
        assert len(search(text, Search(words, k=3))) == 3
