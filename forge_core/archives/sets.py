"""Exports that arrive in several archives: which set a file belongs to, told by its name, and what is missing.

Each part of a Google Takeout is an archive of its own, so parts are imported in any order; a set says that they
belong to one person, and whether one is missing between those that came.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

_PATTERNS = (
    re.compile(r"(?P<stem>takeout-\d{8}T\d{6}Z(?:-\d{1,2})?)-(?P<part>\d{3,4})\Z", re.I),
    re.compile(
        r"(?P<stem>.+?)[-_. ]\(?(?:part)?(?P<part>\d{1,4})[-_ ]?of[-_ ]?(?P<total>\d{1,4})\)?\Z", re.I
    ),
    re.compile(r"(?P<stem>.+?)[-_. ]part(?P<part>\d{1,4})\Z", re.I),
)
_TAKEOUT = re.compile(r"takeout-\d{8}T\d{6}Z(?:-\d{1,2})?\Z", re.I)
_COPY = re.compile(r" ?\(\d{1,2}\)\Z")  # what a browser adds to a second download
_SUFFIX = re.compile(r"\.(?:zip|tgz|tar|tar\.gz|tar\.bz2|tar\.xz)\Z", re.I)


@dataclass(frozen=True)
class SetPart:
    """One part of a set. ``name`` is Google's own, or a hash: other names can be personal."""

    name: str
    part: int
    total: int | None = None


def set_part(filename: str) -> SetPart | None:
    """The set and number of ``takeout-20260101T000000Z-002.zip`` and its like; None for a file by itself."""
    stem, found = _SUFFIX.subn("", filename)
    if not found:
        return None
    for text in (stem, _COPY.sub("", stem)):
        for pattern in _PATTERNS:
            if match := pattern.match(text):
                total = match.groupdict().get("total")
                return SetPart(_name(match["stem"]), int(match["part"]), int(total) if total else None)
    return None


def _name(stem: str) -> str:
    if _TAKEOUT.match(stem):
        return stem.lower()
    return f"set-{hashlib.sha256(stem.casefold().encode()).hexdigest()[:8]}"


def missing(parts: Iterable[int], total: int | None = None) -> list[int]:
    """Numbers between the first part and the last known one that did not come."""
    there = set(parts)
    return [number for number in range(1, max(there | {total or 0}, default=0) + 1) if number not in there]
