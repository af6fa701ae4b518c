"""Checkpoints of one training: whole or not there, the two newest kept, read back without running code."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from forge_models.trainer.config import TrainerConfig
from forge_models.trainer.plan import Plan

FORMAT = 1
KEPT = 2
# what torch says of a file that is cut short or is none of its own
DAMAGED = (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile)


class Checkpoints:
    """Files ``step-<number>.ckpt`` in a folder that the caller names by data version and configuration.

    ``identity`` is of the configuration and the model: a checkpoint of another one is not resumed.
    """

    def __init__(self, folder: Path, identity: str, say: Callable[[str], None]) -> None:
        self.folder, self.identity, self._say = Path(folder), identity, say

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Write the state after ``step`` steps; older ones go once it is safely there."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"step-{step:09d}.ckpt"
        fresh = path.with_suffix(f".{os.getpid()}.new")
        try:
            with open(fresh, "wb") as file:
                torch.save({"format": FORMAT, "identity": self.identity, "step": step, **state}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
        for old in [p for p in self._newest_first() if p != path][KEPT - 1 :]:
            old.unlink(missing_ok=True)
        for left in self.folder.glob("*.new"):  # of a process that was killed while it wrote
            left.unlink(missing_ok=True)

    def newest(self) -> dict[str, Any] | None:
        """The newest readable checkpoint of this very training, or None."""
        for path in self._newest_first():
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
            except DAMAGED:
                self._say(f"{path.name} is damaged: looking for the checkpoint before it")
                continue
            if not isinstance(state, dict) or state.get("format") != FORMAT:
                self._say(f"{path.name} is of another format and is passed over")
            elif state["identity"] != self.identity:
                self._say(f"{path.name} is of another configuration or model and is passed over")
            else:
                return state
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.ckpt"), reverse=True)


def identity(module: torch.nn.Module, config: TrainerConfig, plan: Plan, examples: int, seed: int) -> str:
    """What must be the same for a checkpoint to be resumed: all that the result depends on but the data itself."""
    shapes = [(name, list(p.shape), p.requires_grad) for name, p in module.named_parameters()]
    told = [
        shapes, examples, seed, plan.effective, config.max_steps, config.learning_rate, config.weight_decay,
        config.warmup_steps, config.schedule, config.clip, config.evaluate_every, config.patience,
        config.higher_is_better, plan.strategy == "fsdp",
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
