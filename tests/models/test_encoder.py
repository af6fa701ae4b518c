"""The text encoder: vectors like the reference's, in order, for any text; and what becomes of a damaged cache."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.errors import ForgeError
from forge_models import encoder
from forge_models.encoder.choosing import Makers, choose, measure
from forge_models.encoder.description import describe
from forge_models.encoder.onnx_backend import OnnxBackend
from forge_models.encoder.probe import PARAGRAPHS, TEXTS
from forge_models.encoder.text_encoder import TextEncoder, batches
from forge_models.encoder.tokenising import Tokeniser
from forge_models.encoder.torch_backend import TorchBackend
from tests.models.data import public
from tests.models.encoder_models import SHIPPED_NAME, shipped, small

# not among the probe texts, which the ranges are taken from
FRESH = [
    *(
        f"{a} {b}"
        for a in ("cheap flights to", "history of", "how to repair")
        for b in ("Lisbon", "a violin", "jazz")
    ),
    "The committee adjourned without a decision; members will vote again on the third of March, by post.",
    "I can't find my keys anywhere, did you put them in the drawer? Call me when you read this!",
    "Ist das Fahrrad noch zu haben? Ich könnte es am Samstag abholen.",
    *(" ".join(random.Random(seed).sample(" ".join(PARAGRAPHS).split(), 30 * seed)) for seed in range(1, 9)),
]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoders")


@pytest.fixture(scope="session")
def int8(cache: Path) -> TextEncoder:
    description = describe(shipped())
    return TextEncoder(SHIPPED_NAME, description, OnnxBackend(description, cache, quantised=True))


@pytest.fixture(scope="session")
def reference() -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(shipped()), device="cpu")
    return model.encode(FRESH, normalize_embeddings=True, show_progress_bar=False)


def test_quantised_vectors_are_those_of_sentence_transformers(
    int8: TextEncoder, reference: np.ndarray
) -> None:
    cosines = (int8.encode(FRESH) * reference).sum(axis=1)

    assert cosines.min() >= 0.99
    assert cosines.mean() >= 0.995


def test_the_graph_in_full_precision_is_the_model(cache: Path, reference: np.ndarray) -> None:
    description = describe(shipped())
    exact = TextEncoder(SHIPPED_NAME, description, OnnxBackend(description, cache, quantised=False))

    np.testing.assert_allclose(exact.encode(FRESH), reference, atol=2e-5)


def test_vectors_come_in_the_order_given_and_do_not_depend_on_their_neighbours(int8: TextEncoder) -> None:
    together = int8.encode(FRESH)

    alone = np.stack([int8.encode_one(text) for text in FRESH])
    np.testing.assert_allclose(together, alone, atol=0.01)
    np.testing.assert_allclose(int8.encode(FRESH[::-1])[::-1], together, atol=0.01)


def test_vectors_are_float32_of_length_one(int8: TextEncoder) -> None:
    vectors = int8.encode(["one", "two words"])

    assert vectors.dtype == np.float32
    assert vectors.shape == (2, int8.dimensions) == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert int8.encode([]).shape == (0, 384)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\0",
        "a\0b",
        "x" * 10_000_000,
        "\ud800",
        "👩‍👩‍👧‍👦🏳️‍🌈" * 500,
        "مرحبا " * 2000,
        "\u202eabc",
        "\n" * 100_000,
    ],
    ids=[
        "empty",
        "space",
        "nul",
        "inner nul",
        "10 MB",
        "surrogate",
        "emoji",
        "right to left",
        "override",
        "lines",
    ],
)
def test_any_text_has_a_vector(int8: TextEncoder, text: str) -> None:
    one, batch = int8.encode_one(text), int8.encode([text, "ok"])

    assert np.isfinite(batch).all()
    np.testing.assert_allclose(batch[0], one, atol=0.01)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([*" ".join(TEXTS).split(), "\n", "\t", "a" * 150, "…", "中文", "-"]), max_size=3000
    ),
    st.sampled_from(["", " ", "   \n"]),
)
def test_a_cut_text_has_the_tokens_of_the_whole_one(words: list[str], lead: str) -> None:
    text = lead + " ".join(words)

    assert TOKENISER.ids([text]) == TOKENISER._encode([text], len(text) + 1)


TOKENISER = Tokeniser(describe(shipped()))


@given(st.lists(st.integers(1, 300), max_size=200), st.integers(1, 1000))
def test_batches_hold_each_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    found = list(batches(lengths, budget))

    assert sorted(place for batch in found for place in batch) == list(range(len(lengths)))
    assert all(len(one) == 1 or max(lengths[i] for i in one) * len(one) <= budget for one in found)


def test_progress_counts_up_to_all_and_can_stop(int8: TextEncoder) -> None:
    seen: list[tuple[int, int]] = []
    int8.encode(FRESH, lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (len(FRESH), len(FRESH))

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        int8.encode(FRESH, stop)


@pytest.mark.parametrize("damage", [b"", b"not a graph", None], ids=["empty", "other bytes", "one bit"])
def test_a_damaged_graph_is_made_again_and_not_used(tmp_path: Path, damage: bytes | None) -> None:
    description = describe(small(tmp_path / "model"))
    before = OnnxBackend(description, tmp_path / "cache", quantised=True).pooled([[101, 2000, 102]])
    file = tmp_path / "cache" / description.identity / "int8.onnx"
    sound = file.read_bytes()
    flipped = sound[:-9] + bytes([sound[-9] ^ 64]) + sound[-8:]
    file.write_bytes(flipped if damage is None else damage)

    again = OnnxBackend(description, tmp_path / "cache", quantised=True).pooled([[101, 2000, 102]])

    np.testing.assert_allclose(again, before, atol=1e-5)
    assert file.read_bytes() != (flipped if damage is None else damage)


def test_the_choice_is_measured_once_and_kept(tmp_path: Path) -> None:
    description = describe(small(tmp_path / "model"))
    first = choose(description, tmp_path / "cache", "cpu")
    (note,) = (tmp_path / "cache" / description.identity).glob("backend-*.json")
    said = json.loads(note.read_text())
    assert said["backend"] == first.name
    assert said["measured"][first.name]["cosine_min"] >= 0.99
    assert {"torch fp32", "onnxruntime int8"} < set(said["measured"])

    note.write_text(json.dumps(said | {"backend": "torch fp32"}))
    assert choose(description, tmp_path / "cache", "cpu").name == "torch fp32"
    note.write_text("{broken")
    assert choose(description, tmp_path / "cache", "cpu").name in said["measured"]


def test_a_backend_whose_vectors_differ_is_not_chosen_however_fast(tmp_path: Path) -> None:
    description, other = describe(small(tmp_path / "model")), describe(small(tmp_path / "other", seed=1))
    makers: Makers = {
        "torch fp32": lambda: TorchBackend(description),
        "onnxruntime int8": lambda: OnnxBackend(other, tmp_path / "cache", quantised=True),
        "onnxruntime fp32": lambda: OnnxBackend(broken, tmp_path / "cache", quantised=False),
    }
    broken = replace(description, config=description.config | {"num_hidden_layers": 3})  # there are two

    found = measure(description, makers)

    assert found["backend"] == "torch fp32"
    assert found["measured"]["onnxruntime int8"]["cosine_min"] < 0.99
    assert found["failed"] == {"onnxruntime fp32": "KeyError"}


@pytest.mark.data
def test_quantised_vectors_agree_on_real_news(int8: TextEncoder, cache: Path) -> None:
    with open(public("text-agnews-test") / "test.csv", encoding="utf-8", newline="") as file:
        texts = [row[2] for row in islice(csv.reader(file), 0, 2000, 20)]
    description = describe(shipped())
    exact = TextEncoder(SHIPPED_NAME, description, OnnxBackend(description, cache, quantised=False))

    cosines = (int8.encode(texts) * exact.encode(texts)).sum(axis=1)

    assert cosines.mean() >= 0.995
    assert cosines.min() >= 0.985


def test_torch_computes_the_same_and_ignores_padding(tmp_path: Path) -> None:
    description = describe(small(tmp_path / "model"))
    by_torch = TextEncoder("small", description, TorchBackend(description))
    by_onnx = TextEncoder("small", description, OnnxBackend(description, tmp_path, quantised=False))

    np.testing.assert_allclose(by_torch.encode(FRESH), by_onnx.encode(FRESH), atol=1e-4)


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    from forge_models.encoder.torch_backend import cuda

    if cuda():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ForgeError) as error:
        encoder.load(SHIPPED_NAME, tmp_path, "cuda")
    assert error.value.code == "FORGE-ENCODER-CUDA"
    with pytest.raises(ForgeError) as error:
        encoder.load(SHIPPED_NAME, tmp_path, "abacus")
    assert error.value.code == "FORGE-ENCODER-DEVICE"
