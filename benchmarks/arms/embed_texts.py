"""The texts that encoders are measured on: real ones of mixed length, from the public data sets, in a fixed order.

``mixed``: a quarter each of mail bodies (a derived Gmail mbox), news (AG News test), their headlines, and chat turns
(DailyDialog test). ``news``: AG News with its classes.
"""

from __future__ import annotations

import csv
import mailbox
import os
import random
from pathlib import Path

SETS = {"mail": "takeout-gmail-mbox-derived", "news": "text-agnews-test", "chat": "text-dailydialog-test"}


def data() -> Path:
    return Path(os.environ.get("FORGE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def missing() -> list[str]:
    return [name for name in SETS.values() if not (data() / name).is_dir()]


def mails() -> list[str]:
    found = []
    for path in sorted((data() / SETS["mail"]).rglob("*.mbox")):
        for message in mailbox.mbox(path):
            plain = (part for part in message.walk() if part.get_content_type() == "text/plain")
            body = next(plain, None)
            payload = body.get_payload(decode=True) if body else None
            if isinstance(payload, bytes) and payload.strip():
                found.append(payload.decode("utf-8", "replace"))
    return found


def news() -> tuple[list[str], list[str], list[str]]:
    """Classes, headlines, texts."""
    with open(data() / SETS["news"] / "test.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == 3]
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def turns() -> list[str]:
    lines = (data() / SETS["chat"] / "dialogues_test.txt").read_text("utf-8").splitlines()
    return [turn.strip() for line in lines for turn in line.split("__eou__") if turn.strip()]


def mixed(count: int) -> list[str]:
    chance = random.Random(0)
    _, headlines, articles = news()
    quarter = count // 4
    texts = [
        text for source in (mails(), headlines, articles, turns()) for text in chance.sample(source, quarter)
    ]
    chance.shuffle(texts)
    return texts
