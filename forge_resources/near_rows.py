"""The rows of a space as they are held in memory, asked and kept in step; see :mod:`forge_resources.near`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forge_resources.vectors import reading, spaces
from forge_resources.vectors.filters import Filter, Words, aware
from forge_resources.vectors.searching import Hit
from forge_resources.vectors.spaces import Space

if TYPE_CHECKING:
    import psycopg

EXACT_ROWS = 10_000  # all compared, two milliseconds
EXACT_MATCHES = 20_000  # rows that a filter leaves, likewise
CANDIDATES = 10  # half-precision vectors looked at for each row that is asked for
MARGIN = 10  # rows beyond k that are ranked by their exact cosine
FILTERED = 0.1  # share of the rows at which ``wider`` is measured
_MASKS = 64  # filters remembered
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Columns:
    """What filters ask by, for rows in the order held: the pair of subject and source, and the time in µs."""

    names: frozenset[str]
    pairs: list[tuple[str | None, str | None]]
    pair: np.ndarray  # (n,) index into pairs
    time: np.ndarray  # (n,) microseconds since 1970, or _NEVER

    def mask(self, asked: Filter, words: Words | None) -> np.ndarray:
        """Which rows the filter leaves (n,) bool: what :func:`condition` says in SQL."""
        left = np.array(
            [
                (asked.subject is None or subject == asked.subject)
                and (not asked.sources or source in asked.sources)
                and (words is None or words.allow(subject, source))
                for subject, source in self.pairs
            ],
            dtype=bool,
        )
        mask = left[self.pair] if len(self.pairs) else np.zeros(len(self.pair), bool)
        for moment, late in ((asked.since, False), (asked.until, True)):
            if moment is not None:
                at = round(aware(moment).timestamp() * 1e6)
                mask &= (self.time != _NEVER) & ((self.time < at) if late else (self.time >= at))
        return mask


@dataclass(frozen=True)
class Held:
    """A space at one count of its changes. Rows of the index come first, those that came later after them."""

    line: Space
    ids: list[str]
    numbers: np.ndarray  # (n,)
    base: np.ndarray  # (m, d) float16
    extra: np.ndarray  # (n - m, d) float16
    alive: np.ndarray  # (n,) bool
    rows: Columns
    index: Any = None  # over base; None where all rows are compared
    lists: int = 0  # of the index
    probed: int = 0  # lists that a search looks into
    wider: float = 2.0  # times as many under a filter that leaves FILTERED of the rows
    dead: int = 0  # rows that are no longer alive
    without: int = 0  # rows of the space that have no direction and are not held
    masks: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def columns(self) -> frozenset[str]:
        return self.rows.names

    @property
    def living(self) -> int:
        return len(self.ids) - self.dead

    def nearest(self, asked: np.ndarray, k: int, filter: Filter, words: Words | None) -> list[list[Hit]]:
        """The ``k`` nearest of each of ``asked`` (m, d) float32 of length 1."""
        mask, matches = None, None
        if filter.needs() or self.dead:
            mask = self._mask(filter, words)
            if self.index is None or np.count_nonzero(mask) <= EXACT_MATCHES:
                matches = np.flatnonzero(mask)
        elif self.index is None:
            matches = np.arange(len(self.ids))
        near = self.indexed(asked, k, mask) if matches is None else self._compared(asked, k, matches)
        return [self._ranked(vector, rows, k) for vector, rows in zip(asked, near, strict=True)]

    def _mask(self, filter: Filter, words: Words | None) -> np.ndarray:
        key = repr((filter, sorted(words.granted.items()) if words else None))
        if (known := self.masks.get(key)) is None:
            known = self.alive & self.rows.mask(filter, words) if filter.needs() else self.alive
            if len(self.masks) >= _MASKS:
                self.masks.clear()
            self.masks[key] = known
        return known

    def _compared(self, asked: np.ndarray, k: int, rows: np.ndarray) -> list[np.ndarray]:
        """All of these rows, in half precision."""
        if not len(rows):
            return [rows] * len(asked)
        return [rows[found[found >= 0]] for found in scan(self._halves(rows), asked, k + MARGIN)]

    def indexed(self, asked: np.ndarray, k: int, mask: np.ndarray | None) -> list[np.ndarray]:
        """Rows (a few more than ``k``) that the index proposes for each of ``asked``, and those beside it."""
        faiss = library()

        probed, selector = self.probed, None
        if mask is not None:
            bits = np.packbits(mask[: len(self.base)], bitorder="little")
            left = max(int(np.count_nonzero(mask)), 1) / len(mask)
            # the fewer rows a filter leaves, the further away the nearest of them lie
            wider = max(self.wider * (FILTERED / left) ** 0.5, 1.0)
            probed, selector = min(int(probed * wider), self.lists), faiss.IDSelectorBitmap(bits)
        parameters = faiss.IndexRefineSearchParameters(
            k_factor=CANDIDATES, base_index_params=faiss.SearchParametersIVF(nprobe=probed, sel=selector)
        )
        found = self.index.search(asked, k + MARGIN, params=parameters)[1]
        near = [row[row >= 0] for row in found]
        if len(self.extra):
            later = np.arange(len(self.base), len(self.ids))
            if mask is not None:
                later = later[mask[later]]
            beside = self._compared(asked, k, later)
            near = [np.concatenate(both) for both in zip(near, beside, strict=True)]
        return near

    def _halves(self, rows: np.ndarray) -> np.ndarray:
        if not len(self.extra):
            return self.base if len(rows) == len(self.base) else self.base[rows]
        early = rows[rows < len(self.base)]
        late = rows[rows >= len(self.base)] - len(self.base)
        return np.concatenate([self.base[early], self.extra[late]])  # rows come in rising order

    def _ranked(self, vector: np.ndarray, rows: np.ndarray, k: int) -> list[Hit]:
        """By cosine in float32, then by id, as PostgreSQL ranks them."""
        if not len(rows):
            return []
        rows = np.sort(rows)
        wide = self._halves(rows).astype(np.float32)
        length = np.sqrt(np.einsum("ij,ij->i", wide, wide)) * np.linalg.norm(vector)
        score = wide @ vector / np.maximum(length, 1e-12)
        ranked = sorted(zip(-score, (self.ids[row] for row in rows), strict=True))[:k]
        return [Hit(identifier, float(-negative)) for negative, identifier in ranked]


def library() -> Any:
    """Imported late; its stubs do not know the arguments that its wrappers take."""
    import faiss

    return faiss


def scan(halves: np.ndarray, asked: np.ndarray, k: int) -> np.ndarray:
    """Row numbers (m, k) of the greatest products, -1 where there are fewer than ``k``; computed by faiss."""
    faiss = library()

    flat = faiss.IndexScalarQuantizer(
        halves.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    flat.add_sa_codes(np.ascontiguousarray(halves).view(np.uint8))
    return flat.search(asked, min(k, len(halves)))[1]


def follow(connection: psycopg.Connection, held: Held) -> Held | None:
    """The same with what was added and deleted since; None if it cannot be told, and all has to be read again."""
    space, last = held.line.space, int(held.numbers[-1]) if len(held.numbers) else -1
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read read only")
        line = spaces.get(connection, space)
        if line.generation != held.line.generation:
            return None
        new = list(reading.vectors(connection, space, line.dimensions, f"number > {last}"))
        ids, columns = read_rows(connection, space, line, last)
        added = sum(len(n) for n, _ in new)
        gone = held.living + held.without + added != line.rows
        present = (
            connection.execute(
                f"select number from embeddings.{space} where vector is not null order by 1", binary=True
            ).fetchall()
            if gone
            else []
        )
    numbers = np.concatenate([n for n, _ in new]) if new else np.zeros(0, np.int64)
    halves = np.concatenate([h for _, h in new]) if new else held.extra[:0]
    order = np.argsort(numbers)
    numbers = np.concatenate([held.numbers, numbers[order]])
    alive = np.concatenate([held.alive, np.ones(added, bool)])
    if gone:
        there = np.array([number for (number,) in present], np.int64)
        alive = np.isin(numbers, there, assume_unique=True)
        if int(alive.sum()) != len(there):
            return None
    return replace(
        held,
        line=line,
        ids=[*held.ids, *ids],
        numbers=numbers,
        extra=np.concatenate([held.extra, halves[order]]),
        alive=alive,
        rows=_together(held.rows, columns),
        dead=len(alive) - int(alive.sum()),
        without=line.rows - int(alive.sum()),
        masks={},
    )


def _together(one: Columns, other: Columns) -> Columns:
    places = {pair: place for place, pair in enumerate(one.pairs)}
    moved = np.array([places.setdefault(pair, len(places)) for pair in other.pairs], np.int32)
    pair = np.concatenate([one.pair, moved[other.pair] if len(moved) else other.pair])
    return Columns(one.names, list(places), pair, np.concatenate([one.time, other.time]))


def read_rows(
    connection: psycopg.Connection, space: str, line: Space, after: int
) -> tuple[list[str], Columns]:
    """ids and columns of the rows with a direction, by rising number."""
    there = {
        column
        for (column,) in connection.execute(
            "select column_name from information_schema.columns where table_schema = 'embeddings' and table_name = %s",
            (space,),
        )
    }
    names = frozenset({"subject", "source", "time"} & there)
    at = "(extract(epoch from time) * 1e6)::int8" if "time" in names else "null"
    rows = connection.execute(
        f"select id, {'subject' if 'subject' in names else 'null'}, {'source' if 'source' in names else 'null'}, {at}"
        f" from embeddings.{space} where vector is not null and number > {after} order by number",
        binary=True,
    ).fetchall()
    places: dict[tuple[str | None, str | None], int] = {}
    pair = np.fromiter((places.setdefault((s, o), len(places)) for _, s, o, _ in rows), np.int32, len(rows))
    moments = np.fromiter((_NEVER if at is None else at for *_, at in rows), np.int64, len(rows))
    return [row[0] for row in rows], Columns(names, list(places), pair, moments)
