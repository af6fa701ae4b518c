"""My Activity of all other Google products, JSON and HTML: queries, visited pages, apps used.

The products have many activities that are no event of the contract; those are passed over and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from forge_core.sources.activity import is_youtube
from forge_core.sources.base import Batch, Format, Sink, SplitReader
from forge_core.sources.layout import first_header, parse_activities, split_activities
from forge_core.sources.wording import LANGUAGES

_KINDS = ("search", "browse", "app_usage", "watch")


class MyActivity(SplitReader):
    name = "my_activity"
    formats = (
        Format("My Activity", "JSON", _KINDS, "MyActivity.json of any product", tuple(LANGUAGES)),
        Format("My Activity", "HTML", _KINDS, "MyActivity.html of any product", tuple(LANGUAGES)),
    )

    def recognise(self, head: bytes) -> bool:
        header = first_header(head)
        return header is not None and not is_youtube(header)

    def split(self, stream: BinaryIO, sink: Sink) -> Iterator[bytes]:
        return split_activities(stream, sink)

    def parse(self, part: bytes, sink: Sink) -> Iterator[Batch]:
        return parse_activities(part, sink)


READER = MyActivity()
