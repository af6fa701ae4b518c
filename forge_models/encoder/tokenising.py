"""Texts to token ids, whatever the text: empty, broken, or ten megabytes without a space.

A model reads its first few hundred tokens. Tokenising the rest of a long mail is wasted, so a text is first
cut at a space where its tokens are sure to suffice; if they did not, the cut is moved. The ids are those of
the whole text, truncated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from forge_models.encoder.description import Description

FIRST_CUT = 8  # characters per token: twice what ordinary text has, so that the first cut nearly always holds
STEP = 4
LAST_CUT = 512  # beyond this many characters per token there is no text, only filling


class Tokeniser:
    """``ids(texts)`` are lists of token ids with the model's special tokens, at most ``max_tokens`` long."""

    def __init__(self, description: Description) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Tokenizer = Tokenizer.from_file(str(description.folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(description.max_tokens)
        self._max = description.max_tokens
        self._lower, self._prefix = description.lower_case, description.prefix
        self._padding = int(description.config.get("pad_token_id") or 0)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        result = self._encode(texts, FIRST_CUT * self._max)
        cut = FIRST_CUT * self._max
        short = [i for i, text in enumerate(texts) if len(text) > cut and len(result[i]) < self._max]
        while short and cut < LAST_CUT * self._max:
            cut *= STEP
            for i, ids in zip(short, self._encode([texts[i] for i in short], cut), strict=True):
                result[i] = ids
            short = [i for i in short if len(texts[i]) > cut and len(result[i]) < self._max]
        return result

    def _encode(self, texts: Sequence[str], cut: int) -> list[list[int]]:
        ready = [self._ready(text, cut) for text in texts]
        one = len(ready) == 1  # no threads for a single text
        found = [self._tokenizer.encode(ready[0])] if one else self._tokenizer.encode_batch_fast(ready)
        return [encoding.ids or [self._padding] for encoding in found]

    def _ready(self, text: str, cut: int) -> str:
        if len(text) > cut:
            text = text[:cut]
            at = max(text.rfind(space) for space in " \n\t\r")
            text = text[:at] if at > 0 else text  # a word cut in two would give other tokens
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()  # lone surrogates are no text
        if self._lower:
            text = text.lower()
        return self._prefix + text
