"""Models of others: a local folder loads and answers in order; what could run code or needs a network is refused."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from forge_core.errors import ForgeError, Refused, UsageError
from forge_models.nlp import pipelines
from tests.models import encoder_models

TEXTS = ["Ada went to Paris.", "", "😀", "混合 слово", "a long text " * 500]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two small transformers models with random weights."""
    import torch
    from transformers import (
        AutoTokenizer,
        BertConfig,
        BertForSequenceClassification,
        BertForTokenClassification,
    )

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(encoder_models.shipped())
    made = {}
    kinds: list[tuple[str, Any, dict[int, str]]] = [
        ("text-classification", BertForSequenceClassification, {0: "dull", 1: "bright"}),
        ("token-classification", BertForTokenClassification, {0: "O", 1: "B-PER", 2: "I-PER"}),
    ]
    for kind, cls, names in kinds:
        config = BertConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=64, num_labels=len(names), id2label=names,
            label2id={label: number for number, label in names.items()},
        )  # fmt: skip
        folder = tmp_path_factory.mktemp("pipelines") / kind
        cls(config).save_pretrained(folder, safe_serialization=True)
        tokenizer.save_pretrained(folder)
        made[kind] = folder
    return made


def test_a_classifier_of_a_local_folder_answers_in_order(models: dict[str, Path]) -> None:
    pipeline = pipelines.load(str(models["text-classification"]), "text-classification")
    together = pipeline(TEXTS)
    assert [len(labels) for labels in together] == [1, 0, 1, 1, 1]
    assert {label.label for labels in together for label in labels} <= {"dull", "bright"}
    alone = [pipeline([text])[0] for text in TEXTS]
    assert [[one.label for one in labels] for labels in alone] == [[x.label for x in y] for y in together]


def test_spans_of_a_tagger_lie_in_the_text(models: dict[str, Path]) -> None:
    pipeline = pipelines.load(str(models["token-classification"]), "token-classification")
    for text, labels in zip(TEXTS, pipeline(TEXTS), strict=True):
        for one in labels:
            assert one.label == "PER"
            assert 0 <= one.start < one.end <= len(text)


def test_the_digest_is_name_and_content(models: dict[str, Path], tmp_path: Path) -> None:
    first = pipelines.load(str(models["text-classification"]), "text-classification")
    copy = tmp_path / "text-classification"
    shutil.copytree(models["text-classification"], copy)
    assert pipelines.load(str(copy), "text-classification").digest == first.digest
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "note": "changed"}))
    assert pipelines.load(str(copy), "text-classification").digest != first.digest
    assert str(tmp_path) not in first.digest


def test_a_hub_name_without_a_network_offers_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    def unreachable(*given: Any, **more: Any) -> str:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ForgeError) as caught:
        pipelines.load("nobody/no-such-model", "text-classification")
    assert caught.value.code == "FORGE-PIPELINE-HUB"
    assert "default" in caught.value.fix


@pytest.mark.parametrize(
    ("spoil", "code", "kind"),
    [
        ("code", "FORGE-PIPELINE-CODE", Refused),
        ("pickle", "FORGE-PIPELINE-PICKLED", Refused),
        ("none", "FORGE-PIPELINE-MODEL", UsageError),
        ("config", "FORGE-PIPELINE-MODEL", UsageError),
    ],
)
def test_what_could_run_code_is_refused(
    spoil: str, code: str, kind: type[ForgeError], models: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(models["text-classification"], folder)
    if spoil == "code":
        (folder / "modeling.py").write_text("raise SystemExit")
    elif spoil == "config":
        (folder / "config.json").unlink()
    else:
        (folder / "model.safetensors").unlink()
        if spoil == "pickle":
            (folder / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(kind) as caught:
        pipelines.load(str(folder), "text-classification")
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["", "/nowhere/at/all", "./nothing"])
def test_a_folder_that_is_not_there_is_said(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        pipelines.load(name, "text-classification")
    assert caught.value.code == "FORGE-PIPELINE-FOLDER"


def test_without_spacy_a_spacy_pipeline_is_refused_clearly() -> None:
    if importlib.util.find_spec("spacy") is not None:
        pytest.skip("spaCy is installed")
    with pytest.raises(ForgeError) as caught:
        pipelines.load("en_core_web_sm", "spacy")
    assert caught.value.code == "FORGE-PIPELINE-SPACY"


def test_a_spacy_pipeline_of_a_local_folder_finds_its_names(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="spaCy is not installed")
    made = spacy.blank("en")
    made.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Paris"}])
    made.to_disk(tmp_path / "rules")
    pipeline = pipelines.load(str(tmp_path / "rules"), "spacy")
    assert pipeline(TEXTS)[0] == [pipelines.Label("GPE", 1.0, 12, 17)]
