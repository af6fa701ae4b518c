"""Behaviour: where a subject goes next, what comes next, and how much the coming hours and days hold.

Importing this is light; numpy, scipy, pyarrow and torch are imported when a method is called.
"""

from forge_models.behavior.description import BEHAVIOR, Behavior

__all__ = ["BEHAVIOR", "Behavior"]
