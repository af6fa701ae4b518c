"""Text cut into passages that a text encoder reads whole. Pure functions over strings.

A passage ends where a reader would pause: at a paragraph, else a sentence, else a space, else where it is full.
Together the passages hold every character but white space, and what no word is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

FULL = 900  # characters: about 200 words, which 256 tokens of a word-piece vocabulary hold
FULL_WIDE = 230  # of a script whose every character is a token: Chinese, Japanese, Korean
EARLIEST = 0.5  # of a full passage: no pause before that ends it
LONGEST_WORD = 200  # printable ASCII without a space: longer is a key, a picture or base64, and no word

_NO_WORD = re.compile(rf"[!-~]{{{LONGEST_WORD},}}")
_WIDE = re.compile(r"[ᄀ-ᇿ⺀-鿿가-힯豈-﫿𠀀-𯨟]")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*\n\s*")
_PAUSES = (re.compile(r"\n\n"), re.compile(r"(?<=[.!?…;])\s|(?<=[。！？])"), re.compile(r"\s"))
_JOINER = "‍"


def readable(text: str) -> str:
    """White space made even, what no word is cut to its first characters, NUL and lone surrogates left out."""
    text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    if not text.isprintable():
        text = text.encode("utf-8", "ignore").decode()
    text = _NO_WORD.sub(lambda word: word[0][:40] + "…", text)
    return _LINES.sub("\n\n", _SPACES.sub(" ", text)).strip()


def passages(text: str) -> Iterator[str]:
    """The passages of ``text``, in order; none for a text without a readable character."""
    text = readable(text)
    begin = 0
    while begin < len(text):
        end = _end(text, begin)
        passage = text[begin:end].strip()
        if passage:
            yield passage
        begin = end


def _end(text: str, begin: int) -> int:
    """Where the passage that begins at ``begin`` ends."""
    window = text[begin : begin + FULL]
    full = FULL
    if len(_WIDE.findall(window)) > len(window) / 4:
        full = FULL_WIDE
        window = window[:full]
    if begin + full >= len(text):
        return len(text)
    earliest = int(full * EARLIEST)
    for pause in _PAUSES:
        if ends := [found.end() for found in pause.finditer(window, earliest)]:
            return begin + ends[-1]
    return _between_characters(text, begin + full, begin + earliest)


def _between_characters(text: str, end: int, least: int) -> int:
    """``end`` or the next place before it that does not divide a letter and its marks, or a joined emoji."""
    for place in range(end, least, -1):
        joined = text[place] == _JOINER or text[place - 1] == _JOINER
        if not joined and not unicodedata.combining(text[place]) and text[place] not in "︎️":
            return place
    return end
