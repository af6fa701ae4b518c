"""A model's weights as arrays over the file itself: what is not touched is not read, and processes share what is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from forge_core.errors import UsageError

FLOATS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def mapped(path: Path) -> dict[str, np.ndarray]:
    """The floating-point tensors of a safetensors file, without the prefix ``bert.`` that some carry.

    float32 tensors are views of the file, read-only; half ones become float32. Raises UsageError for a broken file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np"):  # checks the header: every tensor within the file, no overlap
            pass
        data = np.memmap(path, np.uint8, "r")
        length = int.from_bytes(data[:8].tobytes(), "little")
        header = json.loads(data[8 : 8 + length].tobytes())
    except (SafetensorError, OSError, ValueError) as error:
        raise UsageError(
            "FORGE-ENCODER-WEIGHTS",
            "The text encoder's model.safetensors is broken.",
            fix="Fetch the model again.",
        ) from error
    found: dict[str, np.ndarray] = {}
    for name, tensor in header.items():
        if name == "__metadata__" or tensor["dtype"] not in FLOATS:
            continue
        start, end = tensor["data_offsets"]
        raw = np.asarray(data[8 + length + start : 8 + length + end])
        array = raw.view(FLOATS[tensor["dtype"]]).reshape(tensor["shape"])
        if tensor["dtype"] == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32).reshape(tensor["shape"])
        found[name.removeprefix("bert.")] = array if array.dtype == np.float32 else array.astype(np.float32)
    return found
