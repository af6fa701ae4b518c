"""Feature tables, declared: what each column means, how rows are made, what is served. No code runs here.

``contract.py`` says what a declaration is; the other modules hold one subject each.
"""

from forge_core.features import activity, movement, security, taste, texts
from forge_core.features.contract import Column, FeatureTable, Unit

__all__ = ["BY_ASSET", "TABLES", "Column", "FeatureTable", "Unit"]

TABLES: tuple[FeatureTable, ...] = (
    *taste.TABLES,
    *activity.TABLES,
    *movement.TABLES,
    *security.TABLES,
    *texts.TABLES,
)
BY_ASSET = {table.asset: table for table in TABLES}
