"""One large synthetic Takeout with every format an export can have, streamed in flat memory.

    python -m examples.generator OUT --gigabytes 5 [--parts 3] [--stored] [--seed 7]

writes ``takeout-20260101T000000Z-001.zip`` and so on, a file of the export wholly in one part, as Google does it,
and ``truth.json``: how many events of each kind there are in each file. The same seed and size give the same bytes.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from examples import activity_streams, life_streams, takeout
from examples.streams import Stream, Words, members
from examples.world import END

NAME = "takeout-20260101T000000Z-{:03d}.zip"
STREAMS: dict[str, Stream] = activity_streams.STREAMS | life_streams.STREAMS
LEVEL = 1  # of deflate: exports shrink to a tenth even so


def generate_large(
    out: Path, gigabytes: float, parts: int = 1, seed: int = 7, stored: bool = False
) -> dict[str, Any]:
    """Write an export of about ``gigabytes`` (of 1e9 bytes, unpacked) in ``parts`` zips; its truth."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    words = Words(seed)
    whole = gigabytes * 1e9 / sum(stream.share for stream in STREAMS.values())
    truth: dict[str, Any] = {
        "synthetic": True,
        "seed": seed,
        "gigabytes": gigabytes,
        "account": life_streams.OWNER,
    }
    told: dict[str, dict[str, int]] = {}
    archives = []
    numbers = {name: number for number, name in enumerate(STREAMS)}
    for part, streams in enumerate(shares(parts), 1):
        path = out / NAME.format(part)
        with _Zip(path, stored) as archive:
            for name in streams:
                stream = STREAMS[name]
                for member, blocks in members(stream, numbers[name], seed, words, whole * stream.share):
                    told[member] = archive.write(member, blocks)
            mark = json.dumps({"synthetic": True, "seed": seed, "note": "Invented by examples.generator."})
            folder = "Takeout/" if part == 1 else f"Takeout/part {part}/"
            archive.write(folder + "forge-synthetic.json", iter([(mark.encode(), {})]))
            if part == 1:
                page = overview([stream.name(0) for stream in STREAMS.values()])
                archive.write("Takeout/archive_browser.html", iter([(page.encode(), {})]))
        archives.append(path.name)
    kinds = sum(
        (Counter({k: n for k, n in one.items() if k != "bytes"}) for one in told.values()), Counter[str]()
    )
    truth |= {
        "archives": archives,
        "bytes": sum(one["bytes"] for one in told.values()),
        "kinds": dict(kinds),
        "members": told,
    }
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return truth


def write_member(name: str, path: Path, size: float, seed: int = 7) -> dict[str, int]:
    """The first file of the stream ``name``, alone; bytes and events by kind."""
    number = list(STREAMS).index(name)
    _, blocks = next(members(STREAMS[name], number, seed, Words(seed), size))
    with path.open("wb") as file:
        return _write(file, blocks)


def shares(parts: int) -> list[list[str]]:
    """The streams of each part, about evenly: the largest that is left goes where the least is."""
    found: list[list[str]] = [[] for _ in range(parts)]
    sizes = [0.0] * parts
    for name in sorted(STREAMS, key=lambda name: -STREAMS[name].share):
        least = sizes.index(min(sizes))
        found[least].append(name)
        sizes[least] += STREAMS[name].share
    return found


def overview(names: Sequence[str]) -> str:
    """The page that opens the export; of files in a row it lists the first."""
    services: dict[str, list[str]] = {}
    for name in names:
        services.setdefault(name.split("/")[1], []).append(name)
    return takeout.archive_browser(life_streams.OWNER, END, services, "00000000-0000-4000-8000-000000000000")


class _Zip:
    """A zip whose bytes depend on what is written alone."""

    def __init__(self, path: Path, stored: bool) -> None:
        self._method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        self._file = zipfile.ZipFile(path, "w", self._method, allowZip64=True, compresslevel=LEVEL)

    def __enter__(self) -> _Zip:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, name: str, blocks: Iterator[tuple[bytes, dict[str, int]]]) -> dict[str, int]:
        info = zipfile.ZipInfo(name, END.timetuple()[:6])
        info.compress_type, info.create_system, info.external_attr = self._method, 3, 0o100644 << 16
        with self._file.open(info, "w", force_zip64=True) as member:
            return _write(member, blocks)  # type: ignore[arg-type]


def _write(file: BinaryIO, blocks: Iterator[tuple[bytes, dict[str, int]]]) -> dict[str, int]:
    told = Counter[str]()
    for text, kinds in _ahead(blocks):
        file.write(text)
        told.update(kinds, bytes=len(text))
    return dict(told)


def _ahead(blocks: Iterator[tuple[bytes, dict[str, int]]]) -> Iterator[tuple[bytes, dict[str, int]]]:
    """Blocks that are made by one thread while another packs those before them."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = thread.submit(next, blocks, None)
            yield block
