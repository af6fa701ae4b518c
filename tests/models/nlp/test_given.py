"""A model that the settings name competes for a task: its labels are learned, its weights are not kept."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forge_core.errors import Refused
from forge_models.nlp import NLP, given, storing
from forge_models.nlp.candidates import ENTITIES, SENTIMENT
from tests.models import encoder_models
from tests.models.nlp.data import run
from tests.models.nlp.test_family import references

TASKS = {task.name: task for task in NLP.tasks}


@pytest.fixture
def named(tmp_path: Path) -> dict[str, str]:
    """Two small transformers models with random weights, by the task they compete for."""
    import torch
    from transformers import (
        AutoTokenizer,
        BertConfig,
        BertForSequenceClassification,
        BertForTokenClassification,
    )

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(encoder_models.shipped())
    kinds: dict[str, tuple[Any, tuple[str, ...]]] = {
        "sentiment": (BertForSequenceClassification, ("dull", "bright")),
        "entities": (BertForTokenClassification, ("O", "B-PER", "I-PER")),
    }
    for task, (cls, labels) in kinds.items():
        config = BertConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=64, num_labels=len(labels), id2label=dict(enumerate(labels)),
            label2id={label: number for number, label in enumerate(labels)},
        )  # fmt: skip
        cls(config).save_pretrained(tmp_path / task, safe_serialization=True)
        tokenizer.save_pretrained(tmp_path / task)
    return {task: str(tmp_path / task) for task in kinds}


@pytest.mark.parametrize(("task", "way"), [("sentiment", SENTIMENT[-1]), ("entities", ENTITIES[-1])])
def test_it_is_fitted_judged_and_stored_by_name(
    task: str, way: Any, named: dict[str, str], tmp_path: Path
) -> None:
    splits = NLP.split(TASKS[task], references())
    model = way.fit(splits, {}, replace(run(tmp_path / "run"), models=named))
    assert way.needs == task
    storing.save(task, model, tmp_path / "kept")
    assert sum(file.stat().st_size for file in (tmp_path / "kept").iterdir()) < 20_000
    loaded = storing.load(task, tmp_path / "kept")
    one, other = (NLP.evaluate(TASKS[task], m, splits, "test").metrics for m in (model, loaded))
    assert {name: i.value for name, i in one.items()} == {name: i.value for name, i in other.items()}
    assert model.report["model"][0]["model"].startswith(f"{task}@")


def test_labels_mean_what_they_meet(tmp_path: Path) -> None:
    meets = np.array([[30.0, 1.0], [2.0, 50.0]])
    table = meets / meets.sum(axis=1, keepdims=True)
    model = given.GivenClassifier(
        ("negative", "positive"), np.array([0.4, 0.6]), {}, model="one", digest="one@0", said=("dull", "bright"),
        table=table,
    )  # fmt: skip
    sure, unsure = given.Label("bright", 1.0), given.Label("dull", 0.0)
    assert np.allclose(model.shares([[sure], [unsure], []]), [table[1], model.prior, model.prior])


def test_a_model_that_changed_since_is_refused(named: dict[str, str], tmp_path: Path) -> None:
    splits = NLP.split(TASKS["entities"], references())
    model = ENTITIES[-1].fit(splits, {}, replace(run(tmp_path / "run"), models=named))
    storing.save("entities", model, tmp_path / "kept")
    place = Path(named["entities"])
    config = json.loads((place / "config.json").read_text())
    shutil.copy(place / "config.json", tmp_path / "before.json")
    (place / "config.json").write_text(json.dumps({**config, "note": "changed"}))
    given.pipeline.cache_clear()
    loaded = storing.load("entities", tmp_path / "kept")
    with pytest.raises(Refused) as caught:
        loaded.tags([["Ada", "went"]])
    assert caught.value.code == "FORGE-PIPELINE-CHANGED"
    assert str(tmp_path) not in str(caught.value)
