"""The anomaly family: what is unusual in somebody's account events and days, how rare it is, and why.

Importing this is light; numpy, torch and the rest are imported when a method is called.
"""

from forge_models.anomaly.description import ANOMALY, Anomaly

__all__ = ["ANOMALY", "Anomaly"]
