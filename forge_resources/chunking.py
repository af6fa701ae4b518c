"""Messages and documents as rows of ``features/chunks``: passages with their language and the hash of their text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from forge_core.passages import passages

TELLING = 25  # letters: a language is not told from fewer
LOOKED_AT = 400  # characters are enough to tell a language
TITLE = 300  # characters of a title that go with each passage


def chunks(rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Rows of the table from rows (event_id, subject, source, export, kind, title, body, thread, author, time).

    A text whose body is empty has one passage, its title.
    """
    for event_id, subject, source, export, kind, title, body, thread, author, time in rows:
        title = " ".join((title or "").replace("\x00", "").split())[:TITLE] or None
        for part, passage in enumerate(
            passages(body or "") if body and body.strip() else filter(None, [title])
        ):
            hashed = hashlib.sha256(words(title, passage).encode("utf-8", "replace")).hexdigest()[:32]
            yield (
                f"{event_id}-{part}", subject, source, event_id, kind, part, title, passage, language(passage),
                thread, author, time, hashed, export, time,
            )  # fmt: skip


def words(title: str | None, text: str) -> str:
    """What the encoder reads of a passage: its title goes before it, unless it is all there is."""
    return text if not title or title == text else f"{title}\n{text}"


def language(text: str) -> str | None:
    """ISO 639-1 code by character n-grams (Lui & Baldwin 2012), None where there is too little text."""
    looked_at = text[:LOOKED_AT]
    if sum(map(str.isalpha, looked_at)) < TELLING:
        return None
    return _identifier().classify(looked_at)[0]


@lru_cache(1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
