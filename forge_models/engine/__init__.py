"""The engine: one retentive network (RetNet) for all sequences of a life, with three forms of one computation.

``config`` is light to import; everything else needs torch and is imported where it is used:

* ``backbone``: the network; trains in parallel or by chunks, answers in constant time per event from a ``State``;
* ``retention``: the three forms; ``rotation``: positions; ``experts``: mixture-of-experts feed-forward;
* ``losses`` by name; ``lora``; ``inference``: int8 and compiled steps, where they measure faster.
"""

from __future__ import annotations

from forge_models.engine.config import EngineConfig

__all__ = ["EngineConfig"]
