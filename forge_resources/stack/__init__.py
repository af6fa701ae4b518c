"""The embedded servers: PostgreSQL with pgvector, Redis, and the Dagster processes beside them. No Dagster
import.
"""

from __future__ import annotations

from forge_resources.stack.stack import Stack

__all__ = ["Stack"]
