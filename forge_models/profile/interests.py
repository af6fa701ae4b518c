"""Evidence of interests, languages and mood: channels, categories, sites, apps, topics, and how texts sound.

What is searched for is left out: queries are too many, too varied and too private to be told back as tastes.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from forge_core import keys
from forge_models.profile.evidence import exploded, folded, joined, rows

WATCH, BROWSE, APPS = keys.clean("watch"), keys.clean("browse"), keys.clean("app_usage")
TOPICS, SENTIMENT = keys.TOPICS, keys.SENTIMENT
NEEDED = {
    WATCH: ("subject", "source", "export", "event_id", "time", "channel", "channel_id", "categories"),
    BROWSE: ("subject", "source", "export", "event_id", "time", "domain"),
    APPS: ("subject", "source", "export", "event_id", "time", "item", "title"),
    keys.CHUNKS: ("subject", "source", "export", "event_id", "part", "language", "time"),
    TOPICS: ("subject", "source", "export", "week", "topic", "name", "words", "texts"),
    SENTIMENT: ("subject", "source", "export", "week", "texts", "score"),
}
EVEN = 0.15  # a week whose mean lies nearer to zero sounds neither way
LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean",
    "lt": "Lithuanian", "lv": "Latvian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


def watched(table: pa.Table) -> list[pa.Table]:
    """Channels and categories of what was watched."""
    channel = table["channel"].cast(pa.string())
    known = pc.coalesce(table["channel_id"].cast(pa.string()), folded(channel))
    by_channel = rows(table, "time", "interest", joined("channel:", known), channel, WATCH)
    by_category = exploded(table, "categories")
    of = by_category["categories"]
    return [by_channel, rows(by_category, "time", "interest", joined("category:", folded(of)), of, WATCH)]


def browsed(table: pa.Table) -> list[pa.Table]:
    domain = folded(table["domain"])
    domain = pc.replace_substring_regex(domain, r"^www\.", "")
    return [rows(table, "time", "interest", joined("site:", domain), domain, BROWSE)]


def used(table: pa.Table) -> list[pa.Table]:
    item = table["item"].cast(pa.string())
    label = pc.coalesce(table["title"].cast(pa.string()), item)
    return [rows(table, "time", "interest", joined("app:", item), label, APPS)]


def topics(table: pa.Table) -> list[pa.Table]:
    """Topics of mail, chats and documents, by week, as the nlp family tells them."""
    thing = joined("topic:", table["topic"].cast(pa.string()))
    words = pc.binary_join(table["words"].cast(pa.list_(pa.string())), ", ")
    label = pc.if_else(pc.greater(pc.utf8_length(pc.fill_null(words, "")), 0), words, table["name"])
    weight = table["texts"].cast(pa.float64())
    return [rows(table, "week", "interest", thing, label, TOPICS, weight, event_id=None)]


def languages(table: pa.Table) -> list[pa.Table]:
    """One for each message or document, by its first passage."""
    first = table.filter(pc.and_(pc.equal(table["part"], 0), table["language"].is_valid()))
    code = first["language"].cast(pa.string())
    label = pa.array([LANGUAGES.get(one, one) for one in code.to_pylist()], pa.string())
    return [rows(first, "time", "language", joined("language:", code), label, keys.CHUNKS)]


def moods(table: pa.Table) -> list[pa.Table]:
    """How the texts of a week sound, as the nlp family tells it."""
    score = table["score"]
    sounds = pc.if_else(
        pc.greater(score, EVEN), "positive", pc.if_else(pc.less(score, -EVEN), "negative", "even")
    )
    weight = table["texts"].cast(pa.float64())
    return [rows(table, "week", "mood", joined("mood:", sounds), sounds, SENTIMENT, weight, event_id=None)]


TELLERS = {
    WATCH: watched,
    BROWSE: browsed,
    APPS: used,
    TOPICS: topics,
    keys.CHUNKS: languages,
    SENTIMENT: moods,
}
