"""Topics: groups that are found, numbers that stay, names that are telling, and no word in a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forge_core.errors import ForgeError
from forge_models.nlp import clustering, naming, topics
from tests.models.nlp.data import SUBJECTS, run, talk

CONFIG = {"topics": 4, "dims": 16, "width": 16, "dropout": 0.0, "epochs": 4, "learning_rate": 5e-3}
Fit = Callable[..., Any]


def words(texts: list[str], folder: Path, encoder: str, before: Any = None) -> Any:
    return topics.fit_words(texts, CONFIG, run(folder), before)


def clusters(texts: list[str], folder: Path, encoder: str, before: Any = None) -> Any:
    return topics.fit_clusters(texts, CONFIG, run(folder), encoder, before)


def network(texts: list[str], folder: Path, encoder: str, before: Any = None) -> Any:
    from forge_models.nlp import topics_net

    return topics_net.fit_network(texts, CONFIG, run(folder), encoder, before)


def test_k_means_finds_the_groups_and_the_silhouette_their_number() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(8)[:5]
    truth = np.repeat(np.arange(5), 40)
    vectors = clustering.normal(centres[truth] + rng.normal(0, 0.05, (200, 8)))
    found, table = clustering.choose(vectors, [2, 4, 5, 8, 12])
    assert len(found) == 5
    assert max(table, key=lambda row: row["silhouette"])["topics"] == 5
    rows = clustering.assign(vectors, found)[0]
    assert len({(a, b) for a, b in zip(truth.tolist(), rows.tolist(), strict=True)}) == 5


def test_vectors_that_are_all_the_same_are_one_group() -> None:
    same = np.tile(np.array([[1.0, 0.0]]), (50, 1))
    assert len(clustering.k_means(same, 6)) == 1


def test_topics_keep_their_numbers_from_run_to_run() -> None:
    old = np.eye(6)[:4]
    new = clustering.normal(np.eye(6)[[2, 0, 5, 1]] + 0.05)
    assert clustering.matched(new, old, [7, 8, 9, 10]) == [9, 7, 11, 8]
    assert clustering.matched(new, old[:0], []) == [0, 1, 2, 3]


def test_words_tell_what_a_text_is_about(tmp_path: Path, encoder: str) -> None:
    model = words(talk(200), tmp_path, encoder)
    rows, _ = model.assign(talk(80, seed=7))
    together = [{int(rows[i]) for i in range(k, 80, 4)} for k in range(4)]
    assert sum(len(one) == 1 for one in together) >= 3


@pytest.mark.parametrize("fit", [words, clusters, network])
def test_a_second_run_on_more_texts_keeps_ids(fit: Fit, tmp_path: Path, encoder: str) -> None:
    first = fit(talk(160), tmp_path / "a", encoder)
    again = fit(talk(160), tmp_path / "b", encoder)
    assert (first.centroids == again.centroids).all()
    second = fit(talk(168), tmp_path / "c", encoder, first)
    kept = set(first.ids) & set(second.ids)
    assert len(kept) >= len(first.ids) - 1


@pytest.mark.parametrize("fit", [words, clusters, network])
def test_what_has_no_words_has_no_topic(fit: Fit, tmp_path: Path, encoder: str) -> None:
    model = fit(talk(80), tmp_path, encoder)
    rows, near = model.assign(["", "😀😀", "混合 слово mixed", "tomato seed soil"])
    assert rows[:2].tolist() == [-1, -1]
    assert (rows[2:] >= 0).all()
    assert (near >= 0).all()


@pytest.mark.parametrize("fit", [words, clusters, network])
@pytest.mark.parametrize("texts", [[], ["one"], ["the same text"] * 200, ["😀"] * 200])
def test_too_little_text_is_refused(fit: Fit, texts: list[str], tmp_path: Path, encoder: str) -> None:
    with pytest.raises(ForgeError) as caught:
        fit(texts, tmp_path, encoder)
    assert caught.value.code == "FORGE-NLP-TOPICS"


def test_the_right_topic_foretells_words_and_a_wrong_one_does_not(tmp_path: Path, encoder: str) -> None:
    model = words(talk(200), tmp_path, encoder)
    later = talk(80, seed=7)
    rows, _ = model.assign(later)
    right = model.word_gain(later, rows).mean()
    wrong = model.word_gain(later, np.random.default_rng(0).permutation(rows)).mean()
    assert right > 0.1
    assert wrong < right / 2


def test_names_are_words_of_their_topic_and_of_no_other() -> None:
    texts = talk(80)
    named = naming.names(texts, np.arange(80) % 4)
    for number, kind in enumerate(SUBJECTS):
        assert set(named[number]) <= set(SUBJECTS[kind])
        assert len(named[number]) == naming.WORDS


def test_a_model_holds_no_word(tmp_path: Path, encoder: str) -> None:
    from forge_models.nlp import storing

    storing.save("topics", words(talk(80), tmp_path / "run", encoder), tmp_path / "model")
    stored = b"".join(path.read_bytes() for path in (tmp_path / "model").iterdir())
    assert not [word for kind in SUBJECTS.values() for word in kind if word.encode() in stored]
