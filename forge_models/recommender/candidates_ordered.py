"""Candidates in closed form or by counting that read the order of events, iALS, and the blends of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from forge_models.family import Candidate, Compute, Splits, TrainingRun

if TYPE_CHECKING:
    from forge_models.recommender.blend import BlendModel
    from forge_models.recommender.ials import IalsModel
    from forge_models.recommender.ridge import RidgeModel
    from forge_models.recommender.transitions import TransitionsModel

# The ridge holds one float32 matrix of (2 x max_items) squared: 6,000 items are 576 MB and some 25 s on two cores.
MAX_ITEMS = 6_000


class Ridge:
    """Sequential ridge: the next item from a short and a long view of the history; one closed-form solve."""

    name = "ridge"
    is_baseline = False
    compute: Compute = "cpu_heavy"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """``taus`` and ``windows`` of the views, in events; ``lambda`` wants to be smaller for small cohorts."""
        views = {"taus": [1.0, 8.0], "windows": [4, 30]}
        longer = {"taus": [2.0, 16.0], "windows": [8, 60]}
        tries = [
            (views, 500.0),
            (views, 50.0),
            (views, 200.0),
            (longer, 500.0),
            (views, 1000.0),
            (longer, 50.0),
        ]
        found = [{**view, "lambda": value, "dropout": 0.25, "max_items": MAX_ITEMS} for view, value in tries]
        return found[:2] if preset == "quick" else found

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> RidgeModel:
        from forge_models.recommender.ridge import fit

        views = [float(tau) for tau in config["taus"]], [int(window) for window in config["windows"]]
        regularisation, dropout = float(config["lambda"]), float(config["dropout"])
        return fit(splits.part("train"), *views, regularisation, dropout, int(config["max_items"]), run)


class Transitions:
    """What came soon after what, counted; sparse, for catalogues of any size."""

    name = "transitions"
    is_baseline = False
    compute: Compute = "cpu"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """``backward``: how much "before" counts beside "after"; ``damping``: how much less popular items win."""
        default = {
            "window": 8,
            "tau": 5.0,
            "backward": 0.5,
            "damping": 0.3,
            "neighbours": 500,
            "query_window": 8,
            "query_tau": 5.0,
        }
        long = {**default, "window": 30, "tau": 8.0, "query_window": 30, "query_tau": 8.0}
        short = {**default, "window": 4, "tau": 1.0, "query_window": 4, "query_tau": 1.0}
        even = {**default, "backward": 1.0}
        tries = [default, long, short, {**default, "damping": 0.6}, even, {**short, "damping": 0.6}]
        return tries[:3] if preset == "quick" else tries

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> TransitionsModel:
        from forge_models.recommender.transitions import Counting, fit

        counting = Counting(
            int(config["window"]),
            float(config["tau"]),
            float(config["backward"]),
            float(config["damping"]),
            int(config["neighbours"]),
        )
        query = int(config["query_window"]), float(config["query_tau"])
        return fit(splits.part("train"), counting, *query, run)


class Ials:
    """iALS, implicit alternating least squares, solved exactly, regularised as by Rendle et al. (RecSys 2022)."""

    name = "ials"
    is_baseline = False
    compute: Compute = "cpu"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """``recency``: as of EASE, in answers alone. The emptier the matrix, the less should ``unobserved`` weigh."""
        default: dict[str, float] = {
            "dims": 64,
            "unobserved": 0.3,
            "regularisation": 0.007,
            "epochs": 10,
            "recency": 0.0,
        }
        thin, thinner = {"unobserved": 0.03}, {"unobserved": 0.003, "regularisation": 0.03}
        quick = [default, {**default, **thin}, {**default, **thinner}, {**default, "recency": 4.0}]
        more: list[dict[str, float]] = [
            {"dims": 128},
            {"unobserved": 0.1},
            {"dims": 128, **thinner},
            {"regularisation": 0.02},
        ]
        return quick if preset == "quick" else quick + [{**default, **change} for change in more]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> IalsModel:
        from forge_models.recommender.ials import Objective, fit

        objective = Objective(float(config["unobserved"]), float(config["regularisation"]))
        return fit(
            splits.part("train"),
            int(config["dims"]),
            objective,
            int(config["epochs"]),
            float(config["recency"]),
            run,
        )

    def variants(self, model: IalsModel) -> Sequence[IalsModel]:
        """The same factors, asked with more or less of the past: no fit of their own (``blend``)."""
        from forge_models.recommender.recency import variants

        return variants(model)


class Blend:
    """A learned blend of other candidates; what has no weight is left out."""

    is_baseline = False
    compute: Compute = "cpu_heavy"

    def __init__(self, name: str, members: Sequence[Candidate]) -> None:
        self.name = name
        self.members = members

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """``tries``: how many configurations of each member are tried, on rows held back from training ones.

        What trains for long is a member where time is given for it.
        """
        members = [member.name for member in self.members if preset == "full" or member.compute != "gpu"]
        return [{"members": members, "tries": tries} for tries in ((1,) if preset == "quick" else (1, 3))]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> BlendModel:
        from forge_models.recommender.blend import fit

        return fit(splits, [one for one in self.members if one.name in config["members"]], config, run)
