"""The encoder on CUDA: half precision gives the vectors of the CPU in full precision."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_models import encoder
from forge_models.encoder.description import describe
from forge_models.encoder.finding import find
from forge_models.encoder.probe import TEXTS
from forge_models.encoder.text_encoder import TextEncoder
from forge_models.encoder.torch_backend import TorchBackend, cuda

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not cuda(), reason="no CUDA device")]


def test_half_precision_on_cuda_agrees_with_the_cpu(tmp_path: Path) -> None:
    description = describe(find(encoder.DEFAULT))
    exact = TextEncoder("exact", description, TorchBackend(description)).encode(TEXTS)

    ours = encoder.load(encoder.DEFAULT, tmp_path, "cuda")

    assert ours.backend == "torch fp16 cuda"
    assert (ours.encode(TEXTS) * exact).sum(axis=1).min() >= 0.999


def test_cuda_is_taken_where_there_is_one(tmp_path: Path) -> None:
    assert encoder.load(encoder.DEFAULT, tmp_path).backend == "torch fp16 cuda"


def test_texts_alone_and_together_have_one_vector(tmp_path: Path) -> None:
    ours = encoder.load(encoder.DEFAULT, tmp_path, "cuda")

    together = ours.encode(TEXTS)

    assert min(float(ours.encode_one(text) @ row) for text, row in zip(TEXTS, together, strict=True)) >= 0.999
