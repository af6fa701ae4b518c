"""The keys of a home, and what is done with them. Files of mode 0600 under ``FORGE_HOME/keys``."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from forge_core.errors import Refused
from forge_core.privacy.pseudonyms import Pseudonymiser


class Vault:
    """Holds the pseudonym key; makes it on first use. Losing the key cuts the tokens off from their names."""

    def __init__(self, home: Path) -> None:
        self.folder = Path(home) / "keys"

    def _key(self, name: str) -> bytes:
        path = self.folder / f"{name}.key"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            fresh = self.folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)  # the first of two processes wins, the other reads its key
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        if path.stat().st_mode & 0o077:
            raise Refused(
                "FORGE-VAULT-MODE",
                f"The key file {path.name} can be read by others.",
                "Anyone with it can turn pseudonyms back into names.",
                f"Run `chmod 600` on keys/{path.name} in FORGE_HOME.",
            )
        return path.read_bytes()

    @property
    def pseudonyms(self) -> Pseudonymiser:
        return Pseudonymiser(self._key("pseudonyms"))

    def token(self, subject: str) -> str:
        """The pseudonym of a person as their owner names them; a pseudonym stays what it is."""
        return subject if subject.startswith("p_") else self.pseudonyms.person(subject)
