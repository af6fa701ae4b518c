"""Text in passages: mail, chats and documents, cut so that a text encoder reads all of each."""

from forge_core import keys
from forge_core.events import Identifier
from forge_core.features.contract import EXPORT, KNOWN_AT, SOURCE, SUBJECT, Column, FeatureTable, Unit

# The text search configurations of PostgreSQL, by ISO 639-1: they know stop words and endings.
CONFIGURATIONS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "nb": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
OTHERWISE = "simple"
_CASES = " ".join(f"when '{code}' then '{name}'::regconfig" for code, name in CONFIGURATIONS.items())
_LEXEMES = (
    f"lexemes tsvector generated always as (to_tsvector(case language {_CASES} else '{OTHERWISE}'::regconfig end,"
    " coalesce(title, '') || ' ' || text)) stored"
)

CHUNKS = FeatureTable(
    name="chunks",
    about="Passages of mail, chats and documents, with language, conversation, author and time.",
    key=("chunk_id",),
    columns=(
        Column("chunk_id", "text", "event and number of the passage", required=True),
        SUBJECT,
        SOURCE,
        Column("event_id", "uuid", "the message or document it is of", required=True),
        Column("kind", "text", "message or document", required=True),
        Column("part", "int", "which passage, from 0", required=True),
        Column("title", "text", "subject line or title", Identifier.TEXT),
        Column("text", "text", "the passage", Identifier.TEXT, required=True),
        Column("language", "text", "ISO 639-1, null where there is too little text to tell"),
        Column("thread", "text", "conversation", Identifier.CONTACT),
        Column("author", "text", "token of who wrote it", Identifier.CONTACT),
        Column("time", "time", "when it was written"),
        Column("hash", "text", "of title and passage: the same text is embedded once", required=True),
        EXPORT,
        KNOWN_AT,
    ),
    inputs={kind: keys.clean(kind) for kind in ("message", "document")},
    unit=Unit.EVENT,
    when="time",
    # what forge_resources/chunking.py cuts into the columns above
    select="""
        select event_id, subject, source, export, 'message' as kind, title, body, thread, sender as author, time
        from $message where coalesce(title, body) is not null
        union all
        select event_id, subject, source, export, 'document', title, body, null, author, time
        from $document where coalesce(title, body) is not null""",
    point_in_time=False,  # a passage rests on one letter alone, and is known when that is
    derived=(_LEXEMES,),
    indexes=("using gin (lexemes)", "(chunk_id)", "(hash)"),
    rules={"empty": "text = ''", "part_negative": "part < 0"},
)

TABLES = (CHUNKS,)
