"""The network that finds names: the encoder's word vectors and a word's looks, two convolutions, and a CRF.

The conditional random field (Lafferty, McCallum and Pereira 2001; for names Lample et al. 2016) learns what follows
what; a tag that may not follow has no weight. The encoder stands still, its vectors computed once; or, with
``tune_encoder``, it learns with the rest, at the same rate but from a trained start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forge_models.nlp import spans
from forge_models.nlp.tagging import HASHES, LOOKS, looks_of, written

FORBIDDEN = -1e4
EMBEDDED = (48, 24, 24, 16, 8)  # dimensions of each table of HASHES
UNKNOWN = 0.15  # share of words that lose their own hash in training: names of tomorrow are not in the table


@dataclass(frozen=True)
class Shape:
    """``context``: dimensions of a word's vectors, all layers together; ``tags`` with O first."""

    context: int
    tags: int
    width: int
    dropout: float


class NameNet(nn.Module):
    """``emissions`` (sentences, words, tags) from vectors and looks; ``encoder`` None where vectors are given."""

    def __init__(self, shape: Shape, labels: Sequence[str], encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.shape, self.encoder = shape, encoder
        self.layers: tuple[int, ...] = ()
        self.tables = nn.ModuleList(
            nn.Embedding(size + 1, dims) for size, dims in zip(HASHES, EMBEDDED, strict=True)
        )
        for table in self.tables:
            nn.init.normal_(table.weight, std=0.1)  # type: ignore[arg-type]
        self.down = nn.Linear(shape.context, shape.width)
        self.norm = nn.LayerNorm(shape.context)
        self.join = nn.Linear(shape.width + sum(EMBEDDED) + LOOKS, shape.width)
        self.near = nn.Conv1d(shape.width, shape.width, 3, padding=1)
        self.far = nn.Conv1d(shape.width, shape.width, 3, padding=1)
        self.out = nn.Linear(shape.width, shape.tags)
        self.drop = nn.Dropout(shape.dropout)
        may_start, may_follow = spans.allowed(labels)
        self.register_buffer("may_start", torch.from_numpy(may_start), persistent=False)
        self.register_buffer("may_follow", torch.from_numpy(may_follow), persistent=False)
        self.start = nn.Parameter(torch.zeros(shape.tags))
        self.follow = nn.Parameter(torch.zeros(shape.tags, shape.tags))

    def emissions(self, batch: Mapping[str, Tensor]) -> Tensor:
        vectors = batch["vectors"] if self.encoder is None else self._encoded(batch)
        hashes = batch["hashes"]
        if self.training:
            lost = torch.rand(hashes.shape[:2]) < UNKNOWN
            hashes = hashes.clone()
            hashes[..., 0] = torch.where(lost.to(hashes.device), HASHES[0], hashes[..., 0])
        looks = [table(hashes[..., i]) for i, table in enumerate(self.tables)]
        context = self.down(self.drop(self.norm(vectors)))
        x = F.gelu(self.join(torch.cat([context, *looks, batch["written"]], dim=-1)))
        keep = batch["mask"].unsqueeze(-1)
        x = self.drop(x) * keep
        x = x + self.drop(F.gelu(self.near(x.transpose(1, 2)).transpose(1, 2))) * keep
        x = x + self.drop(F.gelu(self.far(x.transpose(1, 2)).transpose(1, 2))) * keep
        found: Tensor = self.out(x)
        return found

    def _encoded(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Vectors of words: the mean over their pieces, layer by layer. ``owner`` (s, pieces): the word or -1."""
        assert self.encoder is not None
        out = self.encoder(input_ids=batch["ids"], attention_mask=batch["pieces"], output_hidden_states=True)
        hidden = torch.cat([out.hidden_states[layer] for layer in self.layers], dim=-1)
        words = batch["mask"].shape[1]
        share = F.one_hot(batch["owner"] + 1, words + 1)[..., 1:].float()  # (s, pieces, words)
        share = share / share.sum(dim=1, keepdim=True).clamp(min=1.0)
        return torch.einsum("spw,spd->swd", share, hidden)

    def scores(self) -> tuple[Tensor, Tensor]:
        """Start (tags,) and transitions (before, after); what is not allowed is out of reach."""
        return (
            self.start.masked_fill(~self.may_start, FORBIDDEN),  # type: ignore[operator]
            self.follow.masked_fill(~self.may_follow, FORBIDDEN),  # type: ignore[operator]
        )

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Mean over words of the path's negative log-likelihood."""
        emissions, tags, mask = self.emissions(batch).float(), batch["tags"], batch["mask"].bool()
        start, follow = self.scores()
        rows = torch.arange(len(tags), device=tags.device)
        alpha = start + emissions[:, 0]
        path = start[tags[:, 0]] + emissions[rows, 0, tags[:, 0]]
        for at in range(1, tags.shape[1]):
            here = mask[:, at]
            following = torch.logsumexp(alpha.unsqueeze(2) + follow, dim=1) + emissions[:, at]
            alpha = torch.where(here.unsqueeze(1), following, alpha)
            step = follow[tags[:, at - 1], tags[:, at]] + emissions[rows, at, tags[:, at]]
            path = path + torch.where(here, step, torch.zeros_like(step))
        words = mask.sum()
        found = (torch.logsumexp(alpha, dim=1) - path).sum() / words
        return found, {"weight": words.float()}


@dataclass(frozen=True)
class Sentences:
    """Tokenised sentences as the trainer's examples: ``vectors`` of each, float16, or ``pieces`` for the encoder."""

    hashes: Sequence[np.ndarray]
    written: Sequence[np.ndarray]
    tags: Sequence[np.ndarray] | None
    vectors: Sequence[np.ndarray] | None
    pieces: Sequence[tuple[Sequence[int], np.ndarray]] | None

    def __len__(self) -> int:
        return len(self.hashes)

    def batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        lengths = [len(self.hashes[i]) for i in indices]
        shape = (len(indices), max(lengths))
        hashes, looks = np.zeros((*shape, len(HASHES)), np.int64), np.zeros((*shape, LOOKS), np.float32)
        tags, mask = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        for row, (i, n) in enumerate(zip(indices, lengths, strict=True)):
            hashes[row, :n], looks[row, :n], mask[row, :n] = self.hashes[i], self.written[i], 1.0
            if self.tags is not None:
                tags[row, :n] = self.tags[i]
        found = {"hashes": hashes, "written": looks, "tags": tags, "mask": mask}
        if self.vectors is not None:
            vectors = np.zeros((*shape, self.vectors[indices[0]].shape[1]), np.float32)
            for row, (i, n) in enumerate(zip(indices, lengths, strict=True)):
                vectors[row, :n] = self.vectors[i]
            found["vectors"] = vectors
        if self.pieces is not None:
            longest = max(len(self.pieces[i][0]) for i in indices)
            ids, there = (
                np.zeros((len(indices), longest), np.int64),
                np.zeros((len(indices), longest), np.int64),
            )
            owner = np.full((len(indices), longest), -1, np.int64)
            for row, i in enumerate(indices):
                own, whose = self.pieces[i]
                ids[row, : len(own)], owner[row, : len(own)], there[row, : len(own)] = own, whose, 1
            found |= {"ids": ids, "owner": owner, "pieces": there}
        return {name: torch.from_numpy(array) for name, array in found.items()}


def looked_at(sentences: Sequence[Sequence[str]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Hashes (words, 5) int64 and how each word is written (words, LOOKS) float32, per sentence."""
    hashes, looks = [], []
    for words in sentences:
        hashes.append(np.array([looks_of(word) for word in words], np.int64).reshape(-1, len(HASHES)))
        looks.append(np.array([written(word) for word in words], np.float32).reshape(-1, LOOKS))
    return hashes, looks


def as_arrays(module: NameNet) -> dict[str, np.ndarray]:
    """The network's own tensors, without the encoder's."""
    return {
        name: value.detach().float().cpu().numpy().copy()
        for name, value in module.state_dict().items()
        if not name.startswith("encoder.")
    }


def from_arrays(shape: Shape, labels: Sequence[str], arrays: Mapping[str, np.ndarray]) -> NameNet:
    """The network again; KeyError or RuntimeError where the arrays are not its own."""
    module = NameNet(shape, labels)
    state: dict[str, Any] = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
    module.load_state_dict(state, strict=True)
    return module.eval()
