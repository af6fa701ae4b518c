"""The model families. A sixth is one folder in forge_models and one line here."""

from collections.abc import Sequence

from dagster import AssetsDefinition

from forge_assets.families.factory import family_assets
from forge_models.families import FAMILIES


def all_family_assets() -> Sequence[AssetsDefinition]:
    return [asset for family in FAMILIES for asset in family_assets(family)]
