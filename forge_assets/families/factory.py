"""The factory: a family's description becomes its bundle of assets."""

from collections.abc import Sequence

from dagster import AssetsDefinition

from forge_assets.families import evaluating, learning, preparing, promoting
from forge_assets.families.bundle import Bundle
from forge_models.family import ModelFamily


def family_assets(family: ModelFamily) -> Sequence[AssetsDefinition]:
    """training_set → tuning → model → evaluation → card → champion, with their checks."""
    bundle = Bundle(family)
    return [
        preparing.training_set(bundle),
        learning.tuning(bundle),
        learning.model(bundle),
        evaluating.evaluation(bundle),
        promoting.card(bundle),
        promoting.champion(bundle),
    ]
