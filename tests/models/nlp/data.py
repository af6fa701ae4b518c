"""Small texts for the nlp family: labelled sentences, passages of three subjects, tagged messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from forge_models.family import TrainingRun

GOOD = ["lovely", "wonderful", "great", "charming", "delightful", "fine", "superb", "warm"]
BAD = ["awful", "dreadful", "boring", "terrible", "poor", "nasty", "cold", "ugly"]
THINGS = ["film", "dinner", "phone", "hotel", "song", "book", "trip", "coat"]
SUBJECTS = {
    "garden": ["tomato", "seed", "soil", "compost", "spade", "flower", "rain", "hedge", "lawn", "bloom"],
    "money": ["invoice", "bank", "payment", "account", "tax", "salary", "budget", "loan", "credit", "price"],
    "travel": [
        "flight",
        "airport",
        "hotel",
        "ticket",
        "luggage",
        "passport",
        "train",
        "visa",
        "beach",
        "island",
    ],
    "code": [
        "python",
        "server",
        "deploy",
        "merge",
        "branch",
        "compile",
        "kernel",
        "thread",
        "cache",
        "query",
    ],
}
NAMES = ("Ada Lovelace", "Alan Turing", "Grace Hopper", "Kurt Goedel", "Emmy Noether", "Max Born")
PLACES = ("Paris", "Lima", "Oslo", "Cairo", "Quito", "Tokyo")
START = datetime(2024, 1, 1, tzinfo=UTC)


def run(folder: Path, seed: int = 0, encoder: str = "") -> TrainingRun:
    return TrainingRun(folder, seed=seed, text_encoder=encoder)


def opinions(n: int = 120, seed: int = 0) -> tuple[list[str], list[str]]:
    """Sentences that a word decides, and their labels."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for number in range(n):
        words, label = (GOOD, "positive") if number % 2 else (BAD, "negative")
        first, second = rng.choice(words, 2, replace=False)
        texts.append(
            f"the {rng.choice(THINGS)} was {first} and the {rng.choice(THINGS)} {second} {number % 7}"
        )
        labels.append(label)
    return texts, labels


def talk(n: int = 160, seed: int = 0) -> list[str]:
    """Texts on four subjects in turn."""
    rng = np.random.default_rng(seed)
    kinds = list(SUBJECTS.values())
    return [
        "we talked about the " + " and the ".join(rng.choice(kinds[i % 4], 4, replace=False)) + f" on day {i}"
        for i in range(n)
    ]


def chunks(n: int = 240, subjects: tuple[str, ...] = ("s1", "s2", "s3"), seed: int = 0) -> pa.Table:
    """``features/chunks``: every fourth row is a letter with a title, the others are messages of a conversation."""
    rng = np.random.default_rng(seed)
    texts = talk(n, seed)
    rows: list[dict[str, Any]] = []
    for number, text in enumerate(texts):
        subject = subjects[number % len(subjects)]
        letter = number % 4 == 0
        mood = rng.choice(GOOD if number % 3 else BAD)
        body = f"{text}. It was {mood}. We met {NAMES[number % 6]} in {PLACES[number % 5]}."
        if letter:
            kind = list(SUBJECTS)[number % 4]
            body += f" The {kind} matters most. Please answer soon. Kind regards to all of you there."
        rows.append({
            "chunk_id": f"e{number:05d}-0", "subject": subject, "source": "mail" if letter else "chat",
            "event_id": f"e{number:05d}", "kind": "message", "part": 0,
            "title": f"About the {list(SUBJECTS)[number % 4]}" if letter else None, "text": body, "language": "en",
            "thread": None if letter else f"t{subject}{number // 30}", "author": "a1",
            "time": START + timedelta(hours=7 * number), "hash": f"h{number}", "export": f"x{number % 2}",
            "known_at": START + timedelta(hours=7 * number),
        })  # fmt: skip
    return table(rows)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    stamp = pa.timestamp("us", tz="UTC")
    types = {"part": pa.int64(), "time": stamp, "known_at": stamp}
    names = [
        "chunk_id",
        "subject",
        "source",
        "event_id",
        "kind",
        "part",
        "title",
        "text",
        "language",
        "thread",
        "author",
        "time",
        "hash",
        "export",
        "known_at",
    ]
    return pa.Table.from_pylist(
        rows, schema=pa.schema([(name, types.get(name, pa.string())) for name in names])
    )


def tagged(n: int = 120, seed: int = 0) -> list[tuple[list[str], list[str]]]:
    """Messages with persons and places, which are written large."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        first, last = NAMES[int(rng.integers(len(NAMES)))].split()
        place = PLACES[int(rng.integers(len(PLACES)))]
        if number % 3 == 0:
            rows.append((["nothing", "new", "here", "today", ",", "good", "night"], ["O"] * 7))
        else:
            words = ["yesterday", first, last, "went", "to", place, "again"]
            rows.append((words, ["O", "B-person", "I-person", "O", "O", "B-location", "O"]))
    return rows
