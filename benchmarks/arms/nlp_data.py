"""What the arms of the nlp benchmark read: public sets below FORGE_DATA, in the same parts for all."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FORGE_DATA", ROOT.parent / "shared" / "data"))
FOLDERS = {
    "sst2": "text-sst2", "tweets": "text-tweeteval", "agnews": "text-agnews-test", "r8": "text-reuters-r8",
    "wnut17": "text-ner-wnut17", "conll2003": "text-ner-conll2003", "dialogsum": "text-dialogsum",
}  # fmt: skip


def folder(name: str) -> Path:
    return DATA / FOLDERS[name]


def missing(names: list[str]) -> list[str]:
    return [FOLDERS[name] for name in names if not folder(name).is_dir()]


def topics(name: str) -> tuple[list[str], list[str]]:
    """Texts and their classes: the AG News test part, or the R8 test part."""
    if name == "agnews":
        with open(folder(name) / "test.csv", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        return [f"{title}\n{text}" for _, title, text in rows], [label for label, _, _ in rows]
    lines = (folder(name) / "reuters-r8-test.tab").read_text("utf-8").splitlines()[3:]
    pairs = [line.split("\t")[:2] for line in lines if "\t" in line]
    return [text for _, text in pairs], [label for label, _ in pairs]


def tweets(task: str) -> dict[str, tuple[list[str], list[str]]]:
    """Texts and labels by part; of ``sentiment`` the train texts are absent, so its validation part is learned from."""
    place, found = folder("tweets") / task, {}
    names = dict(line.split("\t")[:2] for line in (place / "mapping.txt").read_text("utf-8").splitlines())
    for part in ("train", "val", "test"):
        if (place / f"{part}_text.txt").is_file():
            texts = (place / f"{part}_text.txt").read_text("utf-8").split("\n")
            labels = [names[one].strip() for one in (place / f"{part}_labels.txt").read_text("utf-8").split()]
            found[part] = (texts[: len(labels)], labels)
    return found


def tagged(name: str) -> dict[str, list[tuple[list[str], list[str]]]]:
    """Sentences and tags by part, as Forge reads them."""
    from forge_models.nlp.reference import reference_set

    rows = reference_set(name, folder(name)).to_pylist()
    return {
        part: [(row["tokens"], row["tags"]) for row in rows if row["split"] == part]
        for part in ("train", "validation", "test")
    }


def dialogues(part: str) -> list[dict[str, Any]]:
    """DialogSum: ``dialogue`` and its references, one in dev and three in test."""
    lines = (folder("dialogsum") / f"dialogsum.{part}.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        {
            "text": row["dialogue"],
            "references": [row[k] for k in ("summary", "summary1", "summary2", "summary3") if k in row],
        }
        for row in rows
    ]
