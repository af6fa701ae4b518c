"""The description of the anomaly family: see ``forge_models.family.ModelFamily``.

Two tasks, both without labels: ``account`` on ``features/security_events`` (logins, accesses, account changes) and
``routine`` on ``features/activity_daily``. The work is done in the modules beside this one, imported when a method is
called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forge_core import keys
from forge_models.anomaly.candidates import ACCOUNT, ROUTINE
from forge_models.family import Answer, Evaluation, Part, Splits, Task

if TYPE_CHECKING:
    import pyarrow as pa

    from forge_models.pictures import Picture

INPUT = {"account": keys.feature("security_events"), "routine": keys.feature("activity_daily")}
# Under 14 days nobody's habits are known; two thirds of 28 days are to learn from, and some days are left to be judged
# Three events a day in that time; each part that is judged holds a tenth of them at least.
MINIMUM = {"days": 28, "events": 80, "evaluated_events": 8}
MINIMUM_ROUTINE = {"days": 28, "events": 28, "evaluated_events": 3}


class Anomaly:
    """The family."""

    name = "anomaly"
    purpose = "protect"
    uses_models = False
    serves = "warnings of logins, accesses and days that are unlike what is usual for a person."
    limits = (
        "It knows no attacks, only habits: what is new is rare, and not all that is rare is an attack. Nothing is said"
        " of the first 14 days. Where an export names no countries, impossible travel is not seen. Its figures are of"
        " incidents that were planted into held-out days, since nobody labels their own logins."
    )
    inputs: Sequence[str] = (*INPUT.values(), keys.FEEDBACK)
    insights: Mapping[str, str] = {
        keys.ALERTS: "Events and days that are rare for their subject, with the reasons in words.",
        keys.INCIDENTS: "Alerts of a subject that lie close together, at most a few a week.",
    }
    tasks: Sequence[Task] = (
        Task("account", "average_precision", True, MINIMUM, ACCOUNT),
        Task("routine", "average_precision", True, MINIMUM_ROUTINE, ROUTINE),
    )

    def split(self, task: Task, tables: Mapping[str, pa.Table]) -> Splits:
        from forge_models.anomaly import splitting

        return splitting.split(task.name, tables[INPUT[task.name]], {})

    def size(self, task: Task, splits: Splits) -> dict[str, int]:
        from forge_models.anomaly import splitting

        return splitting.size(splits)

    def leakage(self, task: Task, splits: Splits) -> dict[str, int]:
        from forge_models.anomaly import splitting

        return splitting.leakage(splits)

    def evaluate(self, task: Task, model: Any, splits: Splits, part: Part) -> Evaluation:
        from forge_models.anomaly import evaluating

        return evaluating.evaluate(task.name, model, splits, part)

    def pictures(self, task: Task, model: Any, splits: Splits) -> dict[str, Picture]:
        from forge_models.anomaly import drawing

        return drawing.pictures(task.name, model, splits)

    def tell(self, models: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """Of the feedback among the tables see ``forge_models.anomaly.feedback``."""
        from forge_models.anomaly import telling

        return telling.tell(models, tables)

    def answer(self, models: Mapping[str, Any], tables: Mapping[str, pa.Table], **asked: Any) -> Answer:
        """``days``: of which past (30); ``k``: how many incidents (10)."""
        from forge_models.anomaly import telling

        return telling.answer(models, tables, **asked)

    def save(self, task: Task, model: Any, folder: Path) -> None:
        from forge_models.anomaly import storing

        storing.save(model, folder)

    def load(self, task: Task, folder: Path) -> Any:
        from forge_models.anomaly import storing

        return storing.load(task.name, folder)


ANOMALY = Anomaly()
