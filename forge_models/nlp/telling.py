"""The insights of the nlp family: what its champions say of all texts, in rows that hold one subject and source each.

A name that a text holds is told as a count by type, never as itself: whose names stand in a mail is somebody else's
business. The words that name a topic come from the texts of the very subject, source and topic the row is about, so
consent and erasure reach them with the row. A summary is sentences of the person's own, as they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from forge_core import keys
from forge_models.nlp import summaries as summing
from forge_models.nlp.naming import names
from forge_models.nlp.reading import Read, read

MOOD = 0.2  # beyond that share above or below even, a text counts as positive or negative; else as neutral
LONGEST = 20_000  # characters of a conversation that are summarised: the last ones
FEWEST = 4  # sentences: a shorter text is its own summary
STAMP = pa.timestamp("us", tz="UTC")
OWNER = [("subject", pa.string()), ("source", pa.string())]
WEEKLY = [*OWNER, ("week", STAMP), ("export", pa.string())]
SCHEMAS = {
    keys.TOPICS: pa.schema([
        *OWNER, ("week", STAMP), ("topic", pa.int64()), ("export", pa.string()), ("name", pa.string()),
        ("words", pa.list_(pa.string())), ("texts", pa.int64()), ("share", pa.float64()), ("nearness", pa.float64()),
    ]),
    keys.SENTIMENT: pa.schema([
        *WEEKLY, ("texts", pa.int64()), ("score", pa.float64()), ("positive", pa.int64()), ("neutral", pa.int64()),
        ("negative", pa.int64()),
    ]),
    keys.ENTITIES: pa.schema([
        *OWNER, ("week", STAMP), ("type", pa.string()), ("export", pa.string()), ("names", pa.int64()),
        ("texts", pa.int64()),
    ]),
    keys.SUMMARIES: pa.schema([
        *OWNER, ("thread", pa.string()), ("time", STAMP), ("export", pa.string()), ("sentences", pa.list_(pa.string())),
        ("of", pa.int64()), ("language", pa.string()),
    ]),
}  # fmt: skip


def tell(
    models: Mapping[str, Any],
    chunks: pa.Table,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, pa.Table]:
    """A table for each insight; empty where the task has no champion yet."""
    order = sorted(range(chunks.num_rows), key=chunks["chunk_id"].to_pylist().__getitem__)
    found = read(models, chunks.take(pa.array(order, pa.int64())), progress)
    timed = [one for one in found if one.week is not None and one.text]
    rows: dict[str, list[dict[str, Any]]] = {
        keys.TOPICS: topics(timed) if "topics" in models else [],
        keys.SENTIMENT: sentiment(timed, models["sentiment"].classes) if "sentiment" in models else [],
        keys.ENTITIES: entities(timed) if "entities" in models else [],
        keys.SUMMARIES: summaries(models["summaries"], found) if "summaries" in models else [],
    }
    return {key: pa.Table.from_pylist(rows[key], schema=schema) for key, schema in SCHEMAS.items()}


def topics(found: Sequence[Read]) -> list[dict[str, Any]]:
    """One row per subject, source, week and topic."""
    said = [one for one in found if one.topic is not None]
    named: dict[tuple[str, str, int], tuple[str, ...]] = {}
    for (subject, source), own in _grouped(said, "subject", "source"):
        ids = np.array([one.topic for one in own], np.int64)
        for topic, telling in names([one.text for one in own], ids).items():
            named[subject, source, topic] = telling
    rows = []
    for (subject, source, week), own in _weekly(said):
        by_topic: dict[int, list[Read]] = {}
        for one in own:
            by_topic.setdefault(int(one.topic or 0), []).append(one)
        for topic, some in sorted(by_topic.items()):
            telling = named.get((subject, source, topic), ())
            rows.append({
                "subject": subject, "source": source, "week": week, "topic": topic, "export": _export(some),
                "name": ", ".join(telling[:3]) or f"topic {topic}", "words": list(telling), "texts": len(some),
                "share": len(some) / len(own), "nearness": float(np.mean([one.near for one in some])),
            })  # fmt: skip
    return rows


def sentiment(found: Sequence[Read], classes: Sequence[str]) -> list[dict[str, Any]]:
    """One row per subject, source and week; ``score`` is the mean of ``mood``."""
    rows = []
    for (subject, source, week), own in _weekly([one for one in found if one.chances is not None]):
        moods = np.array([mood(one.chances, classes) for one in own])
        rows.append({
            "subject": subject, "source": source, "week": week, "export": _export(own), "texts": len(own),
            "score": float(moods.mean()), "positive": int((moods > MOOD).sum()),
            "neutral": int((np.abs(moods) <= MOOD).sum()), "negative": int((moods < -MOOD).sum()),
        })  # fmt: skip
    return rows


def mood(chances: np.ndarray | None, classes: Sequence[str]) -> float:
    """-1 negative to 1 positive: the chance of the one less that of the other."""
    if chances is None:
        return 0.0
    by_name = dict(zip(classes, chances.tolist(), strict=True))
    return float(by_name.get("positive", 0.0) - by_name.get("negative", 0.0))


def entities(found: Sequence[Read]) -> list[dict[str, Any]]:
    """One row per subject, source, week and type of name."""
    rows = []
    for (subject, source, week), own in _weekly([one for one in found if one.names]):
        kinds = sorted({kind for one in own for kind in (one.names or {})})
        for kind in kinds:
            some = [one for one in own if kind in (one.names or {})]
            rows.append({
                "subject": subject, "source": source, "week": week, "type": kind, "export": _export(some),
                "names": sum((one.names or {})[kind] for one in some), "texts": len(some),
            })  # fmt: skip
    return rows


def summaries(model: Any, found: Sequence[Read]) -> list[dict[str, Any]]:
    """One row per conversation, or letter or document that belongs to none, of each subject and source."""
    whole: dict[tuple[str, str, str], list[Read]] = {}
    for one in found:
        thread = one.row["thread"] or str(one.row["event_id"])
        whole.setdefault((one.row["subject"], one.row["source"], thread), []).append(one)
    chosen = []
    for key, own in sorted(whole.items()):
        text = gist([one for one in own if one.text])
        units = summing.units(text)
        if len(units) >= FEWEST:
            chosen.append((key, own, units))
    rows = []
    for ((subject, source, thread), own, units), places in zip(
        chosen, model.chosen([units for _, _, units in chosen]), strict=True
    ):
        times = [one.row["time"] for one in own if one.row["time"] is not None]
        languages = sorted(one.language for one in own if one.language)
        rows.append({
            "subject": subject, "source": source, "thread": thread, "time": max(times, default=None),
            "export": _export(own), "sentences": [units[i] for i in places], "of": len(units),
            "language": max(languages, key=languages.count, default=None),
        })  # fmt: skip
    return rows


def gist(own: Sequence[Read]) -> str:
    """The text of a conversation in its order: short messages are a line each, so that they are its turns."""
    zero = -1.0
    order = sorted(
        own,
        key=lambda one: (
            one.row["time"].timestamp() if one.row["time"] is not None else zero,
            str(one.row["event_id"]),
            one.row["part"],
        ),
    )
    several = len({str(one.row["event_id"]) for one in order}) >= summing.TURNS
    pieces = [" ".join(one.text.split()) if several else one.text for one in order]
    return "\n".join(pieces)[-LONGEST:]


def _weekly(found: Iterable[Read]) -> list[tuple[tuple[Any, Any, Any], list[Read]]]:
    groups: dict[tuple[Any, Any, Any], list[Read]] = {}
    for one in found:
        groups.setdefault((one.row["subject"], one.row["source"], one.week), []).append(one)
    return sorted(groups.items())


def _grouped(found: Iterable[Read], *columns: str) -> list[tuple[tuple[Any, ...], list[Read]]]:
    groups: dict[tuple[Any, ...], list[Read]] = {}
    for one in found:
        groups.setdefault(tuple(one.row[name] for name in columns), []).append(one)
    return sorted(groups.items())


def _export(own: Sequence[Read]) -> str:
    """The export that the first of them came with, as feature rows say it."""
    return str(min((str(one.row["time"]), str(one.row["export"])) for one in own)[1])
