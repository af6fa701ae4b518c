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

    from forge_models.pictures import Picture

Strategy = Literal["auto", "temporal", "leave_last_out"]

# Below 20 people nobody's taste is like another's; below 50 items a top ten is no choice; below ten
# evaluated people an interval spans everything.
MINIMUM = {"subjects": 20, "items": 50, "interactions": 500, "evaluated_subjects": 10}


class Recommender:
    """The family; ``strategy`` forces a way to split, for benchmarks that prescribe one."""

    name = "recommender"
    purpose = "recommend"
    uses_models = False
    serves = "suggestions to the people whose data it learned from."
    limits = (
        "It recommends what the cohort knows, each item ranked among all unseen ones: an item nobody watched appears"
        " only by its words, and somebody without history gets what most people know. The order of events counts for"
        " ridge, transitions, sequential and blends of them."
    )
    inputs: Sequence[str] = (keys.INTERACTIONS, keys.ITEMS)
    insights: Mapping[str, str] = {
        keys.RECOMMENDATIONS: "The champion's ten best unseen items for every subject, with those that pulled each in.",
    }
    Request = messages.Request
    Prediction = messages.Prediction

    def __init__(self, strategy: Strategy = "auto") -> None:
        self.strategy: Strategy = strategy
        instant: Sequence[Candidate] = (Ridge(), Transitions(), Ease())
        candidates: Sequence[Candidate] = (
            Ease(),
            Content(),
            Ridge(),
            Transitions(),
            Ials(),
            Sequential(),
            Blend("instant", instant),
            Blend("blend", (*instant, Ials(), Content(), Sequential())),
            ItemKnn(),
            Popularity(),
        )
        self.tasks: Sequence[Task] = (Task("next_items", "ndcg@10", True, MINIMUM, candidates),)

    def split(self, task: Task, tables: Mapping[str, pa.Table]) -> Splits:
        from forge_models.recommender import splitting

        side = {key: table for key, table in tables.items() if key != keys.INTERACTIONS}
        return splitting.split(tables[keys.INTERACTIONS], side, self.strategy)

    def size(self, task: Task, splits: Splits) -> dict[str, int]:
        from forge_models.recommender import splitting

        return splitting.size(splits)

    def leakage(self, task: Task, splits: Splits) -> dict[str, int]:
        from forge_models.recommender import splitting

        return splitting.leakage(splits)

    def evaluate(self, task: Task, model: Any, splits: Splits, part: Part) -> Evaluation:
        from forge_models.recommender import evaluating

        return evaluating.evaluate(model, splits, part)

    def pictures(self, task: Task, model: Any, splits: Splits) -> dict[str, Picture]:
        return {}

    def predict(self, model: Any, request: messages.Request) -> messages.Prediction:
        """One list; ``request`` may carry a person's state instead of their history."""
        from forge_models.recommender import predicting

        return predicting.predict(model, request)

    def predict_all(self, model: Any, tables: Mapping[str, pa.Table], k: int = 10) -> pa.Table:
        """The ``k`` best unseen items of every subject, with the items that pulled each one in."""
        from forge_models.recommender import predicting

        return predicting.predict_all(model, tables[keys.INTERACTIONS], k, tables.get(keys.ITEMS))

    def tell(self, models: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """The ten best items of every subject; source and export are those of the subject's first event."""
        from forge_models.recommender import predicting

        (model,) = models.values()
        answers = self.predict_all(model, tables)
        return {keys.RECOMMENDATIONS: predicting.with_origin(answers, tables[keys.INTERACTIONS])}

    def save(self, task: Task, model: Any, folder: Path) -> None:
        from forge_models.recommender import storing

        storing.save(model, folder)

    def load(self, task: Task, folder: Path) -> Any:
        from forge_models.recommender import storing

        return storing.load(folder)


RECOMMENDER = Recommender()
NEXT_ITEMS = RECOMMENDER.tasks[0]
