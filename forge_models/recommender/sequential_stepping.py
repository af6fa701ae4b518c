"""Steps of a person's state: by torch at first, by the engine's compiled step once a process has many to make.

A command that tells one event would wait seconds for the compiled step to be loaded, and a service that tells
thousands gets each in a fifth of the time. So it is prepared beside the work, in a thread, after ``MANY`` steps; where
it cannot be, torch goes on. Both are in float32 and agree to rounding.
"""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from forge_models.engine.backbone import Backbone
from forge_models.engine.inference import Decoder
from forge_models.engine.state import State

MANY = 32  # steps in one process


class Stepper:
    """Makes steps of one backbone, for one sequence at a time; safe to be used by several threads."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._taken = 0
        self._lock = threading.Lock()
        self._fast: Decoder | None = None
        self.failed = ""  # why there is no compiled step
        self.preparing: threading.Thread | None = None

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(1, dims) and a state of one sequence to the output (1, dims) and the state after it; the old one stays."""
        with self._lock:
            self._taken += 1
            if self._taken == MANY:
                self.preparing = threading.Thread(target=self._prepare, name="compiled-step", daemon=True)
                self.preparing.start()
            if self._fast is not None:
                out = self._fast.step(x, state)
                return out, self._fast.state()
        return self._backbone.step(x, state)

    def _prepare(self) -> None:
        """Compile and try it once; a machine without a compiler keeps to torch."""
        from forge_models.engine import inference

        way = "compiled fp32"
        if way not in inference.ways(self._backbone, exact=True):
            return
        try:
            fast = inference.prepare(self._backbone, exact=True, way=way)
            fast.step(torch.zeros(1, self._backbone.config.embed_dim), self._backbone.initial_state(1))
        except (ImportError, RuntimeError, NotImplementedError, OSError) as error:
            self.failed = type(error).__name__
            return
        with self._lock:
            self._fast = fast
