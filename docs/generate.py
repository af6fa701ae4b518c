"""Writes the pages of docs/ that are made from declarations in the code, so that they cannot lag behind it.

make docs        (or: python docs/generate.py)
"""

from __future__ import annotations

from pathlib import Path

from forge_core import events, sources
from forge_core.sources.activity import LANGUAGES

FOLDER = Path(__file__).resolve().parent

EVENTS = """\
<!-- Made by docs/generate.py from forge_core/events.py. Do not edit: change the code and run `make docs`. -->
# The contract of life events

One table per kind of event. The same columns stand in `raw.<kind>` (as exported) and in `clean.<kind>`
(consented, pseudonymised). Tables, frame schemas, checks and this page are made from one declaration.

An event is known by subject, kind, item and time to the second; where one file has it twice in a second,
the rows are numbered. Neither the export nor the file format is part of it.

The identifier class of a column decides what becomes of it in `clean`: `person` and `contact` become keyed
tokens, `network` an address that keeps shared prefixes, `place` a coordinate rounded to a cell of about a
kilometre. `text` and `none` are not changed.

A time that is missing or doubtful says why in `time_flag`: {flags}.

## Kinds

"""

SOURCES = """\
<!-- Made by docs/generate.py from forge_core/sources. Do not edit: change the code and run `make docs`. -->
# Exports that Forge reads

A file is recognised by its first bytes and by what lies beside it, never by its name alone. An export may be
a zip, a tar (plain, gz, bz2, xz), an unpacked folder or a single file. What no reader takes is skipped and
listed with its reason.

| reader | format | media | kinds of events | files |
|---|---|---|---|---|
{rows}

Activity titles of Google ("Watched …") are understood in: {languages}. A title in another wording is set
aside as "unknown wording" and counted; `forge ingest --dry-run --json` shows how many.

A new format is one module in `forge_core/sources/` with a `READER`; nothing else names it.
"""


def pages() -> dict[str, str]:
    """File name in docs/ -> its text."""
    flags = ", ".join(f"`{flag}`" for flag in events.TimeFlag)
    rows = "\n".join(
        f"| `{row['reader']}` | {row['format']} | {row['media']} | {row['kinds']} | {row['about']} |"
        for row in sources.catalogue()
    )
    return {
        "events.md": EVENTS.format(flags=flags) + events.markdown(),
        "sources.md": SOURCES.format(rows=rows, languages=", ".join(LANGUAGES)),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")
