"""The description of the profile family: see ``forge_models.family.ModelFamily``.

It reads ``insights/evidence``, which is gathered from features, clean events and other families' insights, and is
judged by how well its statements foretell the next week. Three tasks: interests; routines; and contacts, with languages
and the sound of texts. The work is done in the modules beside this one, imported when a method is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forge_core import keys
from forge_models.family import Answer, Evaluation, Part, Splits, Task
from forge_models.profile.candidates import candidates

if TYPE_CHECKING:
    import pyarrow as pa

    from forge_models.pictures import Picture

# Six weeks: three to learn from, and some of each part that is judged; far more than 14 days, within which a week has
# come twice and nothing can be called a habit. A hundred events,
# some fifteen a week. A unit judged is a week of a line.
MINIMUM = {"weeks": 6, "events": 100, "judged": 5}
# What evidence is gathered from; the tables themselves are read by ``gathering``.
GATHERED_FROM: Sequence[str] = (
    keys.clean("watch"), keys.clean("browse"), keys.clean("app_usage"), keys.clean("message"),
    keys.clean("calendar"), keys.clean("place"), keys.feature("activity_hourly"), keys.feature("place_sequences"),
    keys.CHUNKS, keys.TOPICS, keys.SENTIMENT,
)  # fmt: skip


class Profile:
    """The family."""

    name = "profile"
    purpose = "profile"
    uses_models = False
    serves = (
        "statements about a person's interests, routines and contacts, each with its chance and its evidence."
    )
    limits = (
        "It knows what came, not why: a channel that somebody else in the house watches is a taste of the account's"
        " owner. Chances are of weeks with any activity of that kind; what is new is not foreseen. Sensitive things are"
        " left out by a list of words, which misses what it has no word for. Hours are UTC."
    )
    inputs: Sequence[str] = (keys.EVIDENCE, keys.FEEDBACK)
    gathered_from: Sequence[str] = GATHERED_FROM
    insights: Mapping[str, str] = {
        keys.PROFILE: "What each subject may come back to: interests, routines, contacts; with chance and evidence.",
    }
    tasks: Sequence[Task] = tuple(
        Task(name, "average_precision", True, MINIMUM, candidates(name))
        for name in ("interests", "routines", "contacts")
    )

    def split(self, task: Task, tables: Mapping[str, pa.Table]) -> Splits:
        from forge_models.profile import splitting

        return splitting.split(task.name, tables[keys.EVIDENCE])

    def size(self, task: Task, splits: Splits) -> dict[str, int]:
        from forge_models.profile import splitting

        return splitting.size(splits)

    def leakage(self, task: Task, splits: Splits) -> dict[str, int]:
        from forge_models.profile import splitting

        return splitting.leakage(splits)

    def evaluate(self, task: Task, model: Any, splits: Splits, part: Part) -> Evaluation:
        from forge_models.profile import evaluating

        return evaluating.evaluate(model, splits, part)

    def pictures(self, task: Task, model: Any, splits: Splits) -> Mapping[str, Picture]:
        from forge_models.profile import drawing

        return drawing.pictures(task.name, model, splits)

    def tell(self, models: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """Of the feedback among the tables see ``forge_models.profile.feedback``."""
        from forge_models.profile import telling

        return {keys.PROFILE: telling.tell(models, tables)}

    def answer(self, models: Mapping[str, Any], tables: Mapping[str, pa.Table], **asked: Any) -> Answer:
        """``task``: one of them instead of all; ``k``: statements of each (8)."""
        from forge_models.profile import answering

        return answering.answer(models, tables, **asked)

    def save(self, task: Task, model: Any, folder: Path) -> None:
        from forge_models.profile import storing

        storing.save(model, folder)

    def load(self, task: Task, folder: Path) -> Any:
        from forge_models.profile import storing

        return storing.load(task.name, folder)


PROFILE = Profile()
