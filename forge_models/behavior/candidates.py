"""Who competes in which task of behaviour. Light to import: what fits them comes with the first call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from forge_models.family import Compute, Splits, TrainingRun

if TYPE_CHECKING:
    from forge_models.behavior.series import Load
    from forge_models.behavior.timelines import Timeline

Step = Literal["hour", "day"]
HORIZON = {"hour": 24, "day": 7}
WEEK = {"hour": 168, "day": 7}
MICROS = {"hour": 3_600_000_000, "day": 86_400_000_000}


def _lines(splits: Splits) -> tuple[list[Timeline], list[str]]:
    """Training timelines, and their labels in order."""
    from forge_models.behavior.timelines import timelines

    rows = splits.part("train")
    vocabulary = sorted(set(rows["label"].to_pylist()))
    return timelines(rows, vocabulary), vocabulary


def _loads(splits: Splits, step: Step) -> list[Load]:
    from forge_models.behavior.series import from_rows

    return from_rows(splits.part("train"), MICROS[step])


class Counting:
    """Votes of one's own past, pooled with learned weights; returns and explorations told apart."""

    name = "counting"
    is_baseline = False
    compute: Compute = "cpu"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """``learn``: the weights, instead of those that hold before anything is learned; ``pull``: towards these, in
        events; ``moves``: what was believed before a move counts a tenth."""
        default = [{"learn": True, "pull": 3.0, "moves": True}]
        more = [{"learn": True, "pull": 30.0, "moves": True}, {"learn": False, "pull": 3.0, "moves": True}]
        return default if preset == "quick" else default + more

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> Any:
        from forge_models.behavior.counting import fit

        return fit(*_lines(splits), config)


class Markov:
    """A baseline of ``markov``: most frequent, Markov, or Markov within the part of the day, with back-off."""

    is_baseline = True
    compute: Compute = "cpu"

    def __init__(self, kind: Literal["most_frequent", "markov", "hour_markov"]) -> None:
        self.name: str = kind
        self.kind = kind

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """``backoff``: how many events the simpler distribution behind each counts as."""
        default = [{"backoff": 3.0}]
        return default if preset == "quick" else [*default, {"backoff": 1.0}, {"backoff": 10.0}]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> Any:
        from forge_models.behavior.markov import fit

        return fit(*_lines(splits), self.kind, config)


class Network:
    """The retentive engine over events, with a pointer to one's own past."""

    name = "network"
    is_baseline = False
    compute: Compute = "gpu"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """``dims`` 0: by the number of events."""
        return [{"dims": 0, "layers": 1, "dropout": 0.2, "learning_rate": 3e-3}]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> Any:
        from forge_models.behavior.network_model import fit

        return fit(*_lines(splits), config, run)


class Lags:
    """One robust ridge regression over the lags of all series, with conformal bands."""

    name = "lags"
    is_baseline = False
    compute: Compute = "cpu"

    def __init__(self, step: Step) -> None:
        self.step: Step = step

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """``weeks`` of lags; ``designs`` as the module of that name has them, joined by +; ``log``: of the values."""
        default = [{"weeks": 4, "designs": "seasonal", "penalty": 10.0, "log": False}]
        more = [
            {"weeks": 4, "designs": "seasonal", "penalty": 10.0, "log": True},
            {"weeks": 2, "designs": "seasonal+direct", "penalty": 100.0, "log": False},
        ]
        return default if preset == "quick" else default + more

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> Any:
        from forge_models.behavior.designs import Frame
        from forge_models.behavior.lags import fit

        lags = int(config["weeks"]) * WEEK[self.step]
        period = 24 if self.step == "hour" else 7
        frames = [
            Frame(lags, HORIZON[self.step], period, "mean", design, bool(config["log"]))
            for design in str(config["designs"]).split("+")
        ]
        return fit(_loads(splits, self.step), frames, config)


class Naive:
    """A baseline of ``naive``: last week again, or the mean of the last weeks."""

    is_baseline = True
    compute: Compute = "cpu"

    def __init__(self, kind: Literal["seasonal_naive", "seasonal_mean"], step: Step) -> None:
        self.name: str = kind
        self.kind = kind
        self.step: Step = step

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """``weeks`` that are averaged."""
        if self.kind == "seasonal_naive":
            return [{"weeks": 1}]
        return [{"weeks": 4}] if preset == "quick" else [{"weeks": 4}, {"weeks": 8}]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> Any:
        from forge_models.behavior.naive import fit

        return fit(_loads(splits, self.step), self.kind, WEEK[self.step], HORIZON[self.step], config)


class LoadNetwork:
    """The retentive engine over days."""

    name = "network"
    is_baseline = False
    compute: Compute = "gpu"

    def __init__(self, step: Step) -> None:
        self.step: Step = step

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        return [{"dims": 32, "layers": 1, "learning_rate": 3e-3}]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> Any:
        from forge_models.behavior.load_network import fit

        return fit(_loads(splits, self.step), HORIZON[self.step], config, run)
