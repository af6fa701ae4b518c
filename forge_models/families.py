"""The model families, by name. A sixth is one folder beside this file and one line here."""

from __future__ import annotations

from collections.abc import Sequence

from forge_core.errors import UsageError
from forge_models.anomaly import ANOMALY
from forge_models.behavior import BEHAVIOR
from forge_models.family import ModelFamily
from forge_models.nlp import NLP
from forge_models.profile import PROFILE
from forge_models.recommender import RECOMMENDER

FAMILIES: Sequence[ModelFamily] = (RECOMMENDER, NLP, BEHAVIOR, ANOMALY, PROFILE)


def family(name: str) -> ModelFamily:
    """The family of that name; UsageError FORGE-FAMILY where there is none."""
    for one in FAMILIES:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in FAMILIES)
    raise UsageError("FORGE-FAMILY", "There is no such family.", "", f"Families: {known}.")
