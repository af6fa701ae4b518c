"""Fitting the sequential recommender: which network for how much data, its training by the shared trainer, its score.

Every event but a subject's first is a target, given those before it. What the training watches is NDCG@10 on the last
event of some subjects, which it does not learn from; with too few subjects for that the number of steps is fixed. The
same rows and seed give the same weights on one kind of CPU, whatever subjects are called.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forge_core.evaluation import ranking
from forge_models.engine import losses
from forge_models.family import TrainingRun
from forge_models.recommender import sequential_batches, sequential_text
from forge_models.recommender.interactions import Histories, encode
from forge_models.recommender.recency import taken
from forge_models.recommender.sequential_batches import Packed
from forge_models.recommender.sequential_model import SequentialModel
from forge_models.recommender.sequential_net import SequenceNet, Shape

LEAST_SUBJECTS = 20  # with two events: below, orders are chance, and popularity speaks
LARGE = 300_000  # events from which on a network of twice the width learns more
FULL_UP_TO = 20_000  # items: beyond, scores of all of them cost more than a sample loses
DRAWN = 4_096  # items of a sample
POPULAR = 0.5  # power of an item's count in the draw: between even and as frequent as it is
WORDS = 64  # dimensions of an item's words
ROWS = 32  # of a step: some 8,000 events
WATCHED = 1_000  # subjects whose last event is watched, at most a fifth; fewer than LEAST_WATCHED say nothing
LEAST_WATCHED = 200
LEAST_STEPS = {"quick": 200, "full": 600}  # a small cohort is gone through many times
EPOCHS_QUICK = 3
PATIENCE = 4  # evaluations
MANY = 1_000  # items from which on products in bfloat16 are worth the casts


class Training(nn.Module):
    """What the trainer sees: the network with its loss. ``chance`` (items,): of each item in a draw; None: no draw."""

    def __init__(self, net: SequenceNet, chance: np.ndarray | None) -> None:
        super().__init__()
        self.net = net
        self.chance: Tensor | None
        self.register_buffer("chance", None if chance is None else torch.from_numpy(chance), persistent=False)

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        items, targets = batch["items"], batch["targets"]
        table = self.net.table()
        # as embeddings, whose gradients are added up in one order at once; those of an indexing are sorted first
        out, _, _ = self.net(F.embedding(items, table), batch["gaps"], segments=batch["segments"])
        there = torch.nonzero(targets.flatten() >= 0).flatten()
        hidden, wanted = F.embedding(there, out.flatten(0, 1)), targets.flatten()[there]
        if self.chance is None:
            found = losses.get("cross_entropy")(hidden, wanted, table)
        else:
            drawn, log_q = batch["drawn"].reshape(-1), self.chance.log()
            found = losses.get("sampled_softmax")(hidden, wanted, table, negatives=drawn, log_q=log_q)
        return found, {"weight": out.new_tensor(float(len(there)))}


@dataclass(frozen=True)
class Rows:
    """The packed rows as the trainer's batches."""

    packed: Packed
    chance: np.ndarray | None

    def __len__(self) -> int:
        return len(self.packed)

    def batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        found = {
            name: torch.from_numpy(getattr(self.packed, name)[indices])
            for name in ("items", "gaps", "targets", "segments")
        }
        if self.chance is not None:
            found["drawn"] = torch.multinomial(torch.from_numpy(self.chance), DRAWN, replacement=True)
        return found


def fit(
    rows: pa.Table, table: pa.Table | None, config: Mapping[str, Any], run: TrainingRun
) -> SequentialModel:
    """The model on training ``rows``; of ``table`` (``features/items``) the words alone are read.

    ``config``: ``dims`` (0: by the number of events), ``layers``, ``dropout``, ``epochs``, ``learning_rate``.
    """
    data = encode(rows)
    counts = data.subjects_per_item
    histories = Histories.of(rows, pa.array(data.subjects, pa.string()), pa.array(data.items, pa.string()))
    untrained = SequentialModel(data.items, counts, len(data.subjects), dict(config))
    if int((histories.lengths >= 2).sum()) < LEAST_SUBJECTS:
        return untrained
    words, item_words = sequential_text.fit(table, data.items, WORDS, run.seed)
    histories = taken(histories, sequential_batches.ordered(histories))
    watched = _watched(histories, run.seed)
    ends = histories.indptr[1:].copy()
    ends[watched] -= 1
    packed = sequential_batches.pack(histories, sequential_batches.windows(histories, ends))
    shape = _shape(config, len(histories.items), len(data.items), words.dims)
    run.progress(f"sequential: {len(packed)} rows of events, {shape.layers} layers of width {shape.dims}")
    chance = _chance(counts) if len(data.items) > FULL_UP_TO else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        training = Training(SequenceNet(shape, torch.from_numpy(item_words)), chance)
    model = replace(untrained, words=words)
    told = (shape.as_dict(), dict(config), run.preset, run.seed)
    run = replace(run, folder=(run.shared or run.folder) / packed.digest(told, item_words, watched))
    report, history = _train(training, Rows(packed, chance), config, run, _score(model, histories, watched))
    return replace(model, net=training.net.cpu().eval(), report=report, history=history)


def _train(
    training: Training, rows: Rows, config: Mapping[str, Any], run: TrainingRun, score: Any
) -> tuple[Mapping[str, list[dict[str, Any]]], Sequence[Mapping[str, float]]]:
    """Train in place; how it went, as a table for the report and step by step."""
    from forge_models.trainer import TrainerConfig, train

    size = max(1, min(ROWS, len(rows) // 4))
    once = math.ceil(len(rows) / size)
    epochs = int(config["epochs"]) if run.preset == "full" else min(int(config["epochs"]), EPOCHS_QUICK)
    steps = max(LEAST_STEPS[run.preset], epochs * once)
    rate = float(config["learning_rate"])
    settings = TrainerConfig(
        max_steps=steps,
        batch_size=size,
        learning_rate=rate,
        warmup_steps=min(200, steps // 10),
        precision="bf16" if _halves(run, training) else "auto",
        evaluate_every=max(once, steps // 20),
        patience=PATIENCE,
    )
    outcome = train(training, rows, settings, run, score=score)
    # seconds and the machine's words are not part of the report: the same data gives the same artifact
    row = {
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "watched_ndcg@10": -1.0 if outcome.best_score is None else float(outcome.best_score),
        "stopped": outcome.stopped,
        "precision": outcome.precision,
    }
    return {"training": [row]}, outcome.history


def _shape(config: Mapping[str, Any], events: int, items: int, words: int) -> Shape:
    dims = int(config["dims"]) or (128 if events >= LARGE else 64)
    return Shape(
        items=items,
        words=words,
        dims=dims,
        heads=4,
        layers=int(config["layers"]),
        inner=2 * dims,
        dropout=float(config["dropout"]),
    )


def _chance(counts: np.ndarray) -> np.ndarray:
    """(items,) float32, sums to 1."""
    weight = counts.astype(np.float64) ** POPULAR
    return (weight / weight.sum()).astype(np.float32)


def _watched(histories: Histories, seed: int) -> np.ndarray:
    """Subjects whose last event is held back, evenly drawn; none where they are too few to say anything."""
    able = np.flatnonzero(histories.lengths >= 3)
    most = min(WATCHED, len(able) // 5)
    return np.sort(np.random.default_rng(seed).permutation(able)[: most if most >= LEAST_WATCHED else 0])


def _score(model: SequentialModel, histories: Histories, watched: np.ndarray) -> Any:
    """NDCG@10 of the events held back, among all items not seen before; None where nothing is held back."""
    if not len(watched):
        return None
    whole = taken(histories, watched)
    targets = whole.items[whole.indptr[1:] - 1]
    kept = np.ones(len(whole.items), bool)
    kept[whole.indptr[1:] - 1] = False
    indptr = whole.indptr - np.arange(len(whole.indptr))
    before = Histories(indptr, whole.items[kept], whole.times[kept], whole.size)

    def score(training: Training) -> float:
        # answers are computed on the CPU; a network that trains there is used as it is
        net = training.net if training.net.own.weight.device.type == "cpu" else deepcopy(training.net).cpu()
        fitted = replace(model, net=net)
        total, step = 0.0, ranking.batch_rows(before.size)
        for start in range(0, len(before), step):
            block = before[start : start + step]
            scores = fitted.personal_scores(block)
            ranking.hide(scores, block.matrix)
            wanted = scores[np.arange(len(block)), targets[start : start + step]]
            rank = (scores > wanted[:, None]).sum(axis=1)
            total += float(np.where(rank < 10, 1.0 / np.log2(rank + 2.0), 0.0).sum())
        return total / len(before)

    return score


def _halves(run: TrainingRun, training: Training) -> bool:
    """Is bfloat16 faster here? On a CPU with instructions for it, where there are many scores; else as the run says."""
    on_cpu = run.device == "cpu" or (run.device == "auto" and not torch.cuda.is_available())
    if run.precision != "auto" or not on_cpu or training.net.shape.items < MANY:
        return False
    supported = [
        getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    ]
    return any(one is not None and one() for one in supported)
