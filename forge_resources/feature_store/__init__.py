"""The feature store: one set of declarations, joined in the past for training, read online for serving.

``definitions.py`` makes Feast's objects of the declared tables, ``repository.py`` keeps them in Feast's registry and
joins them in the past, ``layout.py`` writes values as Feast's Redis store does, ``materializing.py`` fills Redis and
``reading.py`` reads it; ``skew.py`` compares the two ends. Only ``repository.py`` and ``definitions.py`` import Feast,
when called: that takes seconds.
"""

from forge_resources.feature_store.materializing import Pushed
from forge_resources.feature_store.skew import Skew
from forge_resources.feature_store.store import FeatureStore

__all__ = ["FeatureStore", "Pushed", "Skew"]
