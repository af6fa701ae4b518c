"""What of a text its writer says: without quoted replies, signatures and markup. Pure functions, bounded in time.

Nothing is rendered, followed or run: HTML gives its visible words, a script gives none, and words that give orders to
a machine are words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LIMIT = 20_000  # characters that are looked at: a passage has 900, a whole mail rarely more
LONGEST = 64  # characters of a word
SENTENCES = 400  # of one text

_MARKUP = re.compile(r"<(?:!|/?[a-zA-Z][a-zA-Z0-9]{0,15}[\s/>])")
_QUOTED = re.compile(r"^\s{0,3}[>|].*$", re.M)
# the line above a quoted reply, in the languages of the common mail programs; what follows it is quoted
_REPLY = re.compile(
    r"^[^\S\n]*(?:-{2,}\s?(?:original message|forwarded message|ursprüngliche nachricht|message d'origine"
    r"|mensaje original|messaggio originale)\s?-{2,}.*"
    r"|(?:on|am|le|el|il|op|em)\s[^\n]{4,200}"
    r"(?:wrote|schrieb[^\n:]{0,80}|a écrit|escribió|ha scritto|schreef|escreveu)\s?:)[^\S\n]*$",
    re.M | re.I,
)
_SIGNATURE = re.compile(
    r"^(?:-- ?|__+|sent from my [^\n]{1,40}|von meinem [^\n]{1,40} gesendet)$", re.M | re.I
)
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*", re.U)
_TOKEN = re.compile(r"[@#]?[^\W_]+(?:['’_-][^\W_]+)*|[^\w\s]", re.U)
_ENDS = re.compile(r"(?<=[.!?…])[\"')\]]{0,2}\s+|(?<=[。！？])|\n+")
_LETTER = re.compile(r"[^\W\d_]")


def said(text: str | None) -> str:
    """What the writer says: no quoted reply, no signature, no markup, no link. Empty where nothing is left."""
    text = (text or "")[:LIMIT]
    if _MARKUP.search(text):
        text = visible(text)
    reply = _REPLY.search(text)
    if reply and text[: reply.start()].strip():
        text = text[: reply.start()]
    elif reply:  # an answer below what it answers
        text = text[: reply.start()] + text[reply.end() :]
    text = _QUOTED.sub("", text)
    signature = _SIGNATURE.search(text)
    if signature:
        text = text[: signature.start()]
    return _LINK.sub(" ", text).strip()


def visible(text: str) -> str:
    """The words of HTML that a reader would see; scripts, styles and comments are none."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text)
    tree.strip_tags(["script", "style", "head", "template", "noscript", "iframe"], recursive=True)
    body = tree.body or tree.root
    return body.text(separator="\n", strip=True) if body else ""


def has_words(text: str) -> bool:
    """Whether there is anything to judge: two letters in a row at least, in any script. Emoji are none."""
    return bool(re.search(r"[^\W\d_]{2}", text)) or len(_LETTER.findall(text[:LIMIT])) >= 2


def words(text: str) -> list[str]:
    """Words in lower case, of ``LONGEST`` characters at most, digits left out where they stand alone."""
    found = _WORD.findall(text[:LIMIT].lower())
    return [word[:LONGEST] for word in found if not word.isdigit()]


def tokens(text: str) -> list[str]:
    """Words and marks as they stand, in order: what names are looked for in."""
    return [token[:LONGEST] for token in _TOKEN.findall(text[:LIMIT])]


def token_places(text: str) -> list[tuple[int, int]]:
    """Where each of ``tokens`` begins and ends, in characters."""
    return [found.span() for found in _TOKEN.finditer(text[:LIMIT])]


def sentences(text: str) -> list[str]:
    """The sentences, or the lines where they have no full stop; at most ``SENTENCES``."""
    found: list[str] = []
    for piece in _pieces(text[: 10 * LIMIT]):
        if has_words(piece):
            found.append(piece)
        if len(found) == SENTENCES:
            break
    return found


def _pieces(text: str) -> Iterator[str]:
    start = 0
    for end in _ENDS.finditer(text):
        piece = text[start : end.end()].strip()
        if piece:
            yield piece
        start = end.end()
    if text[start:].strip():
        yield text[start:].strip()
