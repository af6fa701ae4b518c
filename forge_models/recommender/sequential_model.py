"""The fitted sequential recommender: it scores by the order of a history, whole or event by event.

The whole history goes through the network chunk by chunk (memory does not grow with its length), or each event moves
a person's state on in constant time (``begin``, ``follow``, ``step``): both give the same scores to rounding. An item
of the history counts once, at its first event, as in ``features/interactions``.

Reasons are by occlusion (Zeiler and Fergus 2014): how much the item's score falls when one of the last ``RECENT``
events had not been. The network is not linear, so these do not add up to the score, and older events get none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from forge_models.engine.state import State
from forge_models.recommender.interactions import NO_TIME, Histories
from forge_models.recommender.models import RecommenderModel, Remembered
from forge_models.recommender.sequential_net import SequenceNet, gap_buckets
from forge_models.recommender.sequential_state import HELD, RECENT, Event, PersonState
from forge_models.recommender.sequential_stepping import Stepper
from forge_models.recommender.sequential_text import Words

CHUNK = 256  # events of a history that go through at once
TOKENS = 16_384  # of all histories of a batch, in a chunk
OCCLUSION = "Weights say how much the score falls without that event; they do not add up to it."
LEARNING = (
    "Learning mode: there is too little data for the order of events to be learned from; these are the items that most"
    " people know."
)


@dataclass(frozen=True)
class Newcomers:
    """Items placed by their words beside those of the training: ``vectors`` (items, dims) of all, in the order of the
    grown vocabulary; ``place`` (own items,) int64: where each own item stands in it, ``own`` the reverse, -1 if new."""

    vectors: Tensor
    place: np.ndarray
    own: np.ndarray


@dataclass(frozen=True)
class SequentialModel(RecommenderModel):
    """``net`` in evaluation mode, None where there was too little to learn from; ``words`` places new items."""

    net: SequenceNet | None = None
    words: Words | None = None
    newcomers: Newcomers | None = None
    report: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()  # of its training; not stored

    kind: ClassVar[str] = "sequential"

    @property
    def personal(self) -> bool:
        return self.net is not None

    @property
    def stateful(self) -> bool:
        return self.net is not None

    @property
    def reasons_mean(self) -> str:
        return OCCLUSION

    @property
    def impersonal_note(self) -> str:
        return LEARNING

    @cached_property
    def vectors(self) -> Tensor:
        """(items, dims) float32."""
        if self.newcomers is not None:
            return self.newcomers.vectors
        with torch.no_grad():
            return self._net.table().detach()

    @cached_property
    def _stepper(self) -> Stepper:
        return Stepper(self._net.backbone)

    @property
    def _net(self) -> SequenceNet:
        if self.net is None:
            raise ValueError("nothing was learned")
        return self.net

    # --- whole histories

    def personal_scores(self, histories: Histories) -> np.ndarray:
        if self.net is None:
            return np.tile(self.counts.astype(np.float64), (len(histories), 1))
        return (self.encode(histories) @ self.vectors.T).numpy()

    @torch.inference_mode()
    def encode(self, histories: Histories) -> Tensor:
        """(n, dims) float32: the network's output after the last event of each history; zeros where there is none."""
        found = torch.zeros(len(histories), self._net.shape.dims)
        lengths = histories.lengths
        longest_first = np.argsort(-lengths, kind="stable")
        longest_first = longest_first[lengths[longest_first] > 0]
        start = 0
        while start < len(longest_first):
            width = min(int(lengths[longest_first[start]]), CHUNK)
            rows = longest_first[start : start + max(1, TOKENS // width)]
            found[torch.from_numpy(rows)] = self._encoded(histories, rows)
            start += len(rows)
        return found

    def _encoded(self, histories: Histories, rows: np.ndarray) -> Tensor:
        """Of ``rows``, the longest first; those that have ended leave the batch."""
        lengths = histories.lengths[rows]
        starts = histories.indptr[rows]
        found = torch.zeros(len(rows), self._net.shape.dims)
        state: State | None = None
        for at in range(0, int(lengths[0]), CHUNK):
            active = int(np.searchsorted(-lengths, -at, side="left"))  # lengths > at
            here = np.minimum(lengths[:active] - at, CHUNK)
            width = int(here[0])
            inside = np.arange(width) < here[:, None]
            index = np.where(inside, starts[:active, None] + at + np.arange(width), 0)
            times = histories.times[index]
            first = np.where(at > 0, histories.times[np.maximum(starts[:active] + at - 1, 0)], NO_TIME)
            before = np.concatenate([first[:, None], times[:, :-1]], axis=1)
            gaps = gap_buckets(times.ravel(), before.ravel()).reshape(index.shape)
            if state is not None:
                state = state.index(list(range(active)))
            vectors = self.vectors[torch.from_numpy(histories.items[index])]
            out, state, _ = self._net(
                vectors, torch.from_numpy(gaps), lengths=torch.from_numpy(here), state=state
            )
            ended = lengths[:active] <= at + CHUNK
            last = out[torch.arange(active), torch.from_numpy(here - 1)]
            found[: len(last)][torch.from_numpy(ended)] = last[torch.from_numpy(ended)]
        return found

    def contributions(self, history: Histories, items: np.ndarray) -> np.ndarray:
        if self.net is None:
            return np.zeros((len(history.items), len(items)))
        state = self.follow(self.begin(), [self.items[code] for code in history.items], history.times)
        weights = np.zeros((len(history.items), len(items)))
        weights[-RECENT:] = self._occluded(state, items)
        return weights

    # --- a person's state

    def begin(self) -> PersonState:
        """The state of somebody of whom nothing is known."""
        empty, own = self._net.backbone.initial_state(1), self._net.shape.items
        hidden = np.zeros(self._net.shape.dims, np.float32)
        return PersonState(empty, empty, hidden, (), np.zeros(-(-own // 8), np.uint8))

    def step(self, state: PersonState, item: str, time: int = int(NO_TIME)) -> PersonState:
        """The state after one more event, in constant time; the same state where the item is known or has no place."""
        return self.follow(state, [item], np.array([time], np.int64))

    @torch.inference_mode()
    def follow(self, state: PersonState, items: Sequence[str], times: np.ndarray) -> PersonState:
        """The state after more events: memory is that of a chunk of them, however many there are."""
        kept: list[tuple[str, int]] = []
        seen, others = state.seen.copy(), dict.fromkeys(state.others)
        for item, time in zip(items, times.tolist(), strict=True):
            code = self.index.get(item, -1)
            own = code if self.newcomers is None or code < 0 else int(self.newcomers.own[code])
            if code < 0 or (seen[own >> 3] >> (7 - (own & 7)) & 1 if own >= 0 else item in others):
                continue
            if own >= 0:
                seen[own >> 3] |= 128 >> (own & 7)
            else:
                others[item] = None
            kept.append((item, time))
        if not kept:
            return state
        gaps = gap_buckets(np.array([time for _, time in kept], np.int64), state.last_time)
        events = [*state.recent, *(Event(*one, int(gap)) for one, gap in zip(kept, gaps, strict=True))]
        cut = len(events) - RECENT if len(events) >= HELD else 0
        before, _ = self._run(state.before, events[:cut])
        if cut < len(state.recent):
            now, hidden = self._run(state.now, events[len(state.recent) :])
        else:  # so many that the state before the recent ones is past what was known
            now, hidden = self._run(before, events[cut:])
        count = state.events + len(kept)
        return PersonState(now, before, hidden, tuple(events[cut:]), seen, tuple(others), count)

    def _run(self, state: State, events: Sequence[Event]) -> tuple[State, np.ndarray]:
        """The network's state after ``events`` and its last output (dims,)."""
        out = torch.zeros(1, self._net.shape.dims)
        for at in range(0, len(events), CHUNK):
            part = events[at : at + CHUNK]
            vectors, gaps = self._inputs(part)
            if len(part) == 1:
                x = self._net.events(vectors, gaps)
                out, state = self._stepper.step(x, state)
            else:
                every, state, _ = self._net(vectors[None], gaps[None], state=state)
                out = every[:, -1]
        return state, out[0].numpy()

    def _inputs(self, events: Sequence[Event]) -> tuple[Tensor, Tensor]:
        codes = torch.tensor([self.index[one.item] for one in events])
        return self.vectors[codes], torch.tensor([one.gap for one in events])

    def recall(self, state: PersonState) -> Remembered:
        own = np.flatnonzero(np.unpackbits(state.seen)[: self._net.shape.items])
        seen = own if self.newcomers is None else self.newcomers.place[own]
        extra = [self.index[item] for item in state.others if item in self.index]
        last = state.recent[-RECENT:]
        codes = [self.index[one.item] for one in last]
        history = Histories.one(codes, len(self.items), [one.time for one in last])
        scores = (torch.from_numpy(state.hidden) @ self.vectors.T).numpy() if state.events else None
        every = np.concatenate([seen, np.array(extra, np.int64)])
        return Remembered(scores, history, every, lambda items: self._occluded(state, items))

    @torch.inference_mode()
    def _occluded(self, state: PersonState, items: np.ndarray) -> np.ndarray:
        """(recent events, len(items)) float64: what each score loses without each of the recent events."""
        earlier, last = state.recent[:-RECENT], state.recent[-RECENT:]
        n = len(last)
        without = torch.zeros(n, self._net.shape.dims)
        if n > 1:
            before, _ = self._run(state.before, earlier)
            vectors, gaps = self._inputs(last)
            kept = torch.tensor([[other for other in range(n) if other != one] for one in range(n)])
            out, _, _ = self._net(vectors[kept], gaps[kept], state=before.index([0] * n))
            without = out[:, -1]
        lost = torch.from_numpy(state.hidden) - without
        return (
            (lost @ self.vectors[torch.from_numpy(np.asarray(items, np.int64))].T).numpy().astype(np.float64)
        )

    def pack(self, state: PersonState) -> bytes:
        return state.to_bytes()

    def unpack(self, data: bytes) -> PersonState:
        """ForgeError where the bytes are not of a state of this model's shape."""
        return PersonState.from_bytes(data, self._net.shape.engine(), self._net.shape.items)

    # --- items

    def item_vectors(self, items: np.ndarray) -> np.ndarray | None:
        if self.net is None:
            return None
        return self.vectors[torch.from_numpy(np.asarray(items, np.int64))].numpy()

    @torch.inference_mode()
    def with_newcomers(self, table: pa.Table, wanted: Sequence[str]) -> SequentialModel:
        """The model with those ``wanted`` items that training did not know and whose words it can place."""
        if self.net is None or self.words is None or not self.words.dims or self.newcomers is not None:
            return self
        new = sorted(set(wanted) - self.index.keys())
        rows = self.words.place(table, new)
        known = np.flatnonzero(rows.any(axis=1))
        if not len(known):
            return self
        names = self.items + [new[row] for row in known]
        order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
        vectors = torch.cat([self.vectors, self.net.read(torch.from_numpy(rows[known]))])
        reverse = np.argsort(order)
        grown = Newcomers(
            vectors[torch.from_numpy(order)],
            reverse[: len(self.items)],
            np.where(order < len(self.items), order, -1),
        )
        counts = np.concatenate([self.counts, np.zeros(len(known), np.int64)])[order]
        return replace(self, items=[names[one] for one in order], counts=counts, newcomers=grown)
