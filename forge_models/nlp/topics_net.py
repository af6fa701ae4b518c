"""The network that finds topics: from a text's vector to a mix of topics, from the mix to its words.

A contextual neural topic model (Bianchi et al., EACL 2021, ZeroShotTM) without the sampling: the vector of a frozen
encoder goes through two layers to shares of topics, the shares to a distribution of words, and what is learned is the
likelihood of the text's own words. An even use of the topics is rewarded, or one would take all. A text belongs to the
topic of its largest share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forge_models.encoder import DEFAULT
from forge_models.family import TrainingRun
from forge_models.nlp import clustering
from forge_models.nlp.classifying import encoder_of, stopper
from forge_models.nlp.encoding import Check, frozen
from forge_models.nlp.topics import PLACES, READ, TopicModel, _centroids, _common, _principal, _spoken, hashed

MOST_WORDS = 64  # of a text, drawn anew for each step where there are more
EVEN = 1.0  # weight of the reward for using all topics
BATCH = 128


class TopicNet(nn.Module):
    """``shares`` (n, topics) from vectors (n, dims)."""

    def __init__(self, dims: int, width: int, topics: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(dims, width)
        self.out = nn.Linear(width, topics)
        self.drop = nn.Dropout(dropout)
        self.words = nn.Embedding(topics, PLACES)  # logits of words, beside what all texts have
        nn.init.zeros_(self.words.weight)
        self.common: Tensor
        self.register_buffer("common", torch.zeros(PLACES), persistent=False)

    def shares(self, vectors: Tensor) -> Tensor:
        found: Tensor = torch.softmax(self.out(self.drop(F.gelu(self.inner(vectors)))), dim=1)
        return found

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        shares = self.shares(batch["vectors"])
        word = torch.log_softmax(self.words.weight + self.common, dim=1)  # (topics, PLACES)
        at = word[:, batch["places"].flatten()].view(len(word), *batch["places"].shape)
        likely = torch.logsumexp(torch.log(shares + 1e-8).T.unsqueeze(2) + at, dim=0)
        mean = (likely * batch["there"]).sum() / batch["there"].sum()
        used = shares.mean(dim=0)
        even = -(used * torch.log(used + 1e-8)).sum()
        return -mean - EVEN * even, {
            "word_likelihood": mean.detach(),
            "topics_in_use": torch.exp(even).detach(),
        }


@dataclass(frozen=True)
class Texts:
    """Vectors and the places of words, as the trainer's examples."""

    vectors: np.ndarray
    places: Sequence[np.ndarray]

    def __len__(self) -> int:
        return len(self.vectors)

    def batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        places = torch.zeros(len(indices), MOST_WORDS, dtype=torch.int64)
        there = torch.zeros(len(indices), MOST_WORDS)
        for row, i in enumerate(indices):
            own = torch.from_numpy(self.places[i])
            if len(own) > MOST_WORDS:
                own = own[torch.randperm(len(own))[:MOST_WORDS]]
            places[row, : len(own)], there[row, : len(own)] = own, 1.0
        return {"vectors": torch.from_numpy(self.vectors[indices]), "places": places, "there": there}


@dataclass(frozen=True, kw_only=True)
class NetTopics(TopicModel):
    """``centroids`` is the identity: a text's vector is its shares of topics, square roots, so of length 1."""

    encoder: str
    identity: str
    mean: np.ndarray
    components: np.ndarray
    inner: np.ndarray  # (width, d)
    inner_bias: np.ndarray
    out: np.ndarray  # (topics, width)
    out_bias: np.ndarray
    kind: ClassVar[str] = "network"

    def vectors(
        self, texts: Sequence[str], check: Check | None = None, pooled: np.ndarray | None = None
    ) -> np.ndarray:
        from scipy.special import erf

        known = encoder_of(self.encoder, self.identity)
        if pooled is None:
            pooled = known.pooled(texts, (known.layers,), READ, check)[:, 0]
        space = clustering.normal((pooled - self.mean) @ self.components.T)
        x = space @ self.inner.T + self.inner_bias
        x = x * 0.5 * (1.0 + erf(x / np.sqrt(2.0)))
        logits = x @ self.out.T + self.out_bias
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: np.ndarray = np.sqrt(raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
        return found


def fit_network(
    texts: Sequence[str],
    config: Mapping[str, Any],
    run: TrainingRun,
    encoder: str = DEFAULT,
    before: TopicModel | None = None,
    pooled: np.ndarray | None = None,
) -> NetTopics:
    """``config``: ``topics`` (0: as many as the clusters have), ``dims``, ``width``, ``epochs``, ``learning_rate``.

    It begins at the clusters: the first layers learn to tell them before the words are learned.
    """
    from forge_models.trainer import TrainerConfig, train

    texts, pooled = _spoken(texts, pooled)
    known = frozen(encoder)
    if pooled is None:
        pooled = known.pooled(texts, (known.layers,), READ, stopper(run))[:, 0]
    mean = pooled.mean(axis=0)
    components = _principal(pooled - mean, int(config["dims"]))
    space = clustering.normal((pooled - mean) @ components.T).astype(np.float32)
    centroids, table = _centroids(space, config, run.seed)
    places = [hashed(text) for text in texts]
    whole = np.bincount(np.concatenate([*places, np.zeros(0, np.int64)]), minlength=PLACES) + 0.01
    module = _started(space, centroids, places, whole, config, run.seed)
    steps = max(20, round(float(config["epochs"]) * len(texts) / min(BATCH, len(texts))))
    settings = TrainerConfig(
        max_steps=steps,
        batch_size=min(BATCH, len(texts)),
        learning_rate=float(config["learning_rate"]),
        checkpoint_seconds=120.0,
    )
    outcome = train(module, Texts(space, places), settings, run)
    state = {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}
    made: dict[str, Any] = {
        "encoder": encoder, "identity": known.identity, "mean": mean, "components": components,
        "inner": state["inner.weight"], "inner_bias": state["inner.bias"], "out": state["out.weight"],
        "out_bias": state["out.bias"],
    }  # fmt: skip
    one = np.eye(len(centroids), dtype=np.float32)
    untold = NetTopics((), one, np.zeros((0, 0), np.float32), np.zeros(0, np.int64), config, **made)
    shares = untold.vectors(texts, pooled=pooled)
    common = _common(texts, shares, one, config, table, before)
    common["report"]["training"] = [{"steps": outcome.steps, "stopped": outcome.stopped}]
    return NetTopics(**common, **made, history=outcome.history)


def _started(
    space: np.ndarray,
    centroids: np.ndarray,
    places: Sequence[np.ndarray],
    whole: np.ndarray,
    config: Mapping[str, Any],
    seed: int,
) -> TopicNet:
    """The network at the clusters: its words are theirs, and its shares, after a few steps, nearly so."""
    k = len(centroids)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = TopicNet(space.shape[1], int(config["width"]), k, float(config["dropout"]))
        module.common.copy_(torch.from_numpy(np.log(whole / whole.sum()).astype(np.float32)))
        rows = clustering.assign(space, centroids)[0]
        inside = np.zeros((k, PLACES))
        for own, row in zip(places, rows, strict=True):
            np.add.at(inside[row], own, 1.0)
        smooth = 300.0 * whole / whole.sum()
        share = (inside + smooth) / (inside.sum(axis=1, keepdims=True) + 300.0)
        module.words.weight.data.copy_(
            torch.from_numpy(np.log(share / (whole / whole.sum())).astype(np.float32))
        )
        adam = torch.optim.Adam([*module.inner.parameters(), *module.out.parameters()], lr=5e-3)
        vectors, target = torch.from_numpy(space), torch.from_numpy(rows)
        for at in range(60):
            chosen = torch.arange(at * 256, (at + 1) * 256) % len(space)
            loss = F.nll_loss(torch.log(module.shares(vectors[chosen]) + 1e-8), target[chosen])
            adam.zero_grad()
            loss.backward()
            adam.step()
    return module
