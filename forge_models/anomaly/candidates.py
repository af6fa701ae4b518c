"""The candidates of the anomaly family. Light: what they do is imported when they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forge_models.family import Compute, Splits, TrainingRun

if TYPE_CHECKING:
    from forge_models.anomaly.models import AnomalyModel


@dataclass
class Detect:
    """One kind of detector for one task; ``tries``: its configurations, the default first, ``more`` with preset
    full.
    """

    task: str
    name: str
    tries: Sequence[Mapping[str, Any]] = ({},)
    more: Sequence[Mapping[str, Any]] = ()
    is_baseline: bool = False
    compute: Compute = "cpu"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        return list(self.tries) if preset == "quick" else [*self.tries, *self.more]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> AnomalyModel:
        from forge_models.anomaly import fitting

        return fitting.fit(self.task, self.name, splits, config, run)


def _common(task: str) -> list[Detect]:
    return [
        Detect(task, "volume", is_baseline=True),  # how many, and nothing else
        # ECOD on the columns of the table, whoever it is: no baseline, for where people are few it may well serve
        Detect(task, "tails"),
        Detect(task, "rarity", ({"sum": "beyond"},), ({"sum": "all"},)),
        Detect(task, "neighbours", ({"draws": 50, "points": 64},), ({"draws": 50, "points": 256},)),
        Detect(task, "forest", ({"trees": 100},), ({"trees": 300},)),
        Detect(
            task,
            "autoencoder",
            ({"hidden": 32, "code": 4, "learning_rate": 3e-3},),
            ({"hidden": 64, "code": 8, "learning_rate": 3e-3},),
            compute="gpu",
        ),
    ]


ACCOUNT: Sequence[Detect] = (
    *_common("account"),
    Detect(
        "account",
        "sequence",
        ({"dims": 64, "layers": 2, "learning_rate": 2e-3},),
        ({"dims": 128, "layers": 3, "learning_rate": 1e-3},),
        compute="gpu",
    ),
)
ROUTINE: Sequence[Detect] = tuple(_common("routine"))
