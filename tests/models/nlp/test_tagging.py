"""Names: spans and strict F1, the three taggers, and that their answers are always allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forge_core.errors import ForgeError
from forge_models.nlp import spans, tagging
from tests.models.nlp.data import run, tagged

NET = {
    "epochs": 12,
    "learning_rate": 1e-2,
    "width": 16,
    "dropout": 0.0,
    "layers": (1, 2),
    "tune_encoder": False,
}
Fit = Callable[[list[Any], Path, str], Any]


def lexicon(rows: list[Any], folder: Path, encoder: str) -> Any:
    return tagging.fit_lexicon(rows, {"smoothing": 1.0})


def linear(rows: list[Any], folder: Path, encoder: str) -> Any:
    return tagging.fit_linear(rows, {"ridge": 1.0, "layers": (1, 2)}, run(folder), encoder)


def network(rows: list[Any], folder: Path, encoder: str) -> Any:
    from forge_models.nlp import tagging_fit

    return tagging_fit.fit_network(rows, NET, run(folder), encoder)


def score(model: Any, rows: list[Any]) -> float:
    said = model.tags([words for words, _ in rows])
    return spans.f1(spans.outcomes([tags for _, tags in rows], said))[0]


def test_spans_are_strict() -> None:
    tags = ["B-x", "I-x", "I-y", "O", "I-x", "B-x", "B-x", "I-x"]
    assert spans.spans(tags) == [(0, 2, "x"), (5, 6, "x"), (6, 8, "x")]
    counts = spans.outcomes([["B-x", "I-x", "O"]], [["B-x", "O", "B-x"]])
    assert counts.tolist() == [[0.0, 2.0, 1.0]]
    assert spans.f1(np.array([[2.0, 4.0, 5.0]])) == pytest.approx((4 / 9, 0.5, 0.4))


def test_viterbi_finds_the_best_of_all_paths() -> None:
    import itertools

    rng = np.random.default_rng(0)
    emissions, start, follow = rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=(3, 3))

    def total(path: tuple[int, ...]) -> float:
        steps = sum(follow[a, b] for a, b in itertools.pairwise(path))
        return start[path[0]] + steps + sum(emissions[i, t] for i, t in enumerate(path))

    best = max(itertools.product(range(3), repeat=5), key=total)
    assert spans.viterbi(emissions, start, follow) == list(best)


def test_the_loss_of_the_network_is_the_likelihood_over_all_paths() -> None:
    import itertools

    import torch

    from forge_models.nlp.tagging_net import NameNet, Sentences, Shape, looked_at

    torch.manual_seed(0)
    labels = ("O", "B-x", "I-x")
    words = [["Ada", "went", "home"], ["yes"]]
    net = NameNet(Shape(4, 3, 8, 0.0), labels).eval()
    net.follow.data.normal_()
    hashes, looks = looked_at(words)
    gold = [np.array([1, 2, 0]), np.array([0])]
    vectors = [np.ones((len(one), 4), np.float16) for one in words]
    batch = Sentences(hashes, looks, gold, vectors, None).batch(np.array([0, 1]))
    emissions = net.emissions(batch).detach().double().numpy()
    start, follow = (one.detach().double().numpy() for one in net.scores())
    expected = 0.0
    for row, tags in enumerate(gold):
        n = len(tags)

        def total(path: tuple[int, ...], row: int = row) -> float:
            steps = sum(follow[a, b] for a, b in itertools.pairwise(path))
            return start[path[0]] + steps + sum(emissions[row, i, t] for i, t in enumerate(path))

        every = [total(path) for path in itertools.product(range(3), repeat=n)]
        expected += np.logaddexp.reduce(every) - total(tuple(tags.tolist()))
    assert float(net.loss(batch)[0].detach()) == pytest.approx(expected / 4, rel=1e-4)


@pytest.mark.parametrize("fit", [lexicon, linear, network])
def test_names_of_a_kind_are_found_again(fit: Fit, tmp_path: Path, encoder: str) -> None:
    model = fit(tagged(150), tmp_path, encoder)
    assert score(model, tagged(60, seed=5)) > 0.9


@pytest.mark.parametrize("fit", [lexicon, linear, network])
def test_tags_are_allowed_and_one_per_word_whatever_the_words(fit: Fit, tmp_path: Path, encoder: str) -> None:
    model = fit(tagged(60), tmp_path, encoder)
    strange = [[], ["😀"], ["混合", "Слово", "\ud800"], ["x" * 5_000], ["Ada"] * 700, ["", " "]]
    for words, tags in zip(strange, model.tags(strange), strict=True):
        assert len(words) == len(tags)
        for before, tag in zip(["O", *tags], tags, strict=False):
            assert not tag.startswith("I-") or before[2:] == tag[2:]


@pytest.mark.parametrize("fit", [lexicon, linear, network])
def test_the_same_rows_and_seed_give_the_same_tagger(fit: Fit, tmp_path: Path, encoder: str) -> None:
    one, other = (fit(tagged(60), tmp_path / name, encoder) for name in ("a", "b"))
    words = [words for words, _ in tagged(10, seed=3)]
    for a, b in zip(one.emissions(words), other.emissions(words), strict=True):
        assert (a == b).all()


@pytest.mark.parametrize("fit", [lexicon, linear, network])
def test_too_few_names_are_refused(fit: Fit, tmp_path: Path, encoder: str) -> None:
    with pytest.raises(ForgeError) as caught:
        fit([(["no", "name"], ["O", "O"])] * 100, tmp_path, encoder)
    assert caught.value.code == "FORGE-NLP-NAMES"


def test_the_encoder_can_learn_with_the_tagger(tmp_path: Path, encoder: str) -> None:
    from forge_models.nlp import tagging_fit

    model = tagging_fit.fit_network(
        tagged(60), {**NET, "epochs": 1, "tune_encoder": True}, run(tmp_path), encoder
    )
    assert model.tensors
    assert len(model.tags([["Ada", "Lovelace"]])[0]) == 2


def test_the_recogniser_says_where_names_stand(tmp_path: Path, encoder: str) -> None:
    from forge_models.nlp import recogniser

    tagger = lexicon(tagged(150), tmp_path, encoder)
    recogniser.save(tagger, tmp_path / "model")
    text = "Yesterday, Ada Lovelace went to Paris again! 😀"
    found = recogniser.find(recogniser.load(tmp_path / "model"), [text, "", "😀"])
    assert [(text[name.start : name.end], name.kind) for name in found[0]] == [
        ("Ada Lovelace", "person"),
        ("Paris", "location"),
    ]
    assert found[1:] == [[], []]


def test_the_recogniser_learns_from_what_ships(tmp_path: Path) -> None:
    from forge_models.nlp import recogniser, reference, splitting
    from forge_models.nlp.candidates import ENTITIES

    splits = splitting.split("entities", reference.shipped())
    tagger = recogniser.train(run(tmp_path), splits, ENTITIES[0])
    assert {label[2:] for label in tagger.labels if label != "O"} == {
        "corporation", "creative-work", "group", "location", "person", "product",
    }  # fmt: skip
