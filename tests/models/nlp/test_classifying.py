"""Classes of texts: what is learned from words, from a frozen encoder, and from one that is fine-tuned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forge_core.errors import ForgeError
from forge_models.nlp import classifying
from tests.models.nlp.data import opinions, run

FROZEN = {"strength": 1.0, "word_strength": 1.0, "layers": 2}
TUNED = {"epochs": 2, "learning_rate": 5e-3, "lora": 0, "dropout": 0.0, "tokens": 32}
Fit = Callable[[list[str], list[str], Path, str], Any]


def words(texts: list[str], labels: list[str], folder: Path, encoder: str) -> Any:
    return classifying.fit_words(texts, labels, {"strength": 3.0})


def frozen(texts: list[str], labels: list[str], folder: Path, encoder: str) -> Any:
    return classifying.fit_frozen(texts, labels, FROZEN, run(folder), encoder)


def tuned(texts: list[str], labels: list[str], folder: Path, encoder: str) -> Any:
    return classifying.fit_tuned(texts, labels, TUNED, run(folder), encoder)


@pytest.mark.parametrize("fit", [words, frozen])
def test_the_words_that_decide_are_learned(fit: Fit, tmp_path: Path, encoder: str) -> None:
    model = fit(*opinions(160), tmp_path, encoder)
    texts, labels = opinions(60, seed=9)
    chances = model.probabilities(texts)
    said = [model.classes[i] for i in chances.argmax(axis=1)]
    assert np.mean([a == b for a, b in zip(said, labels, strict=True)]) > 0.9
    assert np.allclose(chances.sum(axis=1), 1.0)


@pytest.mark.parametrize("fit", [words, frozen, tuned])
def test_the_same_rows_and_seed_give_the_same_model(fit: Fit, tmp_path: Path, encoder: str) -> None:
    one, other = (fit(*opinions(60), tmp_path / name, encoder) for name in ("a", "b"))
    texts, _ = opinions(10, seed=3)
    assert (one.probabilities(texts) == other.probabilities(texts)).all()


def test_fine_tuning_lowers_its_loss_and_answers_as_torch_does(tmp_path: Path, encoder: str) -> None:
    import torch

    from forge_models.nlp import finetuning
    from forge_models.nlp.encoding import described, frozen

    texts, labels = opinions(96)
    model = classifying.fit_tuned(texts, labels, {**TUNED, "epochs": 6}, run(tmp_path), encoder)
    losses = [row["loss"] for row in model.history]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    module = finetuning.build(described(encoder).folder, 2, TUNED).eval()
    state = {name: torch.from_numpy(np.array(value)) for name, value in model.tensors.items()}
    module.encoder.load_state_dict(state, strict=False)
    module.mix.data = torch.log(torch.from_numpy(model.mix))
    module.head.weight.data, module.head.bias.data = (
        torch.from_numpy(model.head),
        torch.from_numpy(model.bias),
    )
    ids = frozen(encoder).token_ids(texts[:1], 32)[0]
    with torch.inference_mode():
        expected = module.logits(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64))
    assert np.allclose(model.logits(texts[:1]), expected.numpy(), atol=2e-4)


def test_adapters_learn_and_leave_no_trace(tmp_path: Path, encoder: str) -> None:
    texts, labels = opinions(40)
    model = classifying.fit_tuned(texts, labels, {**TUNED, "epochs": 1, "lora": 4}, run(tmp_path), encoder)
    assert not any("lora" in name or "base_layer" in name for name in model.tensors)
    assert np.isfinite(model.probabilities(texts)).all()


@pytest.mark.parametrize("fit", [words, frozen])
def test_shuffled_labels_are_not_learned(fit: Fit, tmp_path: Path, encoder: str) -> None:
    texts, labels = opinions(300)
    shuffled = np.random.default_rng(1).permutation(labels).tolist()
    model = fit(texts, shuffled, tmp_path, encoder)
    later, truth = opinions(200, seed=5)
    said = [model.classes[i] for i in model.probabilities(later).argmax(axis=1)]
    other = np.random.default_rng(2).permutation(truth)
    assert abs(np.mean([a == b for a, b in zip(said, other, strict=True)]) - 0.5) < 0.12


@pytest.mark.parametrize("fit", [words, frozen, tuned])
@pytest.mark.parametrize("texts", [[], ["one text"], ["same"] * 40])
def test_one_class_or_hardly_a_text_is_refused(
    fit: Fit, texts: list[str], tmp_path: Path, encoder: str
) -> None:
    with pytest.raises(ForgeError) as caught:
        fit(texts, ["positive"] * len(texts), tmp_path, encoder)
    assert caught.value.code == "FORGE-NLP-LABELS"


@pytest.mark.parametrize("fit", [words, frozen])
def test_constant_texts_say_the_shares_of_the_classes(fit: Fit, tmp_path: Path, encoder: str) -> None:
    model = fit(["the same words"] * 40, ["positive"] * 30 + ["negative"] * 10, tmp_path, encoder)
    chance = model.probabilities(["the same words"])[0][model.classes.index("positive")]
    assert chance == pytest.approx(0.75, abs=0.1)


@pytest.mark.parametrize("fit", [words, frozen, tuned])
def test_any_text_has_an_answer(fit: Fit, tmp_path: Path, encoder: str) -> None:
    model = fit(*opinions(40), tmp_path, encoder)
    strange = ["", "😀😀", "混合 слово mixed", "\ud800 broken", "x" * 100_000, "a b " * 50_000]
    chances = model.probabilities(strange)
    assert np.isfinite(chances).all()
    assert np.allclose(chances[0], model.prior)
    assert np.allclose(chances[1], model.prior)


def test_a_text_is_judged_alike_whatever_stands_beside_it(tmp_path: Path, encoder: str) -> None:
    model = frozen(*opinions(60), tmp_path, encoder)
    texts = ["a lovely film", "a much longer text about an awful dinner and many more things " * 3]
    together, alone = model.probabilities(texts), model.probabilities(texts[:1])
    assert np.allclose(together[0], alone[0], atol=1e-6)


def test_another_encoder_is_refused(tmp_path: Path, encoder: str) -> None:
    from dataclasses import replace

    model = replace(frozen(*opinions(40), tmp_path, encoder), identity="text-32-0")
    with pytest.raises(ForgeError) as caught:
        model.probabilities(["a film"])
    assert caught.value.code == "FORGE-NLP-ENCODER"
