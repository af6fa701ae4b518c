"""The profile family: what a person's own data says of their interests, routines and contacts, and how sure that is.

Importing this is light; numpy, pyarrow and torch are imported when a method is called.
"""

from forge_models.profile.description import PROFILE, Profile

__all__ = ["PROFILE", "Profile"]
