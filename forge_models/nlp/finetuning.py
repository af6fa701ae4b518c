"""The text encoder fine-tuned to tell classes, by the shared trainer: all layers, or low-rank adapters (peft).

The table of words stands still: it is half of the weights, and a few thousand sentences say little of each word. The
classifier reads a learned mix of the layers' means. Texts of like length are learned together, so that hardly anything
is padded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forge_models.family import TrainingRun
from forge_models.nlp.encoding import LayeredEncoder, described

GROUP = 8  # texts of like length that are read together
GROUPS = 4  # of a step
WATCHED = 0.06  # share of the training rows that is held back, to know when to stop
LEAST_WATCHED = 50
NOISE = 0.15  # of the logarithm of the length, in sorting: groups are of like length and yet mixed


class Classifier(nn.Module):
    """``logits`` (texts, classes) from token ids; ``smoothing`` of labels, ``drop`` of the text's vector."""

    def __init__(self, encoder: nn.Module, layers: int, width: int, classes: int, drop: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.mix = nn.Parameter(torch.linspace(-1.0, 1.0, layers + 1))  # the upper layers speak first
        self.drop = nn.Dropout(drop)
        self.head = nn.Linear(width, classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def logits(self, ids: Tensor, mask: Tensor) -> Tensor:
        out = self.encoder(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        share = mask.float() / mask.float().sum(dim=1, keepdim=True)
        mix = torch.softmax(self.mix, 0)
        hidden: Tensor = sum(m * h for m, h in zip(mix, out.hidden_states, strict=True))
        pooled = (hidden * share.unsqueeze(-1)).sum(dim=1)
        found: Tensor = self.head(self.drop(pooled))
        return found

    def loss(self, batch: Sequence[Mapping[str, Tensor]]) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits = torch.cat([self.logits(group["ids"], group["mask"]) for group in batch])
        labels = torch.cat([group["labels"] for group in batch])
        found = F.cross_entropy(logits, labels, label_smoothing=0.05)
        return found, {"weight": found.new_tensor(float(len(labels)))}


@dataclass(frozen=True)
class Groups:
    """Texts of like length in groups, as the trainer's examples."""

    ids: Sequence[Sequence[int]]
    labels: np.ndarray
    groups: Sequence[np.ndarray]

    @classmethod
    def of(cls, ids: Sequence[Sequence[int]], labels: np.ndarray, seed: int) -> Groups:
        rng = np.random.default_rng(seed)
        noise = rng.normal(0.0, NOISE, len(ids))
        order = np.argsort(np.log([len(one) for one in ids]) + noise, kind="stable")
        return cls(ids, labels, [order[i : i + GROUP] for i in range(0, len(order), GROUP)])

    def __len__(self) -> int:
        return len(self.groups)

    def batch(self, indices: np.ndarray) -> list[dict[str, Tensor]]:
        return [padded(self.ids, self.labels, self.groups[i]) for i in indices]


def padded(ids: Sequence[Sequence[int]], labels: np.ndarray, chosen: np.ndarray) -> dict[str, Tensor]:
    """Token ids (texts, longest), their mask, and the labels."""
    longest = max(len(ids[i]) for i in chosen)
    held = np.zeros((len(chosen), longest), np.int64)
    mask = np.zeros((len(chosen), longest), np.int64)
    for row, i in enumerate(chosen):
        held[row, : len(ids[i])] = ids[i]
        mask[row, : len(ids[i])] = 1
    return {
        "ids": torch.from_numpy(held),
        "mask": torch.from_numpy(mask),
        "labels": torch.from_numpy(labels[chosen].astype(np.int64)),
    }


@dataclass(frozen=True)
class Tuned:
    """What fine-tuning gives. ``weights`` are the encoder's changed tensors, by the names of the model's file."""

    weights: Mapping[str, np.ndarray]
    mix: np.ndarray  # (layers + 1,) float32, sums to 1
    head: np.ndarray  # (classes, d) float32
    bias: np.ndarray  # (classes,) float32
    report: Mapping[str, list[dict[str, Any]]]
    history: Sequence[Mapping[str, float]]


def tune(
    name: str,
    texts: Sequence[str],
    labels: np.ndarray,
    classes: int,
    config: Mapping[str, Any],
    run: TrainingRun,
) -> Tuned:
    """Fine-tune the encoder called ``name`` on ``texts`` with ``labels`` (n,) in 0..classes.

    ``config``: ``epochs``, ``learning_rate``, ``lora`` (rank of adapters; 0: all layers), ``dropout``, ``tokens`` read
    of a text.
    """
    from forge_models.trainer import TrainerConfig, train

    description = described(name)
    limit = int(config.get("tokens", 96))
    ids = LayeredEncoder(description).token_ids(texts, limit)
    rng = np.random.default_rng(run.seed)
    order = rng.permutation(len(ids))
    watched = order[: int(WATCHED * len(ids))]
    watched = watched if len(watched) >= LEAST_WATCHED else order[:0]
    learned = np.setdiff1d(order, watched)
    rows = Groups.of([ids[i] for i in learned], labels[learned], run.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        module = build(description.folder, classes, config)
    once = max(1, len(rows) // GROUPS)
    steps = max(2, round(float(config["epochs"]) * once))
    settings = TrainerConfig(
        max_steps=steps,
        batch_size=min(GROUPS, len(rows)),
        learning_rate=float(config["learning_rate"]),
        weight_decay=0.01,
        warmup_steps=steps // 10,
        schedule="linear",
        evaluate_every=max(1, once // 2),
        checkpoint_seconds=120.0,
    )
    judge = Groups.of([ids[i] for i in watched], labels[watched], run.seed)
    run.progress(f"fine-tuning on {len(learned):,} texts in {steps:,} steps")
    outcome = train(
        module, rows, settings, run, score=(lambda m: accuracy(m, judge)) if len(watched) else None
    )
    row = {
        "texts": len(learned),
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "watched_accuracy": -1.0 if outcome.best_score is None else float(outcome.best_score),
        "stopped": outcome.stopped,
        "precision": outcome.precision,
    }
    return taken(module, {"training": [row]}, outcome.history)


def build(folder: Any, classes: int, config: Mapping[str, Any]) -> Classifier:
    """The classifier before training; adapters where ``lora`` asks for them."""
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    encoder: Any = AutoModel.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
    )
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    layers, width = int(encoder.config.num_hidden_layers), int(encoder.config.hidden_size)
    encoder.get_input_embeddings().weight.requires_grad_(False)
    if rank := int(config.get("lora", 0)):
        from peft import LoraConfig, inject_adapter_in_model

        for parameter in encoder.parameters():
            parameter.requires_grad_(False)
        places = ["query", "key", "value", "dense"]
        settings = LoraConfig(
            r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=places, bias="none"
        )
        encoder = inject_adapter_in_model(settings, encoder)
    return Classifier(encoder, layers, width, classes, float(config.get("dropout", 0.1)))


def accuracy(module: nn.Module, rows: Groups) -> float:
    """Share of texts that are told right; and, for ties, a breath of their likelihood."""
    right, total, likely = 0, 0, 0.0
    device = next(module.parameters()).device
    with torch.inference_mode():
        for number in range(len(rows)):
            group = {key: value.to(device) for key, value in rows.batch(np.array([number]))[0].items()}
            logits = module.logits(group["ids"], group["mask"])  # type: ignore[operator]
            right += int((logits.argmax(1) == group["labels"]).sum())
            likely -= float(F.cross_entropy(logits, group["labels"], reduction="sum"))
            total += len(group["labels"])
    return (right + 1e-3 * likely) / max(1, total)


def taken(module: Classifier, report: Mapping[str, Any], history: Sequence[Mapping[str, float]]) -> Tuned:
    """The trained tensors as arrays, adapters added into what they adapt."""
    from forge_models.engine.lora import adapted, merge

    if adapted(module):
        merge(module)
    state = {name: t.detach().float().cpu().numpy() for name, t in module.encoder.state_dict().items()}
    still = ("embeddings.word_embeddings.weight", "embeddings.position_ids", "embeddings.token_type_ids")
    weights = {name: value for name, value in state.items() if name not in still}
    return Tuned(
        weights,
        torch.softmax(module.mix.detach(), 0).numpy(),
        module.head.weight.detach().numpy().copy(),
        module.head.bias.detach().numpy().copy(),
        dict(report),
        list(history),
    )
