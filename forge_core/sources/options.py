"""Where reading stops: limits on records, rules and windows, and the mappings of tables of one's own.

All of it can be set in ``forge.yaml`` under ``reading:``; the defaults stand in docs/sources.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

MiB = 2**20


def limit(default: Any, about: str) -> Any:
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class TableMapping:
    """How a CSV or JSONL file of one's own becomes events: ``reading.mappings`` in forge.yaml.

    ``columns`` maps columns of the contract (with ``item`` and ``time``) to those of the file. A file is
    recognised by having all of them.
    """

    name: str
    kind: str
    columns: Mapping[str, str]
    constants: Mapping[str, str] = field(default_factory=dict)  # columns with one value for all rows
    time_format: str | None = None  # strptime; unset: ISO 8601 or a number since 1970
    zone: str | None = None  # IANA name, for times without one


@dataclass(frozen=True)
class Options:
    """What a reader may take, and how far it looks."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # an unknown limit is a typing error

    part_bytes: int = limit(4 * MiB, "a file longer than this is read in parts, on all cores")
    part_seconds: float = limit(60.0, "a part that takes longer is set aside")
    text_chars: int = limit(1_000_000, "text of a message or document; what is longer is cut there")
    message_bytes: int = limit(
        32 * MiB, "a mail; of a longer one, what comes after this is measured, not read"
    )
    document_bytes: int = limit(64 * MiB, "a document; a longer one is set aside")
    document_unpacked_bytes: int = limit(128 * MiB, "what the text of a docx or odt may unpack to")
    document_seconds: float = limit(5.0, "a pdf, docx or odt may take; then it is set aside")
    database_bytes: int = limit(128 * MiB, "a browser's database inside an archive: held in memory, twice")
    calendar_years_back: int = limit(10, "recurrences are expanded from so long ago")
    calendar_years_ahead: int = limit(1, "and until so far ahead")
    calendar_occurrences: int = limit(5_000, "of one recurring entry")
    calendar_part_occurrences: int = limit(500_000, "of all recurring entries of a part of a calendar")
    calendar_text_chars: int = limit(4_000, "title or place of an entry, which each occurrence repeats")
    calendar_attendees: int = limit(1_000, "of an entry; the others are left out")
    calendar_rule_seconds: float = limit(2.0, "one recurrence rule may take; then it is set aside")
    csv_columns: int = limit(10_000, "a table with more columns is set aside")
    line_bytes: int = limit(MiB, "a line of a log or table; a longer one is set aside")
    log_year: int | None = limit(None, "the year a log begins in whose lines have none; unset: unknown times")
    mappings: tuple[TableMapping, ...] = limit((), "tables of one's own")

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, int | float) and value <= 0:
                raise ValueError(f"{one.name} must be more than 0")


DEFAULTS = Options()
