"""Errors a person can act on: what happened, why, what to do, and a code that stays the same.

The text never carries a value from personal data: no subject, no title, no query, no file content.
"""

from __future__ import annotations


class ForgeError(Exception):
    """What happened, why and what to do, under a stable code ``FORGE-…``.

    ``exit_code`` follows the command: 1 failed, 2 wrong usage, 3 refused (consent or security).
    """

    exit_code = 1

    def __init__(self, code: str, what: str, why: str = "", fix: str = "") -> None:
        self.code, self.what, self.why, self.fix = code, what, why, fix
        super().__init__(str(self))

    def __str__(self) -> str:
        sentences = [part for part in (self.what, self.why, self.fix) if part]
        return f"[{self.code}] " + " ".join(sentences)

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "what": self.what, "why": self.why, "fix": self.fix}

    def __reduce__(self):  # keeps all four parts across process borders
        return type(self), (self.code, self.what, self.why, self.fix)


class UsageError(ForgeError):
    """The request itself was wrong (exit 2)."""

    exit_code = 2


class Refused(ForgeError):
    """Consent or security says no (exit 3)."""

    exit_code = 3
