"""The public labelled sets as the settings have them: which are at hand, their rows, and the version of their files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from forge_core import keys
from forge_models.nlp import reference
from forge_resources.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

ABSENT = "absent"


def rows(settings: Settings, name: str) -> pa.Table:
    """The set called ``name``; without rows where it neither ships nor has a folder.

    ForgeError FORGE-REFERENCE-MISSING where its folder is not there, FORGE-REFERENCE-BROKEN where it cannot be read.
    """
    known = reference.SETS[name]
    if not known.ships and name not in settings.reference_sets:
        return reference.schema(known.kind).empty_table()
    return reference.reference_set(name, settings.reference_sets.get(name))


def version(settings: Settings, name: str) -> str:
    """Changes with the files of the set: by content for one that ships, by name, size and time for a folder's."""
    if reference.SETS[name].ships:
        [file] = reference.HERE.glob(f"{name}.*")
        return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    folder = settings.reference_sets.get(name)
    if folder is None:
        return ABSENT
    place = Path(folder).expanduser()
    files = [(str(p.relative_to(place)), p.stat()) for p in sorted(place.rglob("*")) if p.is_file()]
    told = [(path, stat.st_size, stat.st_mtime_ns) for path, stat in files]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def versions(settings: Settings) -> dict[str, str]:
    """``version`` of each set by its asset key."""
    return {keys.reference(name): version(settings, name) for name in reference.SETS}
