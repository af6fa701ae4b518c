"""Drift of feature columns between a reference and a current window: how far, not how surely.

A p-value alarms on any shift once n is large, so none is used. The distances are Evidently's:
``wasserstein`` (first Wasserstein distance over the reference's standard deviation) for numbers and
``jensenshannon`` (distance, natural logarithm) for categories. Both are above zero for two samples of one
thing when n is small or categories are many. So a distance that reaches the threshold is compared
with what chance gives: the pooled rows are divided anew many times, and

    excess = sqrt(max(0, effect^2 - mean of chance^2))

must reach the threshold too, and the effect must lie above 99 % of chance. This only takes alarms back. With
100 rows a side a shift of 0.3 standard deviations is found half of the time, with 1,000 nearly always.
Thresholds: a shift of 0.3 standard deviations must alarm, so 0.2; a Jensen-Shannon distance of 0.1 is
Evidently's own. Rows are sampled down to ``SAMPLE``, where the error of the distance is 0.01.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

MINIMUM = 100  # rows on each side; below it chance alone reaches any useful threshold
SAMPLE = 20_000
DIVISIONS = 100
NUMERIC, CATEGORICAL, MISSING = "wasserstein", "jensenshannon", "missing share"
THRESHOLDS = {NUMERIC: 0.2, CATEGORICAL: 0.1, MISSING: 0.2}

Verdict = Literal["alarm", "steady", "too few"]


@dataclass(frozen=True)
class ColumnDrift:
    """How far one column moved. ``chance`` is the mean effect of chance where it was worked out, else 0."""

    name: str
    method: str
    effect: float
    chance: float
    threshold: float
    n_reference: int
    n_current: int
    verdict: Verdict

    @property
    def alarm(self) -> bool:
        return self.verdict == "alarm"

    @property
    def too_few(self) -> bool:
        return self.verdict == "too few"

    @property
    def words(self) -> str:
        rows = f"n = {self.n_reference} and {self.n_current}"
        if self.too_few:
            return f"too few rows ({rows})"
        by_chance = f", {self.chance:.3f} by chance" if self.chance else ""
        bounds = f"alarm from {self.threshold}{by_chance}"
        return f"{self.verdict}: {self.method} {self.effect:.3f} ({bounds}; {rows})"


@dataclass(frozen=True)
class DriftReport:
    """All columns that could be compared, in the order of the table."""

    columns: Sequence[ColumnDrift]

    @property
    def alarms(self) -> list[str]:
        return [column.name for column in self.columns if column.alarm]

    @property
    def words(self) -> str:
        compared = sum(not column.too_few for column in self.columns)
        if not compared:
            return "Too few rows to compare."
        return f"{len(self.alarms)} of {compared} columns drifted."


def drift(
    reference: pa.Table,
    current: pa.Table,
    columns: Sequence[str] | None = None,
    minimum: int = MINIMUM,
    seed: int = 0,
) -> DriftReport:
    """One ``ColumnDrift`` per column; by default all columns of numbers, strings and booleans that both have.

    A column that is null in part is compared on its other rows; when the share of nulls itself moved by more
    than its threshold, that is the finding.
    """
    kinds = {
        name: kind for name in columns or reference.column_names if (kind := _kind(reference, current, name))
    }
    before = _frame(reference, kinds, seed)
    after = _frame(current, kinds, seed + 1)
    enough = {name for name in kinds if min(before[name].count(), after[name].count()) >= minimum}
    effects = _evidently(before, after, {name: kind for name, kind in kinds.items() if name in enough})
    found = []
    for name, kind in kinds.items():
        sizes = int(before[name].count()), int(after[name].count())
        gone = abs(float(before[name].isna().mean()) - float(after[name].isna().mean()))
        if min(len(before), len(after)) >= minimum and gone >= THRESHOLDS[MISSING]:
            found.append(ColumnDrift(name, MISSING, gone, 0.0, THRESHOLDS[MISSING], *sizes, "alarm"))
        elif name not in enough:
            found.append(ColumnDrift(name, kind, float("nan"), 0.0, THRESHOLDS[kind], *sizes, "too few"))
        else:
            found.append(_judge(name, kind, effects[name], before[name], after[name], seed))
    return DriftReport(tuple(found))


def _judge(
    name: str, kind: str, effect: float, before: pd.Series, after: pd.Series, seed: int
) -> ColumnDrift:
    import numpy as np

    threshold = THRESHOLDS[kind]
    sizes = int(before.count()), int(after.count())
    if effect < threshold:
        return ColumnDrift(name, kind, effect, 0.0, threshold, *sizes, "steady")
    by_chance = _chance(kind, before.dropna(), after.dropna(), seed)
    chance = float(by_chance.mean())
    excess = float(np.sqrt(max(0.0, effect**2 - chance**2)))
    alarm = excess >= threshold and effect > float(np.quantile(by_chance, 0.99))
    return ColumnDrift(name, kind, effect, chance, threshold, *sizes, "alarm" if alarm else "steady")


def _chance(kind: str, before: pd.Series, after: pd.Series, seed: int) -> np.ndarray:
    """(DIVISIONS,) the same distance between random divisions of the pooled rows."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    distance: Callable[[np.ndarray, np.ndarray], float]
    if kind == NUMERIC:
        from scipy.stats import wasserstein_distance

        pooled = np.concatenate([before.to_numpy(float), after.to_numpy(float)])
        scale = max(float(np.std(before)), 0.001)  # Evidently's floor for a constant reference

        def distance(left: np.ndarray, right: np.ndarray) -> float:
            return float(wasserstein_distance(left, right)) / scale
    else:
        from scipy.spatial.distance import jensenshannon

        pooled, names = pd.factorize(pd.concat([before, after]))

        def distance(left: np.ndarray, right: np.ndarray) -> float:
            sides = (np.bincount(side, minlength=len(names)) for side in (left, right))
            return float(jensenshannon(*sides))

    found = np.empty(DIVISIONS)
    for number in range(DIVISIONS):
        mixed = rng.permutation(pooled)
        found[number] = distance(mixed[: len(before)], mixed[len(before) :])
    return found


def _evidently(before: pd.DataFrame, after: pd.DataFrame, kinds: dict[str, str]) -> dict[str, float]:
    """Evidently's distance for each column, in one report."""
    if not kinds:
        return {}
    os.environ.setdefault("DO_NOT_TRACK", "1")  # Evidently's own switch; its telemetry stays off
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(
        numerical_columns=[name for name, kind in kinds.items() if kind == NUMERIC],
        categorical_columns=[name for name, kind in kinds.items() if kind == CATEGORICAL],
    )
    report = Report(
        [ValueDrift(column=name, method=kind, threshold=THRESHOLDS[kind]) for name, kind in kinds.items()]
    )
    names = list(kinds)
    result = report.run(
        Dataset.from_pandas(after[names], definition), Dataset.from_pandas(before[names], definition)
    ).dict()
    return {metric["config"]["column"]: float(metric["value"]) for metric in result["metrics"]}


def _kind(reference: pa.Table, current: pa.Table, name: str) -> str:
    """The method for this column; empty where it cannot be compared."""
    import pyarrow.types as pt

    if name not in reference.column_names or name not in current.column_names:
        return ""
    kind = reference.schema.field(name).type
    if pt.is_integer(kind) or pt.is_floating(kind):
        return NUMERIC
    return CATEGORICAL if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_boolean(kind) else ""


def _frame(table: pa.Table, kinds: dict[str, str], seed: int) -> pd.DataFrame:
    """At most ``SAMPLE`` rows, drawn with ``seed``; infinite values count as missing."""
    import numpy as np
    import pandas as pd

    if table.num_rows > SAMPLE:
        drawn = np.sort(np.random.default_rng(seed).choice(table.num_rows, SAMPLE, replace=False))
        table = table.take(drawn)
    columns = {}
    for name, kind in kinds.items():
        values = pd.Series(table[name].to_pylist(), dtype=object)
        if kind == NUMERIC:
            columns[name] = pd.to_numeric(values).astype(float).replace([np.inf, -np.inf], np.nan)
        else:
            columns[name] = values.map(str, na_action="ignore")
    return pd.DataFrame(columns)
