"""The contract of a model family: a description, not a pipeline.

``forge_assets/families/factory.py`` turns a description into assets. A sixth family is one folder
beside this file and one line there. Importing a description must stay light: torch, sklearn and the
like are imported by its methods when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from forge_core.evaluation.intervals import Interval

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from forge_models.pictures import Picture

__all__ = [
    "Answer",
    "AnsweringFamily",
    "Candidate",
    "Compute",
    "Evaluation",
    "Interval",
    "ModelFamily",
    "Part",
    "Reason",
    "Said",
    "Splits",
    "Task",
    "TrainingRun",
    "history",
    "model_name",
    "report",
]

Part = Literal["train", "validation", "test"]
Compute = Literal["cpu", "cpu_heavy", "gpu"]


@dataclass(frozen=True)
class Task:
    """One thing that a family learns: what it is judged by, the least data it needs, and who competes for it."""

    name: str
    metric: str
    higher_is_better: bool
    minimum: Mapping[str, int]  # counted by ModelFamily.size; below it: "learning mode"
    candidates: Sequence[Candidate]


@dataclass(frozen=True)
class Splits:
    """Rows of the training set with their ``split`` column, and the side tables that go with them.

    ``rows`` has a column ``split`` of train | validation | test. Whatever is fitted is fitted on the
    train part alone.
    """

    rows: pa.Table
    side: Mapping[str, pa.Table]
    strategy: str

    def part(self, *names: Part) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        return self.rows.filter(pc.is_in(self.rows["split"], pa.array(names)))

    def refit(self) -> Splits:
        """The splits for the final fit: validation rows join the train part, test stays untouched."""
        import pyarrow as pa
        import pyarrow.compute as pc

        index = self.rows.schema.get_field_index("split")
        split = self.rows["split"]
        joined = pc.if_else(pc.equal(split, "validation"), pa.scalar("train"), split)
        return Splits(self.rows.set_column(index, "split", joined), self.side, self.strategy)


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one model on one part, per unit too, so that two models can be paired.

    A unit is what intervals are drawn over: a subject, or a week or an event of one, whose name then stands more than
    once. Two models have the same units.
    """

    metrics: Mapping[str, Interval]
    subjects: Sequence[str]  # whose unit it is
    per_subject: Mapping[str, np.ndarray]  # metric -> float64 (len(subjects),)
    slices: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)


@dataclass
class TrainingRun:
    """What training needs and nothing of Dagster."""

    folder: Path  # checkpoints; named by data version and config, so that a retry resumes
    shared: Path | None = (
        None  # of fits that several candidates ask for, each in a folder named by its content
    )
    device: str = "cpu"  # auto, cpu, cuda or cuda:1
    precision: str = "auto"  # of what is trained: auto, 32, bf16 or fp16; closed forms choose their own
    strategy: Literal["none", "ddp", "fsdp"] = "none"  # how several processes train one model
    processes: int = 1
    time_budget_s: float = 3600.0
    preset: Literal["quick", "full"] = "quick"
    seed: int = 0
    text_encoder: str = ""  # the name of what makes vectors of text; empty: the one in the package
    models: Mapping[str, str] = field(
        default_factory=dict
    )  # models of others, by task: a folder or a name on a hub
    incumbent: Callable[[], Any] = lambda: None  # the champion of the task, loaded; None where there is none
    log_metric: Callable[[str, float, int], None] = lambda name, value, step: None
    progress: Callable[[str], None] = lambda message: None
    cancelled: Callable[[], bool] = lambda: False


class Candidate(Protocol):
    """One way to solve the family's tasks.

    One that has an attribute ``needs`` takes part only where ``TrainingRun.models`` has a model of that name.
    """

    name: str
    is_baseline: bool
    compute: Compute

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """The configurations that tuning tries, the default first."""

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> Any:
        """Fit on ``splits.part("train")`` and return the model."""


def model_name(family: ModelFamily, task: Task) -> str:
    """As the registry has it: ``behavior.next_place``; of a family that learns one thing just ``recommender``."""
    return family.name if len(family.tasks) == 1 else f"{family.name}.{task.name}"


def report(model: Any) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """What a fitted model says of its fit, as tables by name: the selection of features, a reduction.

    A model may have an attribute ``report``; the family's ``model`` asset shows it. Rows hold names of features and
    figures over many rows, never a word, a title or an id of somebody's data.
    """
    return getattr(model, "report", {})


def history(model: Any) -> Sequence[Mapping[str, float]]:
    """How a fitted model was trained, as rows of figures by step: loss, learning rate, throughput, memory, score.

    A model may have an attribute ``history`` (the trainer's ``Outcome.history``); the family's ``tuning`` and ``model``
    assets draw it. A closed form has none.
    """
    return getattr(model, "history", ())


@dataclass(frozen=True)
class Reason:
    """One thing of the subject's own that pulled an answer in, and how much."""

    because: str
    weight: float


@dataclass(frozen=True)
class Said:
    """One statement about a subject: in words, with its figure, and what it rests on."""

    task: str
    what: str
    value: float | None = None
    low: float | None = None  # of a 90 % interval
    high: float | None = None
    because: Sequence[Reason] = ()
    sources: Sequence[str] = ()
    events: int = 0


@dataclass(frozen=True)
class Answer:
    """What a family says of one subject; ``note``: learning mode, and what else a reader must know."""

    said: Sequence[Said]
    note: str = ""


class ModelFamily(Protocol):
    """See the module docstring. All tables are ``pyarrow.Table``, keyed by asset key."""

    name: str
    purpose: str  # the consent it needs
    serves: str  # what it is for, as a sentence of its card
    limits: str  # what it does not do, likewise
    inputs: Sequence[str]  # asset keys of the tables it reads; the first is the one it learns from
    insights: Mapping[str, str]  # asset keys of the tables that it tells, and what each is
    tasks: Sequence[Task]
    uses_models: bool  # of others: an encoder of texts, or what the settings name under ``models``

    def split(self, task: Task, tables: Mapping[str, pa.Table]) -> Splits:
        """By time or by order, never at random over the future. The first two columns order the rows."""

    def size(self, task: Task, splits: Splits) -> Mapping[str, int]:
        """The counts that ``Task.minimum`` speaks of."""

    def leakage(self, task: Task, splits: Splits) -> Mapping[str, int]:
        """Rows that break the split, by the name of the rule; all zero when it holds."""

    def evaluate(self, task: Task, model: Any, splits: Splits, part: Part) -> Evaluation:
        """Metrics with intervals on ``part``; what came before ``part`` may be used as the query."""

    def pictures(self, task: Task, model: Any, splits: Splits) -> Mapping[str, Picture]:
        """What a person wants to see of a chosen model on the test part, beside its metrics."""

    def tell(self, models: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> Mapping[str, pa.Table]:
        """What the champions, by task, say of all subjects: a table for each of ``insights``."""

    def save(self, task: Task, model: Any, folder: Path) -> None:
        """Write the model as safetensors and JSON."""

    def load(self, task: Task, folder: Path) -> Any:
        """Read it back, verified before anything is parsed."""


class AnsweringFamily(ModelFamily, Protocol):
    """A family that says in words what it thinks of a subject (``forge predict``)."""

    def answer(self, models: Mapping[str, Any], tables: Mapping[str, pa.Table], **asked: Any) -> Answer:
        """What the champions, by task, say of the one subject whose tables these are."""
