"""What the tests of the order-aware and closed-form candidates share: fitting, renaming, poisoning, writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_core import keys
from forge_models import artifact
from forge_models.family import Splits, TrainingRun
from forge_models.recommender import NEXT_ITEMS, RECOMMENDER
from forge_models.recommender.interactions import Histories, sorted_unique, text

RUN = TrainingRun(Path("/nonexistent"))
CANDIDATES = {candidate.name: candidate for candidate in NEXT_ITEMS.candidates}
TASK = NEXT_ITEMS


def fit(name: str, splits: Splits, **changes: Any) -> Any:
    candidate = CANDIDATES[name]
    return candidate.fit(splits, {**candidate.configs("quick")[0], **changes}, RUN)


def whole(tables: dict[str, pa.Table]) -> Splits:
    """Everything is training data, for tests of what a model answers."""
    rows = tables[keys.INTERACTIONS]
    return Splits(rows.append_column("split", pa.array(["train"] * rows.num_rows)), {}, "temporal")


def histories(model: Any, tables: dict[str, pa.Table]) -> Histories:
    rows = tables[keys.INTERACTIONS]
    return Histories.of(rows, sorted_unique(text(rows["subject"])), pa.array(model.items, pa.string()))


def written(model: Any, folder: Path) -> str:
    RECOMMENDER.save(NEXT_ITEMS, model, folder)
    return artifact.digest(folder)


def renamed(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The same people under other pseudonyms, which sort in another order; rows in another order too."""
    rows = tables[keys.INTERACTIONS]
    other = pc.binary_join_element_wise(pc.utf8_reverse(rows["subject"]), "x", "-")
    rows = rows.set_column(rows.schema.get_field_index("subject"), "subject", other)
    return {**tables, keys.INTERACTIONS: rows.take(np.random.default_rng(5).permutation(rows.num_rows))}


def poisoned(tables: dict[str, pa.Table], share: float = 0.01) -> tuple[dict[str, pa.Table], str, list[str]]:
    """F-D9: 1 % more rows, of accounts that know what most know and then, all of them, the item that fewest know.

    The tables, that item, and the subjects that neither know it nor are such an account.
    """
    rows = tables[keys.INTERACTIONS]
    counts = pc.value_counts(rows["item"])
    order = np.lexsort((counts.field(0).to_pylist(), counts.field(1).to_numpy()))
    ranked = [counts.field(0)[int(place)].as_py() for place in order]
    pushed, popular = ranked[0], ranked[-8:]
    accounts = max(1, int(rows.num_rows * share) // (len(popular) + 1))
    fake = rows.slice(0, accounts * (len(popular) + 1))
    names = [f"fake{n}" for n in range(accounts) for _ in range(len(popular) + 1)]
    changes = {
        "subject": names,
        "item": [*popular, pushed] * accounts,
        "position": list(range(len(popular) + 1)) * accounts,
    }
    for name, values in changes.items():
        place = fake.schema.get_field_index(name)
        fake = fake.set_column(place, name, pa.array(values, fake.schema.field(name).type))
    knows = set(rows.filter(pc.equal(rows["item"], pushed))["subject"].to_pylist())
    both = pa.concat_tables([rows, fake])
    subjects = sorted_unique(text(both["subject"])).to_pylist()
    clean = [subject for subject in subjects if subject not in knows and not subject.startswith("fake")]
    return {**tables, keys.INTERACTIONS: both}, pushed, clean


def share_offered(name: str, tables: dict[str, pa.Table], item: str, clean: list[str]) -> float:
    """The share of the subjects ``clean`` that are offered ``item`` among their first ten."""
    answers = RECOMMENDER.predict_all(
        fit(name, whole(tables)), {keys.INTERACTIONS: tables[keys.INTERACTIONS]}
    )
    offered = set(answers.filter(pc.equal(answers["item"], item))["subject"].to_pylist())
    return float(np.mean([subject in offered for subject in clean]))
