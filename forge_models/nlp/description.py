"""The description of the nlp family: see ``forge_models.family.ModelFamily``.

Input: ``features/chunks``, passages of mail, chats and documents. Sentiment, names and languages are learned from
public labelled text (``reference/``), topics from the population's own texts, summaries from the titles of its letters
and documents, or from public summaries where a set is given. The work is done in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forge_core import keys
from forge_models.family import Evaluation, Part, Splits, Task
from forge_models.nlp import candidates
from forge_models.nlp.reference import SETS

if TYPE_CHECKING:
    import pyarrow as pa

    from forge_models.family import Answer
    from forge_models.pictures import Picture

INSIGHTS = {
    keys.TOPICS: "What each subject's texts are about, by source and week, named by their own words.",
    keys.SENTIMENT: "How each subject's texts sound, by source and week, with counts.",
    keys.ENTITIES: "How often names of each type stand in each subject's texts, by source and week; no name.",
    keys.SUMMARIES: "The sentences that tell most of each conversation, letter and document, as they stand.",
}
# Two weeks, so that there is a before and an after; a few hundred texts, so that ten topics have some each.
TEXTS = {"texts": 200, "days": 14}
# Of labelled text: what the sets that ship with Forge hold many times over; and some text that it is learned for.
LABELLED = {"sentences": 500, "texts": 20}
TITLED = {"texts": 60}


class Nlp:
    """The family."""

    name = "nlp"
    purpose = "understand"
    uses_models = True
    inputs: Sequence[str] = (keys.CHUNKS, *(keys.reference(name) for name in SETS))
    serves = "what a person's own mail, chats and documents are about, how they sound, and their gist."
    limits = (
        "Sentiment and names are learned from English reviews and messages: in other languages and registers they are"
        " worse, and irony is not heard. A summary is sentences as they stand. Topics are groups of this"
        " population's texts and mean nothing outside of it."
    )
    insights: Mapping[str, str] = INSIGHTS

    tasks: Sequence[Task] = (
        Task("topics", "word_gain", True, TEXTS, candidates.TOPICS),
        Task("sentiment", "accuracy", True, LABELLED, candidates.SENTIMENT),
        Task("entities", "f1", True, LABELLED, candidates.ENTITIES),
        Task("language", "accuracy", True, LABELLED, candidates.LANGUAGE),
        Task("summaries", "rouge", True, TITLED, candidates.SUMMARIES),
    )

    def split(self, task: Task, tables: Mapping[str, pa.Table]) -> Splits:
        from forge_models.nlp import splitting

        return splitting.split(task.name, tables)

    def size(self, task: Task, splits: Splits) -> Mapping[str, int]:
        from forge_models.nlp import splitting

        return splitting.size(task.name, splits)

    def leakage(self, task: Task, splits: Splits) -> Mapping[str, int]:
        from forge_models.nlp import splitting

        return splitting.leakage(task.name, splits)

    def evaluate(self, task: Task, model: Any, splits: Splits, part: Part) -> Evaluation:
        from forge_models.nlp import evaluating

        return evaluating.evaluate(task.name, model, splits, part)

    def pictures(self, task: Task, model: Any, splits: Splits) -> Mapping[str, Picture]:
        from forge_models.nlp import picturing

        return picturing.pictures(task.name, model, splits)

    def tell(self, models: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Mapping[str, pa.Table]:
        from forge_models.nlp import telling

        return telling.tell(models, tables[keys.CHUNKS])

    def answer(self, models: Mapping[str, Any], tables: Mapping[str, pa.Table], **asked: Any) -> Answer:
        from forge_models.nlp import answering

        return answering.answer(models, tables.get(keys.CHUNKS), **asked)

    def save(self, task: Task, model: Any, folder: Path) -> None:
        from forge_models.nlp import storing

        storing.save(task.name, model, folder)

    def load(self, task: Task, folder: Path) -> Any:
        from forge_models.nlp import storing

        return storing.load(task.name, folder)


NLP = Nlp()
