"""The rows of each task of the nlp family, and how they become train, validation and test.

Personal rows (topics, summaries) are divided 80/10/10 by time. Public rows keep their published parts; a set without
parts is divided by a hash of each sentence's letters, so that the same sentence is never in two. A text that stands in
a later part too, but for spaces and case, takes no part in the earlier one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forge_core import keys
from forge_models.family import Splits
from forge_models.nlp import reference, texts

if TYPE_CHECKING:
    import pyarrow as pa

PARTS = ("train", "validation", "test")
SHARES = (0.8, 0.9)  # where train and validation end
LETTERS = 40  # below that many, two texts may be alike by chance: "ok", "thank you"
MOST_TEXT = 20_000  # characters of a thread that a summary is made of


def split(task: str, tables: Mapping[str, pa.Table]) -> Splits:
    """The splits of a task; public rows are those of the tables ``reference/<set>``."""
    import pyarrow as pa

    if task == "topics":
        return _by_time(topic_rows(tables[keys.CHUNKS]), "texts by time")
    if task == "summaries":
        public = reference.joined(task, tables)
        if public.num_rows:
            return Splits(_parted(public), {}, "published parts")
        return _by_time(titled(tables[keys.CHUNKS]), "titles by time")
    own = {key: tables[key].select(["chunk_id"]) for key in (keys.CHUNKS,) if key in tables}
    if task == "language":
        from forge_models.nlp.language import phrases

        return Splits(pa.Table.from_pylist(phrases()), own, "other phrases than those learned from")
    return Splits(_parted(reference.joined(task, tables)), own, "published parts, else by hash")


def size(task: str, splits: Splits) -> dict[str, int]:
    """``sentences``: public ones; ``texts``: of the people who are to be told something."""
    rows = splits.rows
    if task == "topics":
        days = {time.date() for time in rows["time"].to_pylist() if time is not None}
        return {"texts": rows.num_rows, "days": len(days)}
    if task == "summaries":
        return {"texts": rows.num_rows}
    own = splits.side.get(keys.CHUNKS)
    return {"sentences": rows.num_rows, "texts": own.num_rows if own is not None else 0}


def leakage(task: str, splits: Splits) -> dict[str, int]:
    """Rows that break the split, by rule."""
    rows = splits.rows
    part = np.array([PARTS.index(p) if p in PARTS else -1 for p in rows["split"].to_pylist()], np.int64)
    found = {"unknown_part": int((part < 0).sum())}
    if "time" in rows.schema.names:
        time = rows["time"].cast("int64").to_numpy(zero_copy_only=False).astype(np.float64)
        found["time_unknown"] = int(np.isnan(time).sum())
        for earlier, later in ((0, 1), (0, 2), (1, 2)):
            if (part == later).any():
                late = (time[part == earlier] >= time[part == later].min()).sum()
                found[f"{PARTS[earlier]}_after_{PARTS[later]}"] = int(late)
    alike = _marks(rows)
    for earlier, later in ((0, 1), (0, 2), (1, 2)):
        there = {mark for mark, p in zip(alike, part, strict=True) if p == later and mark}
        same = sum(p == earlier and mark in there for mark, p in zip(alike, part, strict=True))
        found[f"text_in_{PARTS[earlier]}_and_{PARTS[later]}"] = int(same)
    return found


def topic_rows(chunks: pa.Table) -> list[dict[str, Any]]:
    """Passages with words of their own, at a known time; the same words of the same subject once."""
    rows, seen = [], set[tuple[Any, str]]()
    for row in _chunks(chunks):
        text = texts.said(row["text"])
        mark = (row["subject"], _mark(text) or text)
        if row["time"] is None or not texts.has_words(text) or mark in seen:
            continue
        seen.add(mark)
        kept = ("chunk_id", "subject", "source", "export", "time")
        rows.append({**{name: row[name] for name in kept}, "text": text})
    return rows


def titled(chunks: pa.Table) -> list[dict[str, Any]]:
    """Letters and documents with a title and several sentences: the title is what a summary is held against."""
    whole: dict[str, list[dict[str, Any]]] = {}
    for row in _chunks(chunks):
        if row["title"] and row["time"] is not None:
            whole.setdefault(str(row["event_id"]), []).append(row)
    found = []
    for event, parts in sorted(whole.items()):
        first = min(parts, key=lambda row: row["part"])
        text = "\n\n".join(texts.said(row["text"]) for row in sorted(parts, key=lambda row: row["part"]))
        if len(texts.sentences(text)) > 3:
            kept = ("subject", "source", "export", "time")
            mine = {name: first[name] for name in kept}
            found.append({"event_id": event, **mine, "text": text[:MOST_TEXT], "reference": first["title"]})
    return found


def _chunks(chunks: pa.Table) -> list[dict[str, Any]]:
    """Rows in an order that is theirs: by their id."""
    rows: list[dict[str, Any]] = chunks.to_pylist()
    return sorted(rows, key=lambda row: str(row["chunk_id"]))


def _by_time(rows: Sequence[dict[str, Any]], how: str) -> Splits:
    import pyarrow as pa

    first = "chunk_id" if not rows or "chunk_id" in rows[0] else "event_id"
    moment = pa.timestamp("us", tz="UTC")
    fields = [(first, pa.string()), *((n, pa.string()) for n in ("subject", "source", "export"))]
    fields += [("time", moment), ("text", pa.string())]
    if rows and "reference" in rows[0]:
        fields.append(("reference", pa.string()))
    table = pa.Table.from_pylist(list(rows), schema=pa.schema(fields))
    time = table["time"].cast("int64").to_numpy()
    ordered = np.sort(time)
    n = len(ordered)
    if n:
        ends = [ordered[min(n - 1, int(n * share))] for share in SHARES]
        part = np.where(time < ends[0], 0, np.where(time < ends[1], 1, 2))
    else:
        part = np.zeros(0, np.int64)
    table = table.append_column("split", pa.array([PARTS[p] for p in part], pa.string()))
    return Splits(_without_repeats(table), {}, how)


def _parted(table: pa.Table) -> pa.Table:
    """Public rows with a part each, ordered, without repeats over parts."""
    import pyarrow as pa

    marks = _marks(table, least=0)
    parts = []
    for given, mark in zip(table["split"].to_pylist(), marks, strict=True):
        place = int(hashlib.sha256(mark.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
        parts.append(given or PARTS[int(np.searchsorted(SHARES, place, side="right"))])
    at = table.schema.get_field_index("split")
    return _without_repeats(table.set_column(at, "split", pa.array(parts, pa.string())))


def _without_repeats(table: pa.Table) -> pa.Table:
    """Rows of an earlier part whose text stands in a later one are left out."""
    import pyarrow as pa

    marks, parts = _marks(table), table["split"].to_pylist()
    latest: dict[str, int] = {}
    for mark, part in zip(marks, parts, strict=True):
        latest[mark] = max(latest.get(mark, 0), PARTS.index(part))
    keep = [not mark or PARTS.index(part) == latest[mark] for mark, part in zip(marks, parts, strict=True)]
    return table.filter(pa.array(keep, pa.bool_()))


def _marks(table: pa.Table, least: int = LETTERS) -> list[str]:
    name = "text" if "text" in table.schema.names else "tokens"
    values = table[name].to_pylist()
    return [_mark(one if isinstance(one, str) else " ".join(one), least) for one in values]


def _mark(text: str, least: int = LETTERS) -> str:
    """The letters and digits of a text in lower case; empty for one with few of them."""
    found = "".join(c for c in text.lower() if c.isalnum())
    return found if len(found) >= least else ""
