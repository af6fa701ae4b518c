"""In which language a member is written, and what its titles say.

Decided once, from the first part of a member, by its wording; that travels with each part, so that all parts of a
member are read alike, in any process.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from forge_core.sources.wording import LANGUAGES, around_links, templates

SAMPLE = 300  # titles looked at to tell a language
_TAG = b"\0"


class Manner(NamedTuple):
    """How a member is written: its language, and the layouts of numeric dates that are not its own."""

    language: str = "en"
    ruled_out: frozenset[str] = frozenset()

    def tag(self, part: bytes) -> bytes:
        """The part with this in front of it."""
        return b"".join((_TAG, " ".join((self.language, *sorted(self.ruled_out))).encode(), b"\n", part))


def untag(part: bytes) -> tuple[Manner, bytes]:
    """(manner, part) of what ``tag`` made; the default manner where there is no tag."""
    if not part.startswith(_TAG):
        return Manner(), part
    line, _, rest = part.partition(b"\n")
    language, *ruled_out = line[1:].decode().split(" ")
    return Manner(language, frozenset(ruled_out)), rest


def language_of(titles: Iterable[str]) -> str:
    """The language that words most of the titles, English where none words any."""
    spelled = [one_spelling(title) for title in titles]
    english = set(templates("en"))
    counts: dict[str, int] = {}
    for name in LANGUAGES:
        own = [one for one in templates(name) if name == "en" or one not in english]
        counts[name] = sum(any(_fits(title, *words) for *words, _ in own) for title in spelled)
        if counts[name] == len(spelled):
            break  # all of them: no other words more
    return max(counts, key=lambda name: counts[name])  # the first of equals


def one_spelling(text: str) -> str:
    """Composed letters, plain spaces, no direction marks around."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text).replace("\u00a0", " ").replace("\u202f", " ")
    return text.strip("\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069")


def _fits(title: str, before: str, after: str) -> bool:
    return len(title) > len(before) + len(after) and title.startswith(before) and title.endswith(after)


class Titles:
    """Takes titles of one language apart."""

    def __init__(self, language: str) -> None:
        self.templates = templates(language)
        self._around = around_links(language)
        self._known: dict[tuple[str, str], str | None] = {}

    def split(self, title: str) -> tuple[str | None, str]:
        """(action, what it is about), (None, title) where the wording is not known."""
        for before, after, action in self.templates:
            if title.startswith(before) and title.endswith(after):
                return action, title[len(before) : len(title) - len(after)].strip()
        if (spelled := one_spelling(title)) != title:
            return self.split(spelled)
        return None, title

    def around(self, before: str, after: str) -> str | None:
        """The action that these words around a link tell."""
        key = (before, after)
        if key not in self._known:
            if len(self._known) > 1000:
                self._known.clear()
            first, last = (one_spelling(text.strip()).strip() for text in key)
            self._known[key] = self._around.get((first, last)) or self._partly(first, last)
        return self._known[key]

    def _partly(self, before: str, after: str) -> str | None:
        """Words that go on beyond the template: Saved to a playlist <link>."""
        action, text = self.split(f"{before} \0 {after}")
        return action if "\0" in text else None
