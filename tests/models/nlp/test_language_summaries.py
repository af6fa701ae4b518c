"""Languages told, ROUGE as published, and sentences chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_core.errors import ForgeError
from forge_models.nlp import language, rouge, summaries
from tests.models.nlp.data import run

RANKED = {"sentences": 2, "repetition": 0.5, "ridge": 1.0}
SAID = {
    "de": "Morgen fahren wir mit dem Zug nach Hause und essen etwas.",
    "en": "Tomorrow we will take the train home and eat something.",
    "fr": "Demain nous prendrons le train pour rentrer et manger.",
    "ru": "Завтра мы поедем домой на поезде и что-нибудь съедим.",
}


def test_counts_tell_running_text() -> None:
    model = language.fit_counts([("x", code) for code in language.LANGUAGES], {})
    assert model.languages_of([*SAID.values(), "", "😀"]) == [*SAID, "", ""]


def test_the_phrases_of_the_test_are_none_of_those_learned_from() -> None:
    rows = language.phrases()
    parts: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    for row in rows:
        parts[row["split"]] |= {f"{row['label']} {piece}" for piece in row["text"].split(", ")}
    assert not parts["train"] & parts["validation"]
    assert len({row["label"] for row in rows}) >= 30
    assert rows == language._phrases.__wrapped__(0)


def test_a_script_tells_what_it_can_and_the_network_learns(tmp_path: Path) -> None:
    rows = [(row["text"], row["label"]) for row in language.phrases() if row["label"] in ("de", "ru", "fr")]
    scripts = language.fit_script(rows, {})
    assert scripts.languages_of([SAID["ru"]]) == ["ru"]
    one, other = (
        language.fit_network(rows, {"epochs": 10, "learning_rate": 0.05}, run(tmp_path / name))
        for name in "ab"
    )
    said = one.languages_of([text for text, _ in rows])
    assert np.mean([a == b for a, (_, b) in zip(said, rows, strict=True)]) > 0.95
    assert (one.weights == other.weights).all()


def test_rouge_is_as_published() -> None:
    found = rouge.rouge("police killed the gunman", "police kill the gunman")
    assert found["rouge1"] == pytest.approx(0.75)
    assert found["rouge2"] == pytest.approx(1 / 3)
    assert found["rougeL"] == pytest.approx(0.75)
    assert rouge.rouge("the gunman kill police", "police kill the gunman")["rougeL"] == pytest.approx(0.5)
    assert rouge.rouge("", "something") == {"rouge1": 0.0, "rouge2": 0.0, "rougeL": 0.0}


def documents(n: int) -> tuple[list[str], list[str]]:
    """Texts whose last sentence is what the reference says."""
    rng = np.random.default_rng(0)
    words = ["red", "blue", "green", "small", "large", "open", "closed", "early", "late", "wide"]
    texts, references = [], []
    for number in range(n):
        a, b = rng.choice(words, 2, replace=False)
        gist = f"The meeting about the {a} house is {b} in week {number}."
        filler = [f"Hello {i}, and nice weather." for i in range(int(rng.integers(4, 9)))]
        texts.append(" ".join([*filler, gist]))
        references.append(f"meeting about the {a} house is {b}")
    return texts, references


@pytest.mark.parametrize("which", ["ranked", "network"])
def test_what_references_say_is_learned(which: str, tmp_path: Path, encoder: str) -> None:
    from forge_models.nlp import summaries_net

    texts, references = documents(60)
    if which == "ranked":
        model: summaries.Summariser = summaries.fit_ranked(texts, references, RANKED, run(tmp_path), encoder)
    else:
        more = {**RANKED, "width": 16, "dropout": 0.0, "epochs": 6, "learning_rate": 5e-3}
        model = summaries_net.fit_network(texts, references, more, run(tmp_path), encoder)
    units = [summaries.units(text) for text in texts]
    chosen = model.chosen(units)
    assert np.mean([len(one) - 1 in places for one, places in zip(units, chosen, strict=True)]) > 0.9
    assert all(places == sorted(set(places)) and len(places) <= 2 for places in chosen)


def test_a_repetition_is_not_chosen_twice() -> None:
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert summaries.relevant(np.array([1.0, 0.99, 0.9]), vectors, 2, 3.0) == [0, 2]


def test_too_few_references_are_refused(tmp_path: Path, encoder: str) -> None:
    with pytest.raises(ForgeError) as caught:
        summaries.fit_ranked(*documents(5), RANKED, run(tmp_path), encoder)
    assert caught.value.code == "FORGE-NLP-SUMMARIES"


@pytest.mark.parametrize("text", ["", "😀", "one", "word " * 2_000_000, "a.\n" * 3_000_000])
def test_any_text_has_units_in_bounded_time(text: str, tmp_path: Path, encoder: str) -> None:
    units = summaries.units(text)
    assert len(units) <= 400
    lead = summaries.fit_lead({"sentences": 3})
    assert len(lead.chosen([units])[0]) == min(3, len(units))
