"""Text out of bytes of any encoding, and out of HTML: nothing is run, fetched or kept but the words."""

from __future__ import annotations

import codecs
import re

from forge_core.sources.encoding import encoding_of

TAGS_MAX = 100_000  # a page with more is not parsed: its tags are blanked
HTML_MAX = 16 << 20
GUESSABLE = 64  # bytes; of fewer, a guess at the encoding is a throw of dice
_DROP = ["script", "style", "template", "iframe", "object", "embed", "noscript", "svg", "head", "title"]
_BLOCKS = re.compile(r"<(?:br|/p|/div|/tr|/li|/h[1-6]|/table|hr|/blockquote|/pre)\b[^>]*>", re.I)
_TAG = re.compile(r"<[^<>]{0,4096}>")
_LINES = re.compile(r"\n{3,}")


def decode(data: bytes, declared: str | None = None) -> str:
    """The text: by byte order mark, as UTF-8, as declared, else by what its bytes look like."""
    if mark := encoding_of(data):
        return data.decode(mark, "replace")
    data = data.removeprefix(codecs.BOM_UTF8)
    names = ["utf-8"]
    if declared:
        names.insert(0, declared)
    for name in names:
        try:
            return data.decode(name)
        except (LookupError, UnicodeError, ValueError):  # an unknown name, or bytes that are not of it
            continue
    if len(data) < GUESSABLE:
        return data.decode("cp1252", "replace")
    from charset_normalizer import from_bytes

    best = from_bytes(data[: 1 << 16]).best()
    return data.decode(best.encoding if best else "cp1252", "replace")


def html_text(page: str) -> str:
    """What a person would read of a page: no script, no style, a line per block."""
    page = page[:HTML_MAX]
    if page.count("<") > TAGS_MAX:
        return squeeze(_TAG.sub(" ", page))
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(_BLOCKS.sub(lambda found: found[0] + "\n", page))
    tree.strip_tags(_DROP)
    root = tree.body or tree.root
    return squeeze(root.text() if root is not None else "")


def squeeze(text: str) -> str:
    """Blanks made one, no more than one empty line."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return _LINES.sub("\n\n", "\n".join(lines)).strip()
