"""Writes the pages of docs/ that are made from declarations in the code, so that they cannot lag behind it.

make docs        (or: python docs/generate.py)
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from babel import Locale

from forge_core import events, sources
from forge_core.features import TABLES, FeatureTable
from forge_core.locales import REGIONS

FOLDER = Path(__file__).resolve().parent

EVENTS = """\
<!-- Made by docs/generate.py from forge_core/events.py. Do not edit: change the code and run `make docs`. -->
# The contract of life events

One table per kind of event. The same columns stand in `raw.<kind>` (as exported) and in `clean.<kind>`
(consented, pseudonymised). Tables, frame schemas, checks and this page are made from one declaration.

An event is known by subject, kind, item and time to the second; where one file has it twice in a second,
the rows are numbered. Neither the export nor the file format is part of it. In logs without years, which tell no
times, the message is part of it.

The identifier class of a column decides what becomes of it in `clean`: `person` and `contact` become keyed
tokens, `network` an address that keeps shared prefixes, `place` a coordinate rounded to a cell of about a
kilometre. `text` and `none` are not changed.

A time that is missing or doubtful says why in `time_flag`: {flags}.

## Kinds

"""

SOURCES = """\
<!-- Made by docs/generate.py from forge_core/sources. Do not edit: change the code and run `make docs`. -->
# Exports that Forge reads

A file is recognised by its first bytes and by what lies beside it, never by its name or folder alone. An export
may be a zip, a tar (plain, gz, bz2, xz), an unpacked folder, a single file (also packed with gz, bz2 or xz), or
the numbered parts of one Takeout. Archives are read as streams and never unpacked to disk.

What no reader takes is *skipped* and listed with its reason. A record that cannot be read is *quarantined*: the
rest of its file is imported, and the reason is counted, never the value. A file that is damaged is quarantined
whole. `forge ingest --dry-run` shows all three before anything is stored, `forge status --exports` and the
export's page in the Dagster UI afterwards.

| reader | format | media | kinds of events | languages | files |
|---|---|---|---|---|---|
{rows}

"any": nothing in the format is worded, or its columns are told by what stands in them. A number is of the
languages below whose words and dates the reader must know.

## Languages

Dates are read by the locale data of CLDR (Babel), titles of Google activities by the wording Google uses. A title in
another wording is quarantined as "unknown wording". A date that two languages read differently (3/4/2021) is
settled by the other dates of the same file; where they do not settle it, the event keeps no time and says so.

| format | {languages} |
|---|{bars}|
{matrix}

WhatsApp's dates are read in {whatsapp} languages in all.

## Limits

Each can be set in `forge.yaml` under `reading:`, or in `FORGE_READING` as JSON.

| setting | default | |
|---|---|---|
{limits}

## What is not read

- `.kmz`, Apple Mail's `.emlx`, uuencoded attachments, `deviceTag` of location records.
- Text of pictures and of scanned PDFs; attachments of mail, of which name, type and size are kept.
- A `.gz` inside a folder or an archive (a single packed file is read), archives inside archives, archives cut by
  bytes (`.zip.001`), encrypted archives.
- A part of a set that is missing after the last known one: Takeout does not say how many there are.
- WhatsApp and Google Chat conversations are read on one core, and from their beginning after an interruption.
- Signal Desktop's encrypted database, and Telegram's HTML export: choose JSON there.

Tables and records of your own are read with a mapping: [Exports of your own](exports-of-your-own.md).

A new format is one module in `forge_core/sources/` with a `READER`; nothing else names it.
"""
FEATURES = """\
<!-- Made by docs/generate.py from forge_core/features. Do not edit: change the code and run `make docs`. -->
# Feature tables

One table of `features.*` per section. A column marked *served* is a number that models get: it is registered in
Feast, found by the columns named as *entity*, joined in the past for training and read online for serving.

- **Known at.** `known_at` is the moment from which a row's values were known. Nothing later went into it: the blocking
  check `no_leakage` builds rows again from a past that ends and compares them.
- **One source a row.** A row about a person rests on one subject and one source, so that consent and erasure reach
  exactly what rests on them. (`interactions`, where several sources tell of an item, is of the first by name.)
- **Units.** What is built again when an event comes or goes: all of a subject, a subject's month (with the months
  beside it), one event, an item, or everything.
- Hours and days are UTC.

Plain use of Feast, on the folder that `features/online` writes: `feast -c .forge/feast feature-views list`.

{tables}
"""
MiB = 2**20


def pages() -> dict[str, str]:
    """File name in docs/ -> its text."""
    flags = ", ".join(f"`{flag}`" for flag in events.TimeFlag)
    return {
        "events.md": EVENTS.format(flags=flags) + events.markdown(),
        "sources.md": sources_page(),
        "features.md": FEATURES.format(tables="\n".join(map(feature_section, TABLES))),
    }


def feature_section(table: FeatureTable) -> str:
    served = [f"entity {', '.join(f'`{name}`' for name in table.entity)}"] if table.entity else []
    facts = [
        f"from {', '.join(f'`{name}`' for name in table.inputs.values())}",
        f"unit: {table.unit}",
        f"key {', '.join(f'`{name}`' for name in table.key)}",
        *served,
        table.sensitivity,
    ]
    rows = "\n".join(
        f"| `{c.name}` | {c.type} | {'served' if c.served else ''} | {c.identifier} | {c.about} |"
        for c in table.columns
    )
    return (
        f"## {table.name}\n\n{table.about}\n\n{'; '.join(facts)}.\n\n"
        f"| column | type | | identifier | what |\n|---|---|---|---|---|\n{rows}\n"
    )


def sources_page() -> str:
    formats = sources.catalogue()
    rows = [
        f"| `{row['reader']}` | {row['format']} | {row['media']} | {_kinds(row['kinds'])} "
        f"| {len(row['languages']) or 'any'} | {row['about']} |"
        for row in formats
    ]
    worded = [row for row in formats if row["languages"]]
    matrix = [
        f"| `{row['reader']}`: {row['format']}, {row['media']} | "
        + " | ".join("✓" if language in row["languages"] else "" for language in REGIONS)
        + " |"
        for row in worded
    ]
    return SOURCES.format(
        rows="\n".join(rows),
        languages=" | ".join(str(Locale.parse(language).get_display_name("en")) for language in REGIONS),
        bars="|".join(["---"] * len(REGIONS)),
        matrix="\n".join(matrix),
        whatsapp=max(len(row["languages"]) for row in worded),
        limits="\n".join(
            f"| `{one.name}` | {_shown(one.default)} | {one.metadata['about']} |"
            for one in fields(sources.Options)
        ),
    )


def _kinds(kinds: str) -> str:
    return "all" if kinds.count(",") + 1 == len(events.KINDS) else kinds or "none"


def _shown(value: object) -> str:
    if isinstance(value, int) and value >= MiB and not value % MiB:
        return f"{value // MiB} MiB"
    return f"{value:,}" if isinstance(value, int | float) else "none"


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")
