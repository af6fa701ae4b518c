"""The recommender: what a subject may want next, and which of the subject's own items say so.

Importing this is light; numpy, scipy and pyarrow are imported when a method is called.
"""

from forge_models.recommender.description import NEXT_ITEMS, RECOMMENDER, Recommender
from forge_models.recommender.messages import Prediction, Recommendation, Request

__all__ = ["NEXT_ITEMS", "RECOMMENDER", "Prediction", "Recommendation", "Recommender", "Request"]
