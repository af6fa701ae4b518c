"""Members held in memory: what a worker is given, and what tests and fuzzers read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from forge_core.archives.base import Archive, Limits, Member


class MemoryArchive(Archive):
    """An archive of bytes by member name."""

    depth = 0

    def __init__(self, content: Mapping[str, bytes]) -> None:
        super().__init__(Path("memory"), Limits())
        self.members = tuple(Member(name, len(data), None, data) for name, data in content.items())

    def _open(self, member: Member) -> BinaryIO:
        return io.BytesIO(member.key)
