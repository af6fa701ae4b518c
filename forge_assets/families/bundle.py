"""What the six assets of one family share: their keys, their tables, how they read consented rows and splits.

A family learns one task or several. Each task has a lane of its own through the six assets: a training table, its
candidates, an artifact, a name in the registry and so a champion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from forge_assets.compute import RETRIES
from forge_assets.outcome import Provenance, digest, key
from forge_assets.outcome import keys as as_keys
from forge_core import keys
from forge_models.family import Candidate, ModelFamily, Splits, Task, TrainingRun, model_name
from forge_resources.family_tables import personal
from forge_resources.settings import load_settings
from forge_resources.stores import Stores

VERSION = "4"


@dataclass(frozen=True)
class Lane:
    """One task of a family on its way through the assets."""

    family: ModelFamily
    task: Task

    @property
    def sole(self) -> bool:
        """The only one of its family: then nothing is named after it."""
        return len(self.family.tasks) == 1

    @property
    def name(self) -> str:
        """As the registry has it: ``recommender``, ``behavior.next_place``."""
        return model_name(self.family, self.task)

    @property
    def training_table(self) -> str:
        table = keys.table(keys.family(self.family.name, "training_set"))
        return table if self.sole else f"{table}_{self.task.name}"

    def labelled(self, name: str) -> str:
        """``name``, with the task before it where there are several."""
        return name if self.sole else f"{self.task.name}_{name}"

    def write(self, stores: Stores, splits: Splits) -> None:
        stores.database.write(self.training_table, splits.rows)
        with stores.database.transaction() as connection:
            connection.execute(f"comment on table {self.training_table} is '{splits.strategy}'")

    def drop(self, stores: Stores) -> None:
        """Rows of a time when there was enough to learn."""
        with stores.database.transaction() as connection:
            connection.execute(f"drop table if exists {self.training_table}")

    def strategy(self, stores: Stores) -> str:
        """How the training rows are split."""
        return str(stores.database.value("select obj_description(to_regclass(%s))", (self.training_table,)))

    def candidates(self, stores: Stores) -> Sequence[Candidate]:
        """Who competes here: all but those that need a model which the settings do not name."""
        named = ("", *stores.settings.models)
        return [one for one in self.task.candidates if getattr(one, "needs", "") in named]

    def incumbent(self, stores: Stores) -> Any:
        """The model in service, None where there is none."""
        found = stores.registry.champion(self.name)
        return None if found is None else self.load(found[1])

    def splits(self, stores: Stores) -> Splits:
        """The training set as it was written, with the side tables that nobody is behind."""
        rows = stores.database.read(f"select * from {self.training_table} order by 1, 2")
        side = {
            k: stores.database.table(keys.table(k)) for k in self.family.inputs if not personal(stores, k)
        }
        return Splits(rows, side, self.strategy(stores))

    def artifact(self, stores: Stores, generation: str, candidate: str) -> Path:
        """The folder of one trained candidate."""
        folder = stores.settings.home / "models" / self.family.name / generation
        return folder / candidate if self.sole else folder / self.task.name / candidate

    def load(self, folder: Path) -> Any:
        return self.family.load(self.task, folder)


@dataclass(frozen=True)
class Bundle:
    """A family seen from its assets."""

    family: ModelFamily

    def key(self, stage: str) -> str:
        return keys.family(self.family.name, stage)

    def table(self, stage: str) -> str:
        return keys.table(self.key(stage))

    @property
    def consent(self) -> str:
        return keys.consent(self.family.purpose)

    @cached_property
    def lanes(self) -> Sequence[Lane]:
        return [Lane(self.family, task) for task in self.family.tasks]

    def ready(self, stores: Stores) -> Sequence[Lane]:
        """The lanes that have data enough: the others are in learning mode."""
        return [lane for lane in self.lanes if stores.database.exists(lane.training_table)]

    @cached_property
    def version(self) -> str:
        """The version of the assets' code; of a family that uses models of others, theirs too."""
        if not self.family.uses_models:
            return VERSION
        from forge_models.encoder import finding

        settings = load_settings()
        named = [finding.label(settings.text_encoder), *sorted(map(":".join, settings.models.items()))]
        return f"{VERSION} {digest(named)}"

    def declared(self, stage: str, depends_on: list[str]) -> dict[str, Any]:
        """What the decorators of all six assets have in common."""
        return {
            "key": key(self.key(stage)),
            "deps": as_keys(depends_on),
            "group_name": self.family.name,
            "code_version": self.version,
            "tags": {"layer": "families"},
            "retry_policy": RETRIES,
        }

    def provenance(self, stores: Stores, stage: str, depends_on: list[str], run_id: str) -> Provenance:
        return Provenance.now(stores, self.key(stage), self.version, depends_on, run_id)

    def training_run(
        self,
        stores: Stores,
        data_version: str,
        lane: Lane,
        candidate: Candidate,
        config: Mapping[str, Any],
        **of_step: Any,
    ) -> TrainingRun:
        """Everything training needs; the folder is named by data version and config, so that a retry resumes.

        ``of_step``: what the step of Dagster adds, see ``training.Training``.
        """
        settings = stores.settings
        named = digest(lane.task.name, candidate.name, config)
        folder = settings.home / "checkpoints" / self.family.name
        of_step.setdefault("time_budget_s", settings.training_timeout_s)
        return TrainingRun(
            folder=folder / f"{data_version}-{named}",
            shared=folder / f"{data_version}-shared",
            preset=settings.preset,
            seed=settings.seed,
            device=settings.training_device,
            precision=settings.training_precision,
            strategy=settings.training_strategy,
            processes=settings.training_processes,
            text_encoder=settings.text_encoder,
            models=settings.models,
            incumbent=lambda: lane.incumbent(stores),
            **of_step,
        )
