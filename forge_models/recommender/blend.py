"""A learned blend: the weighted sum of other candidates' scores, each divided by its usual spread.

How the weights are learned, and on what. The blend holds back the end of the rows it is given, in the way that they
were split themselves (each subject's last item, or the last ninth of the time), fits every member on the rest,
with a few of its configurations, and looks for the weights with the best NDCG@10 on what was held back; then the
members that have a weight are fitted on all rows. So the weights never see the rows that the blend is judged on: in
tuning those are the validation rows, of which the blend sees none, and in the final fit, where validation has
joined the training rows, the test rows. The members are given nothing but training rows.

The search (greedy ensemble selection: Caruana et al., ICML 2004) begins with the best member alone and moves a
share of the weight to one member, as long as that helps, with smaller and smaller shares. Weights are convex and
the spread is one figure per member, not one per subject, so the blend of linear models is linear: reasons add up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from forge_core.evaluation import ranking
from forge_models.family import Candidate, Splits, TrainingRun
from forge_models.recommender import storing
from forge_models.recommender.interactions import Histories, codes, encode, sorted_unique, text
from forge_models.recommender.models import RecommenderModel
from forge_models.recommender.recency import digests, taken
from forge_models.recommender.stored import Stored, refused, report_document, require

HELD_BACK = 1 / 9  # of the time; the share that validation has of train and validation
LEAST_SUBJECTS = 20  # below, weights are guesses, and all members weigh the same
MOST_SUBJECTS = 5_000  # to learn a handful of weights from
CHEAP = 3  # times as many configurations of what is no heavy work
CANDIDATES = 100  # of every member, per subject, are what the blend is searched on; a top ten lies within
SMALL = 50_000  # training rows; up to here a closed form is a fraction of a second, and all configurations are tried
SHARES = (0.5, 0.25, 0.1, 0.05, 0.02)  # of the weight, moved at once


@dataclass(frozen=True)
class BlendModel(RecommenderModel):
    """``members`` of the same items; ``weights`` (members,) float64: of the score of each, spread already in it."""

    members: tuple[RecommenderModel, ...] = ()
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))
    report: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    kind: ClassVar[str] = "blend"

    @property
    def personal(self) -> bool:
        return any(member.personal for member in self.members)

    @property
    def reasons_mean(self) -> str:
        return next((member.reasons_mean for member in self.members if member.reasons_mean), "")

    def item_vectors(self, items: np.ndarray) -> np.ndarray | None:
        """As the member that weighs most has them."""
        for place in np.argsort(-self.weights, kind="stable"):
            vectors = self.members[place].item_vectors(items)
            if vectors is not None:
                return vectors
        return None

    def personal_scores(self, histories: Histories) -> np.ndarray:
        total = np.zeros((len(histories), len(self.items)))
        for member, weight in zip(self.members, self.weights, strict=True):
            total += weight * member.personal_scores(histories)
        return total

    def knows(self, histories: Histories) -> np.ndarray:
        known = [member.knows(histories) for member in self.members]
        return np.any(known, axis=0) if known else np.zeros(len(histories), bool)

    def contributions(self, history: Histories, items: np.ndarray) -> np.ndarray:
        total = np.zeros((len(history.items), len(items)))
        for member, weight in zip(self.members, self.weights, strict=True):
            total += weight * member.contributions(history, items)
        return total

    def prior(self, items: np.ndarray) -> np.ndarray:
        total = np.zeros(len(items))
        for member, weight in zip(self.members, self.weights, strict=True):
            total += weight * member.prior(items)
        return total


@dataclass(frozen=True)
class Asked:
    """Subjects with what was held back of each: ``targets`` CSR (n, items) of those that the models know."""

    histories: Histories
    targets: sp.csr_array
    n_targets: np.ndarray


@dataclass(frozen=True)
class Scored:
    """``top`` (n, CANDIDATES) int64: a member's best unseen items, -1 where there are no more; its NDCG@10.

    ``spread``: the standard deviation of its scores over the items, averaged over subjects.
    """

    model: RecommenderModel
    top: np.ndarray
    spread: float
    ndcg: float


def fit(
    splits: Splits, candidates: Sequence[Candidate], config: Mapping[str, Any], run: TrainingRun
) -> BlendModel:
    """Blend of ``candidates``, each with the best of its first ``tries`` configurations, and of their variants.

    A candidate may have ``variants(model)``: models that answer in another way and need no fit of their own.
    """
    rows = splits.part("train")
    data = encode(rows)
    earlier, later = hold_back(rows, splits.strategy)
    asked = _asked(earlier, later)
    enough = len(asked.histories) >= LEAST_SUBJECTS
    candidates = _that_fit(candidates, len(data.items), run)
    tries = int(config["tries"]) if rows.num_rows > SMALL else None
    chosen: list[Mapping[str, Any]] = []
    best: list[Scored] = []
    for candidate in candidates:
        tried: list[Scored] = []
        for one in _tries(candidate, tries, run) if enough else ():
            run.progress(f"blend: {candidate.name}, on all but the last")
            fitted = candidate.fit(Splits(earlier, splits.side, splits.strategy), one, run)
            variants = getattr(candidate, "variants", lambda model: [model])(fitted)
            tried = [max([*tried, *(_score(v, asked) for v in variants)], key=lambda it: round(it.ndcg, 9))]
        if tried:
            chosen.append(tried[0].model.config)
            best += tried
        else:
            chosen.append(candidate.configs(run.preset)[0])
    weights = learn(best, asked) if enough else np.full(len(candidates), 1.0 / max(len(candidates), 1))
    spreads = [one.spread for one in best] if enough else [1.0] * len(candidates)
    table, members, scaled = [], [], []
    whole = Splits(rows, splits.side, splits.strategy)
    for number, (candidate, one) in enumerate(zip(candidates, chosen, strict=True)):
        row = {"member": candidate.name, "weight": float(weights[number])}
        row["ndcg@10_alone"] = best[number].ndcg if enough else 0.0
        table.append({**row, "configuration": ", ".join(f"{key}={value}" for key, value in one.items())})
        if weights[number] > 0:
            run.progress(f"blend: {candidate.name}, on all")
            members.append(candidate.fit(whole, one, run))
            scaled.append(weights[number] / spreads[number])
    if any(member.items != data.items for member in members):
        raise ValueError("the members of a blend must rank the same items")
    return BlendModel(
        data.items,
        data.subjects_per_item,
        len(data.subjects),
        dict(config),
        tuple(members),
        np.array(scaled),
        {"blend": table},
    )


def hold_back(rows: pa.Table, strategy: str) -> tuple[pa.Table, pa.Table]:
    """``rows`` before and after: the last ninth of the time, or the last row of every subject that has two."""
    rows = rows.drop_columns(["split"]) if "split" in rows.column_names else rows
    if strategy == "temporal":
        time = rows["first_time"].cast(pa.int64()).to_numpy().astype(np.int64)
        last = np.sort(time)[int(len(time) * (1 - HELD_BACK))] if len(time) else 0
        held = time >= last
    else:
        subject = codes(text(rows["subject"]), sorted_unique(text(rows["subject"])))
        item = codes(text(rows["item"]), sorted_unique(text(rows["item"])))
        position = pc.fill_null(rows["position"].cast(pa.int64()), 0).to_numpy()
        order = np.lexsort((item, position, subject))
        ends = np.flatnonzero(np.diff(subject[order], append=-1))
        starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
        held = np.zeros(len(order), bool)
        held[order[ends[ends > starts]]] = True

    def part(chosen: np.ndarray) -> pa.Table:
        kept = rows.filter(pa.array(chosen))
        return kept.append_column("split", pa.array(["train"] * kept.num_rows, pa.string()))

    return part(~held), part(held)


def learn(members: Sequence[Scored], asked: Asked) -> np.ndarray:
    """(members,) convex weights of scores in units of their spread; multiples of a share of a share."""
    places, local = _together(members, asked)
    scores = np.stack(
        [_scores_at(member, asked, places) / np.float32(member.spread) for member in members], axis=-1
    )

    def value(weights: np.ndarray) -> float:
        mixed = np.where(places >= 0, scores @ weights.astype(np.float32), -np.inf)
        hit = ranking.hits(ranking.top_k(mixed, 10), local)
        return round(float(ranking.ndcg(hit, asked.n_targets, 10).mean()), 9)

    corners = np.eye(len(members))
    reached = [value(corner) for corner in corners]
    weights, best = corners[int(np.argmax(reached))], max(reached)
    for share in SHARES:
        moved = True
        while moved and len(members) > 1:
            steps = [(1 - share) * weights + share * corner for corner in corners]
            values = [value(step) for step in steps]
            moved = max(values) > best
            if moved:
                weights, best = steps[int(np.argmax(values))], max(values)
    return np.where(weights < SHARES[-1], 0.0, weights)


def _that_fit(candidates: Sequence[Candidate], items: int, run: TrainingRun) -> Sequence[Candidate]:
    """Without those that would have to cut a catalogue of this size, unless all would."""
    whole = [one for one in candidates if int(one.configs(run.preset)[0].get("max_items", items)) >= items]
    return whole or candidates


def _tries(candidate: Candidate, tries: int | None, run: TrainingRun) -> Sequence[Mapping[str, Any]]:
    """Best guesses come first; what trains for long has one; what is a variant of another is no fit of its own."""
    configs = candidate.configs(run.preset)
    if hasattr(candidate, "variants"):
        alike = {json.dumps({**config, "recency": 0.0}, sort_keys=True): config for config in configs[::-1]}
        configs = list(alike.values())[::-1]
    if tries is None or candidate.compute == "gpu":
        return configs[: 1 if candidate.compute == "gpu" else None]
    return configs[: tries if candidate.compute == "cpu_heavy" else CHEAP * tries]


def _asked(earlier: pa.Table, later: pa.Table) -> Asked:
    """Subjects of ``later`` that did something ``earlier``, in an order that does not hang on their names."""
    known, asked = sorted_unique(text(earlier["subject"])), sorted_unique(text(later["subject"]))
    subjects = asked.filter(pc.is_in(asked, value_set=known))
    vocabulary = sorted_unique(text(earlier["item"]))
    histories = Histories.of(earlier, subjects, vocabulary)
    targets = Histories.of(later, subjects, vocabulary)
    n_targets = np.bincount(
        np.maximum(codes(text(later["subject"]), subjects), -1) + 1, minlength=len(subjects) + 1
    )[1:]
    order = np.lexsort((digests(targets), digests(histories), histories.lengths))
    if len(order) > MOST_SUBJECTS:
        order = order[np.linspace(0, len(order) - 1, MOST_SUBJECTS).astype(np.int64)]
    return Asked(taken(histories, order), taken(targets, order).matrix, n_targets[order])


def _score(model: RecommenderModel, asked: Asked) -> Scored:
    """The best items of a member for every subject, in blocks that fit into memory."""
    tops, spreads, values = [], [], []
    step = ranking.batch_rows(len(model.items))
    for start in range(0, len(asked.histories), step):
        rows = slice(start, start + step)
        block = asked.histories[rows]
        scores = model.personal_scores(block)
        spreads.append(scores.std(axis=1, dtype=np.float64))
        ranking.hide(scores, block.matrix)
        top = ranking.top_k(scores, CANDIDATES)
        hit = ranking.hits(top, asked.targets[rows])
        values.append(ranking.ndcg(hit, asked.n_targets[rows], 10))
        tops.append(top)
    spread = float(np.concatenate(spreads).mean())
    return Scored(model, np.concatenate(tops), spread or 1.0, float(np.concatenate(values).mean()))


def _together(members: Sequence[Scored], asked: Asked) -> tuple[np.ndarray, sp.csr_array]:
    """(n, c) int64: items that any member has among its best, ascending, -1 at the end; the targets as places there."""
    size = asked.histories.size
    every = np.concatenate([member.top for member in members], axis=1)
    every = np.sort(np.where(every < 0, size, every), axis=1)
    again = np.zeros(every.shape, bool)
    again[:, 1:] = every[:, 1:] == every[:, :-1]
    every = np.sort(np.where(again, size, every), axis=1)
    width = int((every < size).sum(axis=1).max(initial=0))
    places = np.where(every < size, every, -1)[:, :width]
    rows, columns = np.nonzero(places >= 0)
    targets = asked.targets
    wanted = np.repeat(np.arange(len(places)), np.diff(targets.indptr)) * size + targets.indices
    hit = np.isin(rows * size + places[rows, columns], wanted)
    local = sp.csr_array((np.ones(int(hit.sum())), (rows[hit], columns[hit])), shape=places.shape)
    return places, local


def _scores_at(member: Scored, asked: Asked, places: np.ndarray) -> np.ndarray:
    """(n, c) float32: the member's scores of those items."""
    found = np.zeros(places.shape, np.float32)
    step = ranking.batch_rows(asked.histories.size)
    for start in range(0, len(places), step):
        rows = slice(start, start + step)
        scores = member.model.personal_scores(asked.histories[rows])
        found[rows] = np.take_along_axis(scores, np.maximum(places[rows], 0), axis=1)
    return found


# --- storage --------------------------------------------------------------------------------------


def arrays(model: BlendModel) -> dict[str, np.ndarray]:
    found = {"weights": model.weights}
    for number, member in enumerate(model.members):
        found |= {f"{number}.{name}": array for name, array in storing.own_arrays(member).items()}
    return found


def document(model: BlendModel) -> dict[str, Any]:
    members = [storing.own_document(member) for member in model.members]
    return {"members": members, **report_document(model.report)}


def from_arrays(stored: Stored) -> BlendModel:
    documents = stored.document.get("members")
    if not isinstance(documents, list) or not all(isinstance(one, dict) for one in documents):
        raise refused("Fields are missing.")
    require(all(one.get("kind") != BlendModel.kind for one in documents), "A blend holds no blend.")
    members = [storing.from_arrays(stored.within(f"{n}.", one)) for n, one in enumerate(documents)]
    return BlendModel(
        **stored.common,
        members=tuple(members),
        weights=stored.array("weights", np.float64, (len(members),)),
        report=stored.report(),
    )
