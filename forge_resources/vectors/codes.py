"""Vectors as PostgreSQL keeps them: half precision of length 1, and a short code of bits for the index.

The code writes each component as a thermometer: one bit for every threshold that it is above. The Hamming distance
of two codes is then the L1 distance of the vectors, each component rounded to one of a few levels; with the one
threshold zero it is pgvector's ``binary_quantize``. More thresholds tell near from nearer, and rerank fewer rows.
"""

from __future__ import annotations

import numpy as np

from forge_core.errors import ForgeError

UNIT = 2e-3  # rounding to half precision changes a length by less: such vectors are taken as they are
# thresholds in standard deviations of a component, which is 1/sqrt(d) for a vector of length 1
THRESHOLDS = (-0.65, 0.0, 0.65)


def normalised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``vectors`` (n, d) as float16 of length 1, and which of them have a direction (n,).

    A vector of zeros has none: it is kept as zeros and nothing is ever near it. What half precision gave before
    is given again bit for bit. NaN and infinity are refused (FORGE-VECTOR-VALUES).
    """
    wide = np.ascontiguousarray(vectors, dtype=np.float32)
    if wide.ndim != 2 or wide.shape[1] == 0:
        raise ForgeError(
            "FORGE-VECTOR-SHAPE", "Vectors have to be a table of numbers.", f"{vectors.ndim} axes."
        )
    length = np.sqrt(np.einsum("ij,ij->i", wide, wide, dtype=np.float64))
    if not np.isfinite(length).all():
        raise ForgeError(
            "FORGE-VECTOR-VALUES",
            "Some vectors hold NaN or infinity.",
            f"{int((~np.isfinite(length)).sum())} of {len(wide)}; nothing was written.",
            "The encoder that made them is at fault.",
        )
    directed = length > 1e-12
    change = directed & (np.abs(length - 1) > UNIT)
    if change.any():
        wide = wide.copy() if wide is vectors else wide
        wide[change] /= length[change, None].astype(np.float32)
    wide = np.where(directed[:, None], wide, 0) if not directed.all() else wide
    return wide.astype(np.float16), directed


def bits(dimensions: int) -> int:
    """How many bits a code of such vectors has."""
    return dimensions * len(THRESHOLDS)


def packed(vectors: np.ndarray) -> np.ndarray:
    """Codes of ``vectors`` (n, d) of length 1, packed eight bits to a byte: uint8 (n, bits/8 rounded up)."""
    scale = 1 / np.sqrt(vectors.shape[1])
    return np.packbits(np.concatenate([vectors > t * scale for t in THRESHOLDS], axis=1), axis=1)


def as_halfvec(vectors: np.ndarray) -> np.ndarray:
    """float16 (n, d) in pgvector's binary form, uint8 (n, 4 + 2d): dimensions, an unused word, big-endian halves."""
    n, d = vectors.shape
    made = np.empty((n, 4 + 2 * d), np.uint8)
    made[:, :4] = np.frombuffer(np.array([d, 0], ">i2").tobytes(), np.uint8)
    made[:, 4:] = vectors.astype(">f2").view(np.uint8).reshape(n, 2 * d)
    return made


def as_bits(codes: np.ndarray, length: int) -> np.ndarray:
    """Packed codes in PostgreSQL's binary form, uint8 (n, 4 + bytes): the number of bits, then the bits."""
    made = np.empty((len(codes), 4 + codes.shape[1]), np.uint8)
    made[:, :4] = np.frombuffer(np.array([length], ">i4").tobytes(), np.uint8)
    made[:, 4:] = codes
    return made


def from_halfvec(sent: bytes | memoryview, dimensions: int) -> np.ndarray:
    """Many values of :func:`as_halfvec`, one after another, as float16 (n, d)."""
    rows = np.frombuffer(sent, np.uint8).reshape(-1, 4 + 2 * dimensions)
    return np.ascontiguousarray(rows[:, 4:]).view(">f2").astype(np.float16)
