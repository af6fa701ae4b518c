"""A GRU over check-ins, trained in plain torch: the neural peer of the next-place benchmark.

An event is its place and the hour and weekday at which it was; the output after each is a softmax over all places of
the training part (Hidasi et al. 2016, with cross-entropy, tied weights and a user vector, as later check-in models have
it). Stopped by MRR on validation. It is asked as all are: with every check-in that came before.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from forge_models.behavior.instants import day_of_week, hour_of_day
from forge_models.behavior.timelines import Timeline

WINDOW, BATCH, DIMS = 128, 32, 128


class Gru(nn.Module):
    def __init__(self, labels: int, users: int) -> None:
        super().__init__()
        self.place = nn.Embedding(labels + 1, DIMS)
        self.hour, self.day, self.user = (
            nn.Embedding(24, DIMS),
            nn.Embedding(7, DIMS),
            nn.Embedding(users, DIMS),
        )
        self.gru, self.dropout = nn.GRU(DIMS, DIMS, batch_first=True), nn.Dropout(0.3)
        self.bias = nn.Parameter(torch.zeros(labels))
        for table in (self.place, self.hour, self.day, self.user):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, 4) place, hour, weekday, user to (B, T, dims)."""
        known = x[..., 0].clamp(max=len(self.bias))
        vectors = self.place(known) + self.hour(x[..., 1]) + self.day(x[..., 2]) + self.user(x[..., 3])
        return self.dropout(self.gru(self.dropout(vectors))[0] + self.user(x[..., 3]))

    def score(self, hidden: torch.Tensor) -> torch.Tensor:
        return F.linear(hidden, self.place.weight[:-1]) + self.bias


class GruModel:
    """``probabilities`` as the family's models have it."""

    def __init__(self, net: Gru, vocabulary: list[str], users: dict[str, int]) -> None:
        self.net, self.vocabulary, self.users = net.eval(), vocabulary, users

    def probabilities(self, line: Timeline, targets: np.ndarray) -> np.ndarray:
        found = np.zeros((len(targets), line.size), np.float32)
        with torch.no_grad():
            hidden = self.net(torch.from_numpy(described(line, self.users[line.subject]))[None])[0]
            found[:, : line.known] = torch.softmax(self.net.score(hidden[targets - 1]), -1).numpy()
        return found


def described(line: Timeline, user: int) -> np.ndarray:
    hour = hour_of_day(line.end).astype(np.int64)
    return np.stack([line.labels, hour, day_of_week(line.end), np.full(len(line), user)], 1)


def fit(
    lines: list[Timeline], vocabulary: list[str], seconds: float, seed: int = 0
) -> tuple[GruModel, dict[str, Any]]:
    """``lines`` hold train and validation; what is after them is not given."""
    torch.manual_seed(seed)
    users = {line.subject: number for number, line in enumerate(lines)}
    net = Gru(len(vocabulary), len(users))
    chunks = []
    for line in lines:
        told = described(line, users[line.subject])[: int((line.part == 0).sum())]
        chunks += [told[low : low + WINDOW + 1] for low in range(0, len(told) - 1, WINDOW)]
    chunks.sort(key=len)
    groups = [chunks[low : low + BATCH] for low in range(0, len(chunks), BATCH)]
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    rng, began = np.random.default_rng(seed), time.perf_counter()
    best, weights, epoch, bad, best_epoch = -1.0, {}, 0, 0, 0
    while bad < 3 and time.perf_counter() - began < seconds:
        net.train()
        for number in rng.permutation(len(groups)):
            group = groups[number]
            x = torch.zeros((len(group), max(map(len, group)), 4), dtype=torch.long)
            inside = torch.zeros(x.shape[:2], dtype=torch.bool)
            for row, chunk in enumerate(group):
                x[row, : len(chunk)], inside[row, : len(chunk)] = torch.from_numpy(chunk), True
            kept = inside[:, 1:]
            wanted = x[:, 1:, 0][kept]
            loss = F.cross_entropy(net.score(net(x[:, :-1])[kept]), wanted)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        epoch += 1
        value = _mrr(GruModel(net, vocabulary, users), lines)
        if value > best:
            best, bad, best_epoch = value, 0, epoch
            weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        else:
            bad += 1
    net.load_state_dict(weights)
    told = {"epochs": epoch, "best_epoch": best_epoch, "validation_mrr": round(best, 4)}
    told["stopped"] = "patience" if bad >= 3 else "seconds"
    return GruModel(net, vocabulary, users), told | {"fit_seconds": round(time.perf_counter() - began, 1)}


def _mrr(model: GruModel, lines: list[Timeline]) -> float:
    found = []
    for line in lines[::4]:
        targets = np.flatnonzero(line.part == 1)
        if len(targets):
            chances = model.probabilities(line, targets)
            own = chances[np.arange(len(targets)), line.labels[targets]]
            found.append(np.where(own > 0, 1.0 / (chances >= own[:, None]).sum(1), 0.0))
    return float(np.concatenate(found).mean())
