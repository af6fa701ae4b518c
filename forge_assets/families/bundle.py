"""What the six assets of one family share: their keys, their tables, how they read consented rows and splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forge_assets.compute import RETRIES
from forge_assets.outcome import Provenance, digest, key
from forge_assets.outcome import keys as as_keys
from forge_core import keys
from forge_models.family import ModelFamily, Splits, TrainingRun
from forge_resources.consent import allowed
from forge_resources.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = "2"


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

    def declared(self, stage: str, depends_on: list[str]) -> dict[str, Any]:
        """What the decorators of all six assets have in common."""
        return {
            "key": key(self.key(stage)),
            "deps": as_keys(depends_on),
            "group_name": self.family.name,
            "code_version": VERSION,
            "tags": {"layer": "families"},
            "retry_policy": RETRIES,
        }

    def provenance(self, stores: Stores, stage: str, depends_on: list[str], run_id: str) -> Provenance:
        return Provenance.now(stores, self.key(stage), VERSION, depends_on, run_id)

    def consented_inputs(self, stores: Stores) -> dict[str, "pa.Table"]:
        """The family's input tables; personal ones with the rows that its purpose allows, in a fixed order."""
        tables = {}
        for asset_key in self.family.inputs:
            address = keys.table(asset_key)
            columns = [c for (c,) in stores.database.rows(_COLUMNS, tuple(address.split(".")))]
            personal = {"subject", "source"} <= set(columns)
            where = f" where {allowed('t.subject', 't.source', self.family.purpose)}" if personal else ""
            order = ", ".join(str(n + 1) for n in range(min(2, len(columns))))
            tables[asset_key] = stores.database.read(f"select t.* from {address} t{where} order by {order}")
        return tables

    def write_splits(self, stores: Stores, splits: Splits) -> None:
        stores.database.write(self.table("training_set"), splits.rows)
        with stores.database.transaction() as connection:
            connection.execute(f"comment on table {self.table('training_set')} is '{splits.strategy}'")

    def splits(self, stores: Stores) -> Splits:
        """The training set as it was written, with the side tables its inputs hold."""
        address = self.table("training_set")
        strategy = stores.database.value("select obj_description(to_regclass(%s))", (address,))
        rows = stores.database.read(f"select * from {address} order by 1, 2")
        side = {k: stores.database.table(keys.table(k)) for k in self.family.inputs[1:]}
        return Splits(rows, side, str(strategy))

    def training_run(
        self, stores: Stores, data_version: str, name: str, config: Mapping[str, Any], **of_step: Any
    ) -> TrainingRun:
        """Everything training needs; the folder is named by data version and config, so that a retry resumes.

        ``of_step``: what the step of Dagster adds, see ``training.Training``.
        """
        settings = stores.settings
        folder = settings.home / "checkpoints" / self.family.name / f"{data_version}-{digest(name, config)}"
        of_step.setdefault("time_budget_s", settings.training_timeout_s)
        return TrainingRun(
            folder=folder,
            preset=settings.preset,
            seed=settings.seed,
            device=settings.training_device,
            precision=settings.training_precision,
            strategy=settings.training_strategy,
            processes=settings.training_processes,
            **of_step,
        )

    def artifacts(self, stores: Stores, version: str) -> Path:
        """The folder of one generation of trained candidates."""
        return stores.settings.home / "models" / self.family.name / version


_COLUMNS = (
    "select column_name from information_schema.columns where table_schema = %s and table_name = %s"
    " order by ordinal_position"
)
