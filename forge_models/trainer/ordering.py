"""Which examples a step sees: a function of the seed and the step, so that a resumed run sees the same."""

from __future__ import annotations

import hashlib

import numpy as np


class Order:
    """Shuffled passes over the examples, laid end to end and cut into steps of ``size``.

    Every step is full: the last of a pass is filled from the next one.
    """

    def __init__(self, examples: int, size: int, seed: int) -> None:
        self.examples, self.size, self.seed = examples, size, seed
        self._passes: dict[int, np.ndarray] = {}

    def indices(self, step: int) -> np.ndarray:
        """The numbers of the examples of ``step``, int64 (size,)."""
        first, last = step * self.size, (step + 1) * self.size
        parts = []
        for number in range(first // self.examples, (last - 1) // self.examples + 1):
            begin = number * self.examples
            parts.append(self._pass(number)[max(first - begin, 0) : last - begin])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _pass(self, number: int) -> np.ndarray:
        if number not in self._passes:
            generator = np.random.Generator(np.random.Philox(key=[self.seed, number]))
            kept = {n: p for n, p in self._passes.items() if n == number - 1}
            self._passes = {**kept, number: generator.permutation(self.examples)}
        return self._passes[number]


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of one step on one process, 32 bits: dropout and draws need no generator's state in a checkpoint."""
    mixed = hashlib.blake2b(f"{seed}/{step}/{rank}".encode(), digest_size=4)
    return int.from_bytes(mixed.digest(), "little")
