"""The description of the recommender family: see ``forge_models.family.ModelFamily``.

Inputs: ``features/interactions``, one row per subject and item (columns subject, item, first_time,
last_time, position, count, strength, ordered_only, source, export), and ``features/items``, what is written of each.
The work is done in the modules beside this one, which are imported when a method is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from forge_core import keys
from forge_models.family import Candidate, Evaluation, Part, Splits, Task
from forge_models.recommender import messages
from forge_models.recommender.candidates import Content, Ease, ItemKnn, Popularity, Sequential
from forge_models.recommender.candidates_ordered import Blend, Ials, Ridge, Transitions

if TYPE_CHECKING:
    import pyarrow as pa

Strategy = Literal["auto", "temporal", "leave_last_out"]

# Below 20 people nobody's taste is like another's; below 50 items a top ten is no choice; below ten
# evaluated people an interval spans everything.
MINIMUM = {"subjects": 20, "items": 50, "interactions": 500, "evaluated_subjects": 10}


class Recommender:
    """The family; ``strategy`` forces a way to split, for benchmarks that prescribe one."""

    name = "recommender"
    purpose = "recommend"
    inputs: Sequence[str] = (keys.INTERACTIONS, keys.ITEMS)
    tasks: Sequence[Task] = (Task("next_items", "ndcg@10", True, MINIMUM),)
    Request = messages.Request
    Prediction = messages.Prediction

    def __init__(self, strategy: Strategy = "auto") -> None:
        self.strategy: Strategy = strategy
        instant: Sequence[Candidate] = (Ridge(), Transitions(), Ease())
        self.candidates: Sequence[Candidate] = (
            Ease(),
            Content(),
            Ridge(),
            Transitions(),
            Ials(),
            Sequential(),
            Blend("instant", instant),
            Blend("blend", (*instant, Ials(), Content())),
            ItemKnn(),
            Popularity(),
        )

    def split(self, tables: Mapping[str, pa.Table]) -> Splits:
        from forge_models.recommender import splitting

        side = {key: table for key, table in tables.items() if key != keys.INTERACTIONS}
        return splitting.split(tables[keys.INTERACTIONS], side, self.strategy)

    def size(self, splits: Splits) -> dict[str, int]:
        from forge_models.recommender import splitting

        return splitting.size(splits)

    def leakage(self, splits: Splits) -> dict[str, int]:
        from forge_models.recommender import splitting

        return splitting.leakage(splits)

    def evaluate(self, task: Task, model: Any, splits: Splits, part: Part) -> Evaluation:
        from forge_models.recommender import evaluating

        return evaluating.evaluate(model, splits, part)

    def predict(self, model: Any, request: messages.Request) -> messages.Prediction:
        from forge_models.recommender import predicting

        return predicting.predict(model, request)

    def predict_all(self, model: Any, tables: Mapping[str, pa.Table], k: int = 10) -> pa.Table:
        from forge_models.recommender import predicting

        return predicting.predict_all(model, tables[keys.INTERACTIONS], k, tables.get(keys.ITEMS))

    def save(self, model: Any, folder: Path) -> None:
        from forge_models.recommender import storing

        storing.save(model, folder)

    def load(self, folder: Path) -> Any:
        from forge_models.recommender import storing

        return storing.load(folder)


RECOMMENDER = Recommender()
