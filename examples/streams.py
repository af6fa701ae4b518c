"""Members of any length for a large Takeout: records drawn in blocks, in a layout each, counted by kind.

A ``Stream`` is one file of an export, or a row of like files. Its records come from a ``Draw``: a seeded
generator, words to choose from and a clock that never gives the same second twice, so that no two events of a
stream are one. Memory is that of one block.
"""

from __future__ import annotations

import base64
import html
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from examples.world import ADJECTIVES, END, NOUNS, TOPICS, channel_id

SPAN_S = 15 * 365 * 86_400  # a long history reaches back so far
WORDS = ("blue", "night", "city", "garden", "how", "to", "make", "learn", "live", "piano", "river", "&", "storm",
         "'best'", "of", "history", "cat", "café")  # fmt: skip
Block = tuple[bytes, dict[str, int]]  # records joined, and how many events of each kind are in them


@dataclass(frozen=True)
class Stream:
    """``name`` names the n-th file of the row; ``share`` is that of all bytes, ``most`` their limit."""

    name: Callable[[int], str]
    share: float
    row_bytes: int  # about: it spreads the events over the years
    block: Callable[[Draw, int, int], Block]
    head: str = ""
    between: str = ""
    tail: str = ""
    most: int = 1 << 62
    member_bytes: int = 1 << 62  # then the next file of the row begins
    rows: int = 2_000  # of a block


class Words:
    """Titles, queries and paragraphs, invented once from a seed and drawn from often."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 2_000_000])
        pick = rng.integers(len(WORDS), size=(20_000, 6)).tolist()
        self.titles = [" ".join([WORDS[n] for n in row]) + f" {i}" for i, row in enumerate(pick)]
        self.escaped = [html.escape(title).replace("&#x27;", "&#39;") for title in self.titles]
        self.in_json = [title.replace("&", "\\u0026") for title in self.titles]
        self.queries = [
            " ".join([WORDS[n].strip("'&") or "and" for n in row[:3]]) + f" {i}" for i, row in enumerate(pick)
        ]
        self.in_urls = [query.replace(" ", "+").replace("é", "%C3%A9") for query in self.queries]
        self.channels = [(channel_id(f"large/{n}"), f"Synthetic channel {n}") for n in range(977)]
        self.people = [f"person{n:03d}@example.test" for n in range(1, 200)]
        self.hosts = [topic.lower().replace(" ", "-") + ".example.test" for topic in TOPICS]
        self.names = [f"{a} {n}".replace("&", "and").replace("'", "") for a in ADJECTIVES for n in NOUNS]
        lengths = rng.integers(20, 120, size=2_000).tolist()
        picks = rng.integers(len(WORDS), size=(2_000, 120)).tolist()
        self.paragraphs = [
            " ".join([WORDS[n] for n in row[:k]]) for row, k in zip(picks, lengths, strict=True)
        ]
        self.wrapped = ["\r\n".join(_wrapped(one)) for one in self.paragraphs]
        self._rng = rng

    @cached_property
    def base64(self) -> str:
        """1 MiB as lines of base64: attachments are cut from it."""
        return base64.encodebytes(self._rng.bytes(1 << 20)).decode().replace("\n", "\r\n")


class Draw:
    """The chance and the clock of one stream."""

    def __init__(self, seed: int, number: int, words: Words, rows: float) -> None:
        self.rng = np.random.default_rng([seed, 3_000_000, number])
        self.words = words
        self._gap = int(np.clip(SPAN_S / max(rows, 1), 1, 6 * 3600))
        self._last = int(END.timestamp())

    def back(self, count: int) -> np.ndarray:
        """Instants of ``count`` events, newest first, in milliseconds since 1970."""
        steps = np.cumsum(self.rng.integers(1, 2 * self._gap, size=count, endpoint=False))
        times = self._last - steps
        self._last = int(times[-1])
        return times * 1000 + self.rng.integers(0, 1000, size=count)

    def of(self, what: Sequence[Any], count: int) -> list[Any]:
        return [what[n] for n in self.rng.integers(len(what), size=count).tolist()]

    def numbers(self, least: int, most: int, count: int) -> list[int]:
        return self.rng.integers(least, most, size=count).tolist()

    def some(self, share: float, count: int) -> list[bool]:
        return (self.rng.random(count) < share).tolist()


def members(
    stream: Stream, number: int, seed: int, words: Words, size: float
) -> Iterator[tuple[str, Iterator[Block]]]:
    """The files of a stream that is to be about ``size`` bytes long, each as its blocks. Read one after the other."""
    size = min(size, stream.most)
    rows = max(1, min(stream.rows, int(size / stream.row_bytes)))
    draw = Draw(seed, number, words, size / stream.row_bytes)
    state = Counter[str]()
    file = 0

    def blocks() -> Iterator[Block]:
        yield stream.head.encode(), {}
        written = 0
        while written < stream.member_bytes and (state["bytes"] < size or not written):
            records, kinds = stream.block(draw, state["rows"], rows)
            if written and stream.between:
                records = stream.between.encode() + records
            state["rows"] += rows
            state["bytes"] += len(records)
            written += len(records)
            yield records, kinds
        yield stream.tail.encode(), {}

    while state["bytes"] < size:
        yield stream.name(file), blocks()
        file += 1


def _wrapped(text: str) -> Iterator[str]:
    while len(text) > 76:
        cut = text.rfind(" ", 0, 76)
        yield text[:cut]
        text = text[cut + 1 :]
    yield text
