"""Who competes in each task of the profile. Light to import: what fits them comes with the first call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forge_models.family import Compute, Splits, TrainingRun

if TYPE_CHECKING:
    from forge_models.profile.models import ProfileModel


@dataclass
class Foretell:
    """One way to say how likely a thing is to come again; ``tries``: the default first, ``more`` with preset full."""

    task: str
    name: str
    tries: Sequence[Mapping[str, Any]] = ({},)
    more: Sequence[Mapping[str, Any]] = ()
    is_baseline: bool = False
    compute: Compute = "cpu"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        return list(self.tries) if preset == "quick" else [*self.tries, *self.more]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> ProfileModel:
        from forge_models.profile import fitting

        return fitting.fit(self.task, self.name, splits, config, run)


def candidates(task: str) -> Sequence[Foretell]:
    return (
        Foretell(task, "counting", ({"penalty": 10.0},), ({"penalty": 100.0},)),
        Foretell(task, "decayed"),
        Foretell(
            task,
            "network",
            ({"dims": 32, "layers": 1, "learning_rate": 3e-3},),
            ({"dims": 64, "layers": 2, "learning_rate": 2e-3},),
            compute="gpu",
        ),
        Foretell(task, "frequency", is_baseline=True),
        Foretell(task, "last_week", is_baseline=True),
    )
