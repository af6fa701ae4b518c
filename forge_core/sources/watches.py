"""Videos watched, by far the most of what Google writes of a person, made rows in columns and not one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from forge_core.sources.activity import USUAL, WATCH, Channels
from forge_core.sources.base import Batch, Sink
from forge_core.sources.wording import UNTITLED

if TYPE_CHECKING:
    import pyarrow as pa


def usual(urls: pa.Array) -> pa.Array:
    """Which links are of the usual form, ``https://www.youtube.com/watch?v=`` and an id."""
    import pyarrow.compute as pc

    return pc.fill_null(pc.match_substring_regex(urls, USUAL), False)


def watched(
    sink: Sink,
    channels: Channels,
    titles: pa.Array,
    urls: pa.Array,
    publishers: Sequence[tuple[str | None, str | None]],
    columns: dict[str, Any],
) -> Batch:
    """A batch of videos with ``usual`` links: titles as they stand, (name, address) of who published each.

    ``columns`` are those of the time and ``sequence``, which are handed on.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(titles)
    blank = pc.or_(pc.starts_with(texts, "http"), pc.is_in(texts, pa.array(["", *UNTITLED])))
    id_of = channels.id_of
    ids = {address: id_of(address) for address in {address for _, address in publishers}}
    columns |= {
        "item": pc.binary_replace_slice(urls.cast(pa.binary()), 0, len(WATCH), b"youtube:").cast(pa.string()),
        "title": pc.if_else(blank, None, texts) if pc.any(blank).as_py() else texts,
        "channel": [(name or None) if ids[address] else None for name, address in publishers],
        "channel_id": [ids[address] for _, address in publishers],
        "url": urls,
    }
    return sink.batch("watch", "youtube", columns, len(urls))
