"""A family of two tasks that counts: what the factory makes of any description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from forge_core import keys
from forge_core.evaluation.intervals import mean_intervals
from forge_models.family import Evaluation, Splits, Task, TrainingRun
from forge_models.pictures import Bars

TOTALS = "insights/totals"


@dataclass(frozen=True)
class Constant:
    """Says the same of everybody: the mean of what it learned from, times ``factor``."""

    name: str
    is_baseline: bool
    factor: float
    needs: str = ""
    compute = "cpu"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        return [{"shift": 0.0}, {"shift": 5.0}]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> float:
        count = splits.part("train")["count"].to_numpy()
        return float(count.mean()) * self.factor + config["shift"]


class Toy:
    """``counts`` is learned; ``strengths`` wants more rows than there are, unless ``plenty``."""

    name = "toy"
    purpose = "recommend"
    uses_models = False
    serves = "numbers."
    limits = "It knows nothing."
    inputs = (keys.INTERACTIONS, keys.ITEMS)
    insights = {TOTALS: "What is said in all."}  # noqa: RUF012

    def __init__(self, plenty: bool) -> None:
        candidates = [
            Constant("mean", False, 1.0),
            Constant("nothing", True, 0.0),
            Constant("given", False, 2.0, needs="sentiment"),
        ]
        least = 1 if plenty else 10**6
        self.tasks = (
            Task("counts", "error", False, {"rows": 1}, candidates),
            Task("strengths", "error", False, {"rows": least}, candidates),
        )

    def split(self, task: Task, tables: Mapping[str, pa.Table]) -> Splits:
        rows = tables[keys.INTERACTIONS].select(["subject", "item", "count", "source", "export"])
        part = pa.array(np.resize(["train", "train", "validation", "test"], rows.num_rows))
        return Splits(rows.append_column("split", part), {}, "by_turn")

    def size(self, task: Task, splits: Splits) -> dict[str, int]:
        return {"rows": splits.rows.num_rows}

    def leakage(self, task: Task, splits: Splits) -> dict[str, int]:
        return {"nothing": 0}

    def evaluate(self, task: Task, model: float, splits: Splits, part: Any) -> Evaluation:
        rows = splits.part(part)
        error = np.abs(rows["count"].to_numpy() - model)
        return Evaluation(mean_intervals({"error": error}), rows["subject"].to_pylist(), {"error": error})

    def pictures(self, task: Task, model: float, splits: Splits) -> dict[str, Bars]:
        return {"said": Bars("what it says", ["everybody"], np.array([model]))}

    def tell(self, models: Mapping[str, float], tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        return {TOTALS: pa.table({"task": list(models), "total": list(models.values())})}

    def save(self, task: Task, model: float, folder: Path) -> None:
        from forge_models import artifact

        artifact.write(folder, {"value": np.array([model])}, {"kind": task.name})

    def load(self, task: Task, folder: Path) -> float:
        from forge_models import artifact

        arrays, document = artifact.read(folder)
        assert document["kind"] == task.name
        return float(arrays["value"][0])
