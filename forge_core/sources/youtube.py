"""YouTube and YouTube Music: watch history and search history, JSON and HTML, in any language of ``wording``.

``item`` is ``youtube:<video id>``. Advertisements are passed over and counted. A removed video has no
id left and is set aside as "no item".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from forge_core.sources.activity import is_youtube
from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.layout import first_header, parse_activities, split_activities
from forge_core.sources.wording import LANGUAGES

_WORDED = tuple(LANGUAGES)


class YouTube(SplitReader):
    name = "youtube"
    formats = (
        Format(
            "watch history", "JSON", ("watch",), "watch-history.json, also My Activity of YouTube", _WORDED
        ),
        Format(
            "watch history", "HTML", ("watch",), "watch-history.html, also My Activity of YouTube", _WORDED
        ),
        Format("search history", "JSON", ("search",), "search-history.json", _WORDED),
        Format("search history", "HTML", ("search",), "search-history.html", _WORDED),
    )

    def recognise(self, head: bytes) -> bool:
        header = first_header(head)
        return header is not None and is_youtube(header)

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return split_activities(stream, sink)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        return parse_activities(part, sink)


READER = YouTube()
