"""Failures that training survives: too little memory, a lost device, the range of float16."""

from __future__ import annotations

MEMORY = (
    "not enough memory",  # torch's allocator on a CPU
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
DEVICE = ("CUDA error", "CUDA driver", "cuDNN error", "CUBLAS_STATUS", "no CUDA-capable device", "NCCL error")


class MemoryShort(Exception):
    """The batch does not fit."""


class DeviceLost(Exception):
    """The accelerator does not answer any more."""


class HalfOverflow(Exception):
    """float16 overflows however small the scale of the loss."""


SURVIVED = (MemoryShort, DeviceLost, HalfOverflow)


def survivable(error: BaseException, cuda: bool) -> type[Exception] | None:
    """Which of the three an error of torch is, by its type or its words; None for any other."""
    import torch

    if isinstance(error, SURVIVED):
        return type(error)
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return MemoryShort
    if not isinstance(error, RuntimeError):
        return None
    words = str(error)
    if any(mark in words for mark in MEMORY):
        return MemoryShort
    return DeviceLost if cuda and any(mark in words for mark in DEVICE) else None
