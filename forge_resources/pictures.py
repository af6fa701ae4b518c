"""Pictures of aggregates, kept by content under ``FORGE_HOME/pictures`` and shown by our own webserver.

Dagster's UI shows Markdown under a thousand characters in place and hides the rest behind a click, and its
sanitizer drops images that are not fetched from an address. So the metadata holds a short link, and the event
log stays small.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

ROUTE = "/forge/pictures"
NAME = re.compile(r"[0-9a-f]{24}\.png")


class Pictures:
    """PNG files named by content."""

    def __init__(self, home: Path) -> None:
        self.folder = Path(home) / "pictures"

    def show(self, alternative: str, png: bytes) -> str:
        """Keep a picture; returns the Markdown that shows it."""
        name = f"{hashlib.sha256(png).hexdigest()[:24]}.png"
        path = self.folder / name
        if not path.exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = path.with_suffix(f".{os.getpid()}")
            fresh.write_bytes(png)
            os.replace(fresh, path)
        return f"![{alternative}]({ROUTE}/{name})"

    def find(self, name: str) -> Path | None:
        """The file of a name from a request, or None: nothing but a name of ours is looked for."""
        path = self.folder / name
        return path if NAME.fullmatch(name) and path.is_file() and not path.is_symlink() else None
