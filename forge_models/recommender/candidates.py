"""The candidates of the recommender: EASE and content, and item-kNN and popularity as the baselines to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from forge_core import keys
from forge_models.family import Compute, Splits, TrainingRun

if TYPE_CHECKING:
    from forge_models.recommender.models import ContentModel, EaseModel, ItemKnnModel, PopularityModel
    from forge_models.recommender.sequential_model import SequentialModel

# EASE holds one float64 matrix of max_items squared: 8,000 items are 512 MB and some 10 s on two cores.
MAX_ITEMS = 8_000
# 400 is near the best on MovieLens; small cohorts want less, large ones more. Best guesses first.
LAMBDAS = (400.0, 100.0, 20.0, 1000.0, 50.0, 200.0, 2000.0)


class Ease:
    """EASE, the shallow linear autoencoder (Steck, WWW 2019); one closed-form solve."""

    name = "ease"
    is_baseline = False
    compute: Compute = "cpu_heavy"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """``recency``: see ``EaseModel``; 0 is EASE as published."""
        chosen = LAMBDAS[:4] if preset == "quick" else LAMBDAS
        tries = [(value, 0.0) for value in chosen] + [(value, 4.0) for value in chosen[:2]]
        return [{"lambda": value, "max_items": MAX_ITEMS, "recency": tau} for value, tau in tries]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> EaseModel:
        from forge_models.recommender.ease import fit

        recency = float(config.get("recency", 0.0))
        return fit(splits.part("train"), float(config["lambda"]), int(config["max_items"]), run, recency)

    def variants(self, model: EaseModel) -> Sequence[EaseModel]:
        """The same weights, asked with more or less of the past: no fit of their own (``blend``)."""
        from forge_models.recommender.recency import variants

        return variants(model)


class Content:
    """What is written of items, and popularity: it can rank an item that only one subject knows, or nobody."""

    name = "content"
    is_baseline = False
    compute: Compute = "cpu"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """``dims``: of the text's reduction; ``keep``: how many of the five features, at most."""
        default = [{"dims": 64, "keep": 5}]
        more = [{"dims": 16, "keep": 5}, {"dims": 200, "keep": 5}, {"dims": 64, "keep": 3}]
        return default if preset == "quick" else default + more

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> ContentModel:
        from forge_models.recommender.content import fit

        items = splits.side.get(keys.ITEMS)
        return fit(splits.part("train"), items, int(config["dims"]), int(config["keep"]), run)


class Sequential:
    """A retentive network over each subject's items in their order; it keeps a state of each person."""

    name = "sequential"
    is_baseline = False
    compute: Compute = "gpu"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        """One, since a fit may take an hour; ``dims`` 0: by the number of events."""
        return [{"dims": 0, "layers": 2, "dropout": 0.2, "epochs": 30, "learning_rate": 2e-3}]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> SequentialModel:
        from forge_models.recommender.sequential import fit

        return fit(splits.part("train"), splits.side.get(keys.ITEMS), config, run)


class ItemKnn:
    """Item-based nearest neighbours (Sarwar et al. 2001): shrunk cosine, the top neighbours of each item."""

    name = "item_knn"
    is_baseline = True
    compute: Compute = "cpu"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        default = [{"neighbours": 100, "shrinkage": 10.0}]
        more = [{"neighbours": 50, "shrinkage": 100.0}, {"neighbours": 200, "shrinkage": 10.0}]
        return default if preset == "quick" else default + more

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> ItemKnnModel:
        from forge_models.recommender.item_knn import fit

        return fit(splits.part("train"), int(config["neighbours"]), float(config["shrinkage"]), run)


class Popularity:
    """The items most subjects know; the same for everybody."""

    name = "popularity"
    is_baseline = True
    compute: Compute = "cpu"

    def configs(self, preset: str) -> Sequence[Mapping[str, Any]]:
        return [{}]

    def fit(self, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> PopularityModel:
        from forge_models.recommender.interactions import encode
        from forge_models.recommender.models import PopularityModel

        data = encode(splits.part("train"))
        return PopularityModel(data.items, data.subjects_per_item, len(data.subjects), {})
