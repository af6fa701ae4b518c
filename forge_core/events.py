"""The contract of life events: one table per kind, declared once.

Table DDL, frame schemas, checks and docs are all made from ``KINDS`` below. Nothing else in the
project repeats a column name with its type.

Identity of an event is (subject, kind, item, time to the second), numbered where it occurs twice
in one file. Neither export nor file format is part of it: the JSON and the HTML history of one
person are one history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


class Identifier(StrEnum):
    """What a column could tell about a person, and so how it is pseudonymised in ``clean``."""

    PERSON = "person"  # the subject: keyed hash
    CONTACT = "contact"  # somebody else: keyed hash
    NETWORK = "network"  # an address: keyed, prefix-preserving
    PLACE = "place"  # a coordinate: coarsened to a cell
    TEXT = "text"  # free text: may hold identifiers
    NONE = "none"


class TimeFlag(StrEnum):
    """Why ``time`` is missing or not quite what was exported."""

    UNKNOWN = "unknown"  # no time in the export; ``sequence`` keeps the order
    NO_ZONE = "no_zone"  # a local time without zone, read as UTC
    UNKNOWN_ZONE = "unknown_zone"  # a zone name that no table knows, read as UTC
    IMPLAUSIBLE = "implausible"  # before 1970-01-02, or in the future of what is not planned: set to unknown
    LEAP_SECOND = "leap_second"  # second 60, read as second 59


# type name -> PostgreSQL type; ``arrow_schema`` has the Arrow side
TYPES = {
    "text": "text",
    "int": "bigint",
    "float": "double precision",
    "bool": "boolean",
    "time": "timestamptz",
    "texts": "text[]",
    "uuid": "uuid",
}


@dataclass(frozen=True)
class Column:
    """One typed column of the contract with its identifier class."""

    name: str
    type: str
    about: str
    identifier: Identifier = Identifier.NONE
    required: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of life event: what its ``item`` is, and the columns it adds to the common ones."""

    name: str
    about: str
    item: str
    columns: tuple[Column, ...]
    planned: bool = False  # its times may lie ahead


# Nothing is planned for longer than this; what says so is a mistake.
PLANNED_UNTIL = "2100-01-01"

# What a reader yields for every kind. ``subject`` is null where the archive's subject applies.
READ_COLUMNS = (
    Column("subject", "text", "whose event it is", Identifier.PERSON, required=True),
    Column("item", "text", "what it is about, with a namespace: youtube:…", required=True),
    Column("time", "time", "when, in UTC; null where the export does not say"),
    Column("zone", "text", "the zone as exported"),
    Column("time_flag", "text", "why the time is missing or doubtful"),
    Column("sequence", "int", "position in the file it came from, oldest first", required=True),
)

# What Forge adds when it publishes the event.
ADDED_COLUMNS = (
    Column("event_id", "uuid", "identity: the same event is the same id in any export", required=True),
    Column("source", "text", "the exporting system: youtube, chrome, …", required=True),
    Column("export", "text", "partition key of the export it first arrived with", required=True),
)

_T, _C = Identifier.TEXT, Identifier.CONTACT

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "watch",
            "something watched, listened to or rated",
            "the film, video or song",
            (
                Column("title", "text", "title of the item", _T),
                Column("channel", "text", "who published it", _T),
                Column("channel_id", "text", "the publisher's id"),
                Column("categories", "texts", "genres or categories"),
                Column("url", "text", "link to the item"),
                Column("rating", "float", "rating given, where the source has one"),
            ),
        ),
        Kind(
            "search",
            "a query typed into a search box",
            "product and normalised query",
            (
                Column("query", "text", "the words", _T),
                Column("product", "text", "where it was searched: Search, YouTube, …"),
                Column("url", "text", "link to the results", _T),
            ),
        ),
        Kind(
            "browse",
            "a page visited in a browser",
            "the address",
            (
                Column("title", "text", "title of the page", _T),
                Column("url", "text", "address of the page", _T),
                Column("domain", "text", "host name of the address"),
                Column("transition", "text", "how the visit began: link, typed, …"),
                Column("seconds", "float", "how long the page was open, where known"),
            ),
        ),
        Kind(
            "message",
            "a mail or chat message",
            "message id",
            (
                Column("thread", "text", "conversation it belongs to", _C),
                Column("sender", "text", "who wrote it", _C),
                Column("recipients", "texts", "who received it", _C),
                Column("title", "text", "subject line", _T),
                Column("body", "text", "plain text", _T),
                Column("labels", "texts", "folders and labels"),
                Column("attachments", "texts", "media type, bytes and name of each attachment", _T),
            ),
        ),
        Kind(
            "document",
            "a document or note",
            "path in the export",
            (
                Column("title", "text", "title", _T),
                Column("body", "text", "plain text", _T),
                Column("media_type", "text", "MIME type"),
                Column("author", "text", "who wrote it", _C),
                Column("labels", "texts", "folders and labels", _T),
            ),
        ),
        Kind(
            "calendar",
            "a calendar entry; time is its start",
            "entry id and recurrence",
            (
                Column("title", "text", "what", _T),
                Column("end_time", "time", "end, in UTC"),
                Column("all_day", "bool", "without time of day"),
                Column("location", "text", "where, as written", _T),
                Column("organizer", "text", "who invited", _C),
                Column("attendees", "texts", "who was invited", _C),
            ),
            planned=True,
        ),
        Kind(
            "place",
            "a position or a visit; time is its start",
            "place id or cell",
            (
                Column("latitude", "float", "degrees north", Identifier.PLACE),
                Column("longitude", "float", "degrees east", Identifier.PLACE),
                Column("accuracy", "float", "metres"),
                Column("end_time", "time", "end of the visit, in UTC"),
                Column("activity", "text", "still, walking, driving, …"),
                Column("place_name", "text", "name as exported", _T),
            ),
        ),
        Kind(
            "security",
            "a login, an access, an account change",
            "service and action",
            (
                Column("action", "text", "what was done"),
                Column("outcome", "text", "success, failure or unknown"),
                Column("address", "text", "network address", Identifier.NETWORK),
                Column("country", "text", "country as exported"),
                Column("device", "text", "device or user agent", _T),
                Column("account", "text", "account acted on", _C),
                Column("message", "text", "the line or record as logged", _T),
            ),
        ),
        Kind(
            "app_usage",
            "an app installed or used",
            "package name",
            (
                Column("title", "text", "name of the app"),
                Column("action", "text", "installed, opened, removed"),
                Column("seconds", "float", "how long, where known"),
            ),
        ),
        Kind(
            "preference",
            "a setting or an attribute of a subject",
            "name of the setting, attribute:… for attributes",
            (Column("value", "text", "its value", _T),),
        ),
        Kind(
            "feedback",
            "what a person said of an answer of Forge",
            "the answer it is about",
            (
                Column("verdict", "text", "like, dislike, deny, false_alert, …"),
                Column("about", "text", "the asset that gave the answer"),
            ),
        ),
    )
}


def columns(kind: str) -> tuple[Column, ...]:
    """All columns of the stored table of ``kind``, in order."""
    return (*ADDED_COLUMNS, *READ_COLUMNS, *KINDS[kind].columns)


def reader_columns(kind: str) -> tuple[Column, ...]:
    """The columns a reader yields for ``kind``, in order."""
    return (*READ_COLUMNS, *KINDS[kind].columns)


def arrow_schema(kind: str) -> pa.Schema:
    """The Arrow schema of the batches a reader yields for ``kind``; ``subject`` may be null there."""
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "texts": pa.list_(pa.string()),
    }
    return pa.schema(
        [
            pa.field(c.name, types[c.type], nullable=not c.required or c.name == "subject")
            for c in reader_columns(kind)
        ]
    )


def create_table(kind: str, layer: str) -> str:
    """DDL of the table ``layer.kind``; ``layer`` is ``raw`` or ``clean``."""
    lines = [
        f"{c.name} {TYPES[c.type]}{' not null' if c.required else ''}{' primary key' if c.name == 'event_id' else ''}"
        for c in columns(kind)
    ]
    return f"create table if not exists {layer}.{kind} ({', '.join(lines)})"


def violations(kind: str) -> dict[str, str]:
    """SQL conditions that no stored row may meet, by name: the structure check counts them."""
    flags = ", ".join(f"'{flag.value}'" for flag in TimeFlag)
    rules = {f"{c.name}_missing": f"{c.name} is null" for c in columns(kind) if c.required}
    latest = f"timestamptz '{PLANNED_UNTIL}Z'" if KINDS[kind].planned else "now() + interval '2 days'"
    return rules | {
        "item_without_namespace": "position(':' in item) < 2",
        "time_missing_without_flag": "time is null and time_flag is null",
        "unknown_time_flag": f"time_flag is not null and time_flag not in ({flags})",
        "time_in_the_future": f"time > {latest}",
        "time_before_1970": "time < '1970-01-02Z'",
    }


def markdown(kinds: Sequence[str] = tuple(KINDS)) -> str:
    """The contract as documentation: one table per kind."""
    parts = []
    for name in kinds:
        kind = KINDS[name]
        rows = "\n".join(f"| `{c.name}` | {c.type} | {c.identifier} | {c.about} |" for c in columns(name))
        parts.append(
            f"### {name}\n\n{kind.about[:1].upper()}{kind.about[1:]}. `item`: {kind.item}.\n\n"
            f"| column | type | identifier | what |\n|---|---|---|---|\n{rows}\n"
        )
    return "\n".join(parts)
