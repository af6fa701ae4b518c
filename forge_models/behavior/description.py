"""The description of the behaviour family: see ``forge_models.family.ModelFamily``.

Inputs: ``features/place_sequences`` (visits), ``features/sessions`` and ``clean/calendar`` (what was done),
``features/activity_hourly`` and ``features/activity_daily`` (how much). Tasks: the next place, the next activity, and
the load of the coming hours and days. The work is done in the modules beside this one, imported when a method is
called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from forge_core import keys
from forge_models.behavior.candidates import MICROS, Counting, Lags, LoadNetwork, Markov, Naive, Network
from forge_models.family import Answer, Candidate, Evaluation, Part, Splits, Task

if TYPE_CHECKING:
    import pyarrow as pa

    from forge_models.pictures import Picture

PLACES = keys.feature("place_sequences")
SESSIONS = keys.feature("sessions")
CALENDAR = keys.clean("calendar")
HOURLY = keys.feature("activity_hourly")
DAILY = keys.feature("activity_daily")
FORECASTS = keys.FORECASTS
NEXT = keys.NEXT_PLACES

Strategy = Literal["temporal", "per_subject"]

# Two weeks show each weekday twice; with fewer than 100 events a tenth is less than ten, of which no figure speaks.
EVENTS = {"days": 14, "events": 100, "labels": 2, "evaluated_events": 10}
# Of hours, four weeks are what the lags look back on; of days, a test part of more than the seven days foretold.
HOURS = {"days": 35, "active_days": 14, "evaluated_days": 3}
DAYS = {"days": 84, "active_days": 28, "evaluated_days": 8}
STEPS: Mapping[str, Literal["hour", "day"]] = {"load_hourly": "hour", "load_daily": "day"}


def _sequence() -> Sequence[Candidate]:
    return (Counting(), Network(), Markov("hour_markov"), Markov("markov"), Markov("most_frequent"))


def _load(step: Literal["hour", "day"]) -> Sequence[Candidate]:
    return (Lags(step), LoadNetwork(step), Naive("seasonal_mean", step), Naive("seasonal_naive", step))


class Behavior:
    """The family; ``strategy`` is how events are split: by the same instants for all, or within each subject."""

    name = "behavior"
    purpose = "forecast"
    uses_models = False
    serves = "what a person may do next, where, and how full the coming hours and days will be."
    limits = (
        "It knows a person's own habits: where they have never been it cannot foretell, only how likely something new"
        " is. Hours and days are UTC. Public holidays are not known ahead; times away and moves are told afterwards."
    )
    inputs: Sequence[str] = (PLACES, SESSIONS, CALENDAR, HOURLY, DAILY)
    insights: Mapping[str, str] = {
        FORECASTS: "Events and calendar minutes of the coming hours and days, each with its interval.",
        NEXT: "Where each subject goes next and what they do next, with probabilities and what they rest on.",
    }

    def __init__(self, strategy: Strategy = "temporal") -> None:
        self.strategy: Strategy = strategy
        self.tasks: Sequence[Task] = (
            Task("next_place", "mrr", True, EVENTS, _sequence()),
            Task("next_activity", "mrr", True, EVENTS, _sequence()),
            Task("load_hourly", "mase", False, HOURS, _load("hour")),
            Task("load_daily", "mase", False, DAYS, _load("day")),
        )

    def split(self, task: Task, tables: Mapping[str, pa.Table]) -> Splits:
        from forge_models.behavior import splitting

        if task.name in STEPS:
            return splitting.split_loads(loads_of(task.name, tables))
        return splitting.split_events(events_of(task.name, tables), self.strategy)

    def size(self, task: Task, splits: Splits) -> dict[str, int]:
        from forge_models.behavior import splitting

        return splitting.size_loads(splits) if task.name in STEPS else splitting.size_events(splits)

    def leakage(self, task: Task, splits: Splits) -> dict[str, int]:
        from forge_models.behavior import splitting

        return splitting.leakage(splits, "series" if task.name in STEPS else "subject")

    def evaluate(self, task: Task, model: Any, splits: Splits, part: Part) -> Evaluation:
        from forge_models.behavior import evaluating, series

        if task.name in STEPS:
            return evaluating.loads(model, series.from_rows(splits.rows, MICROS[STEPS[task.name]]), part)
        return evaluating.events(model, splits, part)

    def pictures(self, task: Task, model: Any, splits: Splits) -> Mapping[str, Picture]:
        from forge_models.behavior import drawing

        if task.name in STEPS:
            return drawing.loads(model, splits, MICROS[STEPS[task.name]])
        return drawing.events(model, splits)

    def tell(self, models: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Mapping[str, pa.Table]:
        from forge_models.behavior import telling

        return {FORECASTS: telling.forecasts(models, tables), NEXT: telling.next_ones(models, tables)}

    def answer(self, models: Mapping[str, Any], tables: Mapping[str, pa.Table], **asked: Any) -> Answer:
        from forge_models.behavior import answering

        return answering.answer(models, tables, **asked)

    def save(self, task: Task, model: Any, folder: Path) -> None:
        from forge_models.behavior import storing

        storing.save(model, folder)

    def load(self, task: Task, folder: Path) -> Any:
        from forge_models.behavior import storing

        return storing.load(folder)


def events_of(task: str, tables: Mapping[str, pa.Table]) -> pa.Table:
    """The sequence rows of ``next_place`` or ``next_activity``; an input that is missing is empty."""
    from forge_models.behavior import sequences

    if task == "next_place":
        return sequences.places(tables[PLACES]) if PLACES in tables else sequences.activities(None, None)
    return sequences.activities(tables.get(SESSIONS), tables.get(CALENDAR))


def loads_of(task: str, tables: Mapping[str, pa.Table]) -> list[Any]:
    """The series of ``load_hourly`` or ``load_daily``."""
    from forge_models.behavior import series

    key = HOURLY if STEPS[task] == "hour" else DAILY
    return series.filled(tables[key], MICROS[STEPS[task]]) if key in tables else []


BEHAVIOR = Behavior()
