"""The factory: a family's description becomes its bundle of assets."""

from collections.abc import Sequence

from dagster import AssetsDefinition

from forge_assets.families import judging, learning
from forge_assets.families.bundle import Bundle
from forge_models.family import ModelFamily


def family_assets(family: ModelFamily) -> Sequence[AssetsDefinition]:
    """training_set → tuning → model → evaluation → card → champion, with their checks."""
    bundle = Bundle(family)
    return [
        learning.training_set(bundle),
        learning.tuning(bundle),
        learning.model(bundle),
        judging.evaluation(bundle),
        judging.card(bundle),
        judging.champion(bundle),
    ]
