"""Content-based ranking: what is written of an item against what is written of the history, and popularity.

For a subject's history and an item: the mean cosine of their TF-IDF, of its truncated SVD (latent semantic analysis,
Deerwester et al. 1990), of publisher and of categories, and the logarithm of the item's training count. How much each
counts is learned from pairs (logistic regression on differences: Bradley and Terry 1952; for ranking, Rendle et al.,
UAI 2009): the last training item of a subject that others know too should score above items that the subject does
not know, given the history before it.

All of it is fitted on training rows: the words of items that occur there, their counts there, the selection of features
(those that tell nothing of the label get no weight), and the importance of each, on subjects held back from the fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from forge_models import selection
from forge_models.family import TrainingRun
from forge_models.recommender import item_text
from forge_models.recommender.interactions import Interactions, binary, codes, encode, text
from forge_models.recommender.item_text import BLOCKS, Block
from forge_models.recommender.models import ContentModel

NEGATIVES = 10  # unknown items per subject
MOST_SUBJECTS = 2_000  # to learn five weights from: on MovieLens-1M as good as 5,000 within the interval
LEAST_SUBJECTS = 20  # below, five weights are guesses, and popularity speaks alone
HELD_BACK = 0.2  # of the subjects, for the importance of features
DRAWS = 20  # until a subject's unknown items are found; who knows nearly all items is left out
CHUNK = 500  # subjects whose profiles are held at once
ALONE = np.eye(len(ContentModel.FEATURES))[-1]  # popularity with weight 1, all else 0


@dataclass(frozen=True)
class Pairs:
    """``histories`` CSR (n, items); ``items`` (n, 1 + NEGATIVES) int64: the one that came next, then unknown ones."""

    histories: sp.csr_array
    items: np.ndarray


def fit(rows: pa.Table, table: pa.Table | None, dims: int, keep: int, run: TrainingRun) -> ContentModel:
    """Content-based ranking on training ``rows`` and ``features/items``, of which only the words are read."""
    data = encode(rows)
    run.progress(f"content: the words of {len(data.items)} items")
    blocks = item_text.fit(item_text.read(table, data.items), len(data.items))
    components, reduced, reduction = _reduce(blocks["text"].matrix, dims, run.seed)
    model = ContentModel(
        data.items,
        data.subjects_per_item,
        len(data.subjects),
        {"dims": dims, "keep": keep},
        blocks=blocks,
        components=components,
        reduced=reduced,
        weights=ALONE,
        report={"reduction": [reduction]},
    )
    pairs = _pairs(rows, data, run.seed)
    if len(pairs.items) < LEAST_SUBJECTS:
        return model
    run.progress(f"content: weights from the next item of {len(pairs.items)} subjects")
    weights, table_of_features = _learn(features(model, pairs), keep, run.seed)
    return replace(model, weights=weights, report={**model.report, "selection": table_of_features})


def with_newcomers(model: ContentModel, table: pa.Table, wanted: Sequence[str]) -> ContentModel:
    """The model with those of the ``wanted`` items that training did not know but whose words it can place.

    ``table`` is ``features/items``. Their count is 0: what speaks for them is what is written of them.
    """
    new = sorted(set(wanted) - model.index.keys())
    keys = item_text.read(table, new)
    placed = {name: block.place(*keys[name], len(new)) for name, block in model.blocks.items()}
    known = np.zeros(len(new), bool)
    for matrix in placed.values():
        known |= np.diff(matrix.indptr) > 0
    if not known.any():
        return model
    items = model.items + [item for item, good in zip(new, known, strict=True) if good]
    order = np.array(sorted(range(len(items)), key=items.__getitem__), np.int64)
    extra = _unit(placed["text"][known] @ model.components.T.astype(np.float64))

    def grown(block: Block, matrix: sp.csr_array) -> Block:
        return replace(block, matrix=sp.vstack([block.matrix, matrix[known]], format="csr")[order])

    return replace(
        model,
        items=[items[place] for place in order],
        counts=np.concatenate([model.counts, np.zeros(int(known.sum()), np.int64)])[order],
        blocks={name: grown(block, placed[name]) for name, block in model.blocks.items()},
        reduced=np.concatenate([model.reduced, extra])[order],
    )


def features(model: ContentModel, pairs: Pairs) -> np.ndarray:
    """(n, 1 + NEGATIVES, features) float64, in the order of ``ContentModel.FEATURES``.

    The next item is counted without the subject it is next for: to that subject it was as yet unknown.
    """
    n, width = pairs.items.shape
    found = np.zeros((n, width, len(ContentModel.FEATURES)))
    lengths = np.maximum(np.diff(pairs.histories.indptr), 1)[:, None]
    reduced = model.reduced.astype(np.float64)
    for start in range(0, n, CHUNK):
        part = slice(start, start + CHUNK)
        history, items = pairs.histories[part], pairs.items[part]
        flat, owner = items.ravel(), np.repeat(np.arange(len(items)), width)
        for place, name in enumerate(BLOCKS):
            matrix = model.blocks[name].matrix.astype(np.float64)
            products = (history @ matrix)[owner].multiply(matrix[flat])
            found[part, :, place] = np.asarray(products.sum(axis=1)).reshape(items.shape)
        if reduced.shape[1]:
            found[part, :, len(BLOCKS)] = np.einsum("nd,nkd->nk", history @ reduced, reduced[items])
    found /= lengths[:, :, None]
    found[..., -1] = np.log1p(model.counts[pairs.items] - (np.arange(width) == 0))
    return found


def _learn(values: np.ndarray, keep: int, seed: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """The weight of each feature, and what selection and importance say of it."""
    names = ContentModel.FEATURES
    n, width, count = values.shape
    order = np.random.default_rng(seed).permutation(n)
    held, used = values[np.sort(order[: int(n * HELD_BACK)])], values[np.sort(order[int(n * HELD_BACK) :])]
    label = np.arange(width) == 0
    chosen = selection.select(used.reshape(-1, count), np.tile(label, len(used)), names, keep, seed)
    weights = _bradley_terry(used, chosen.kept) if len(chosen.kept) else ALONE

    def right(X: np.ndarray, y: np.ndarray) -> float:
        """Share of pairs in the right order; equal scores are half right."""
        scores = (X @ weights).reshape(-1, width)
        return float((np.sign(scores[:, :1] - scores[:, 1:]) / 2 + 0.5).mean())

    drops = selection.permutation(right, held.reshape(-1, count), np.tile(label, len(held)), names, seed)
    return weights, [
        {**row, "weight": float(weights[place])} for place, row in enumerate(chosen.table(drops))
    ]


def _bradley_terry(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Logistic regression on the differences of the next item and each unknown one; scaled, never centred."""
    from sklearn.linear_model import LogisticRegression

    differences = (values[:, :1] - values[:, 1:])[..., kept].reshape(-1, len(kept))
    scale = np.sqrt((differences**2).mean(axis=0))
    scale[scale == 0] = 1.0
    label = np.arange(len(differences)) % 2  # every other pair the other way round: there must be two classes
    fitted = LogisticRegression(fit_intercept=False).fit(
        differences / scale * np.where(label, 1.0, -1.0)[:, None], label
    )
    weights = np.zeros(values.shape[2])
    weights[kept] = fitted.coef_[0] / scale
    return weights


def _pairs(rows: pa.Table, data: Interactions, seed: int) -> Pairs:
    """For a sample of subjects: their last item that others know too, and items they do not know, evenly drawn.

    An item that nobody else knows could not have been ranked then, and would teach that rarity speaks for an item.
    """
    rng = np.random.default_rng(seed)
    n, shape = len(data.items), data.matrix.shape
    subject = codes(text(rows["subject"]), pa.array(data.subjects, pa.string()))
    item = codes(text(rows["item"]), pa.array(data.items, pa.string()))
    position = pc.fill_null(rows["position"].cast(pa.int64()), 0).to_numpy()
    order = np.lexsort((item, position, subject))
    subject, item = subject[order], item[order]
    shared = np.flatnonzero((data.subjects_per_item[item] > 1) & (subject >= 0))
    last = np.full(shape[0], -1, np.int64)
    last[subject[shared]] = shared  # the last of equal places stays
    before = np.arange(len(order)) < last[subject]
    history = binary(subject[before], item[before], shape)
    known = np.diff(data.matrix.indptr)
    asked = np.flatnonzero((np.diff(history.indptr) > 0) & (known < n))
    asked = asked[np.argsort(_signature(subject, item, shape)[asked], kind="stable")]
    asked = asked[np.sort(rng.choice(len(asked), min(MOST_SUBJECTS, len(asked)), replace=False))]
    pairs_known = np.sort(np.repeat(np.arange(shape[0]), known) * n + data.matrix.indices)
    unknown = np.full((len(asked), NEGATIVES), -1, np.int64)
    for _ in range(DRAWS):
        empty, column = np.nonzero(unknown < 0)
        if not len(empty):
            break
        drawn = rng.integers(0, n, len(empty))
        pair = asked[empty] * n + drawn
        nearest = np.minimum(np.searchsorted(pairs_known, pair), len(pairs_known) - 1)
        free = pairs_known[nearest] != pair
        unknown[empty[free], column[free]] = drawn[free]
    full = (unknown >= 0).all(axis=1)
    asked, unknown = asked[full], unknown[full]
    return Pairs(history[asked], np.column_stack([item[last[asked]], unknown]))


def _signature(subject: np.ndarray, item: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(subjects,) uint64: a number of what each subject did, in order; ``subject`` is sorted.

    Pseudonyms differ from home to home; what is drawn must not, or the same data would give another model.
    """
    starts = np.searchsorted(subject, np.arange(shape[0]))
    place = (np.arange(len(subject)) - starts[subject] + 1).astype(np.uint64)
    number = np.random.default_rng(0).integers(0, 2**64, shape[1], np.uint64)
    found = np.zeros(shape[0], np.uint64)
    np.add.at(found, subject, number[item] * place)
    return found


def _reduce(words: sp.csr_array, dims: int, seed: int) -> tuple[np.ndarray, np.ndarray, Mapping[str, Any]]:
    """Components (d, words) and rows (items, d), float32; no dimensions where there are no two items with words."""
    described = np.flatnonzero(np.diff(words.indptr))
    row = {"of": "text", "items": len(described), "words": words.shape[1], "dimensions": 0}
    if len(described) < 2 or words.shape[1] < 2:
        empty = np.zeros((0, words.shape[1]), np.float32), np.zeros((words.shape[0], 0), np.float32)
        return *empty, {**row, "explained_variance": 0.0}
    # of the items with words alone: the others would pull every direction towards nothing
    found = selection.reduce_sparse(words[described].astype(np.float64), dims, seed)
    components = found.components.astype(np.float32)
    row |= {"dimensions": len(components), "explained_variance": found.explained}
    return components, _unit(words @ components.T.astype(np.float64)), row


def _unit(rows: np.ndarray) -> np.ndarray:
    """float32 rows of length 1; a row of nothing but rounding stays 0."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-6).astype(np.float32)
