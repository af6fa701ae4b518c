"""What a retentive network remembers of a sequence: it can be kept, saved as bytes, and continued elsewhere.

The bytes are a fixed header and raw float32: nothing in them is executed, and every length is checked before
anything is read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from forge_core.errors import ForgeError

if TYPE_CHECKING:
    from forge_models.engine.config import EngineConfig

MAGIC, VERSION = b"FORGERET", 1
# magic, version, layers, sequences, heads, key and value dimensions, checksum of what follows
HEADER = struct.Struct("<8sIIIIIII")
LARGEST = 1 << 31  # bytes; more than any engine that fits a machine
BROKEN = "FORGE-ENGINE-STATE"


@dataclass(frozen=True)
class State:
    """``layers``: per layer (B, H, dk, dv) float32. ``positions``: (B,) int64, tokens seen so far by each sequence."""

    layers: tuple[Tensor, ...]
    positions: Tensor

    @property
    def batch(self) -> int:
        return int(self.positions.shape[0])

    def index(self, rows: Sequence[int] | Tensor) -> State:
        """The states of some sequences, in that order."""
        chosen = torch.as_tensor(rows, dtype=torch.long, device=self.positions.device)
        return State(tuple(layer[chosen] for layer in self.layers), self.positions[chosen])

    @staticmethod
    def join(states: Sequence[State]) -> State:
        """Several states as one batch."""
        layers = zip(*(state.layers for state in states), strict=True)
        return State(
            tuple(torch.cat(parts) for parts in layers), torch.cat([state.positions for state in states])
        )

    def detach(self) -> State:
        """The same numbers, through which no gradient flows."""
        return State(tuple(layer.detach() for layer in self.layers), self.positions)

    def to(self, device: Any) -> State:
        return State(tuple(layer.to(device) for layer in self.layers), self.positions.to(device))

    def to_bytes(self) -> bytes:
        """All sequences: header, positions (int64), then layer by layer in float32, little-endian."""
        layers = [layer.detach().float().cpu().numpy().astype("<f4", copy=False) for layer in self.layers]
        body = self.positions.cpu().numpy().astype("<i8", copy=False).tobytes()
        body += b"".join(layer.tobytes() for layer in layers)
        shape = (len(layers), *layers[0].shape)
        return HEADER.pack(MAGIC, VERSION, *shape, zlib.crc32(body)) + body

    @classmethod
    def from_bytes(cls, data: bytes, config: EngineConfig | None = None) -> State:
        """What ``to_bytes`` gave. ForgeError (FORGE-ENGINE-STATE) for anything else, and for another engine's state."""
        if len(data) < HEADER.size:
            raise _broken("It is shorter than a header.")
        magic, version, layers, batch, heads, keys, values, checksum = HEADER.unpack_from(data)
        if magic != MAGIC or version != VERSION:
            raise _broken("It was not written by this version of the engine.")
        each = batch * heads * keys * values
        if not 0 < 4 * layers * each <= LARGEST or len(data) != HEADER.size + 8 * batch + 4 * layers * each:
            raise _broken("Its length is not what its header says.")
        if config and (layers, heads, keys, values) != (
            config.num_layers,
            config.num_heads,
            config.key_dim,
            config.value_dim,
        ):
            raise _broken("It belongs to an engine of another shape.")
        if zlib.crc32(memoryview(data)[HEADER.size :]) != checksum:
            raise _broken("Its checksum does not match.")
        positions = np.frombuffer(data, "<i8", batch, HEADER.size).astype(np.int64)
        numbers = np.frombuffer(data, "<f4", layers * each, HEADER.size + 8 * batch).astype(np.float32)
        if (positions < 0).any() or not np.isfinite(numbers).all():
            raise _broken("It holds numbers that no engine writes.")
        memory = torch.from_numpy(numbers.reshape(layers, batch, heads, keys, values))
        return cls(tuple(memory.unbind(0)), torch.from_numpy(positions))


def _broken(why: str) -> ForgeError:
    return ForgeError(
        BROKEN,
        "A saved state of a sequence cannot be used.",
        why,
        "Delete it: it is computed anew from the sequence's history.",
    )
