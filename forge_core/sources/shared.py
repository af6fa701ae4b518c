"""Memory that two processes see: parts of an export go to a worker and rows come back without a copy by the kernel.

A box is an anonymous file in memory (``memfd_create``). Where the system has none it is a temporary file without
a name: its pages are shared all the same, but the system may write them to its disk.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable
from typing import Any

KEEP = 64 << 20  # bytes; of a box that has grown larger, the memory is given back


class Box:
    """Bytes that one process puts and another takes; whose turn it is, they tell each other."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map: mmap.mmap | None = None

    @classmethod
    def create(cls) -> Box:
        if hasattr(os, "memfd_create"):
            return cls(os.memfd_create("forge", 0))  # inherited by those whom it is passed to
        with tempfile.TemporaryFile() as file:
            return cls(os.dup(file.fileno()))

    def put(self, pieces: Iterable[Any]) -> list[int]:
        """Pieces of bytes one after another from the beginning; their sizes."""
        sizes, end = [], 0
        for piece in pieces:
            view = memoryview(piece)
            room = self._room(end + view.nbytes)
            room[end : end + view.nbytes] = view
            sizes.append(view.nbytes)
            end += view.nbytes
        return sizes

    def take(self, sizes: Iterable[int]) -> list[bytes]:
        """The pieces again."""
        found, end = [], 0
        for size in sizes:
            found.append(self._room(end + size)[end : end + size])
            end += size
        if end > KEEP:
            self._unmap()
            os.ftruncate(self.fd, 0)
        return found

    def close(self) -> None:
        self._unmap()
        os.close(self.fd)

    def _room(self, size: int) -> mmap.mmap:
        """All of the box, at least ``size`` bytes of it."""
        if self._map is None or len(self._map) < size or os.fstat(self.fd).st_size < size:
            self._unmap()
            if os.fstat(self.fd).st_size < size:
                os.ftruncate(self.fd, max(1 << 20, 1 << (size - 1).bit_length()))
            self._map = mmap.mmap(self.fd, 0)
        return self._map

    def _unmap(self) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None
