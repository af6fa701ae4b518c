"""The keys of all assets as plain strings, shared by all rooms.

A key is also an address: ``clean/watch`` is the table ``clean.watch``. Nothing is imported here.
"""

from __future__ import annotations

KINDS = (
    "watch",
    "search",
    "browse",
    "message",
    "document",
    "calendar",
    "place",
    "security",
    "app_usage",
    "preference",
    "feedback",
)

PURPOSES = ("recommend", "understand", "forecast", "protect", "profile")

FAMILY_STAGES = ("training_set", "tuning", "model", "evaluation", "card", "champion")

INTERACTIONS = "features/interactions"
ITEMS = "features/items"
SUBJECTS = "features/subjects"
CHUNKS = "features/chunks"
ONLINE_FEATURES = "features/online"
DOCUMENT_VECTORS = "embeddings/documents"
PERSON_VECTORS = "embeddings/persons"
ITEM_VECTORS = "embeddings/items"
ITEM_TEXT_VECTORS = "embeddings/item_texts"
PLACE_VECTORS = "embeddings/places"
RECOMMENDATIONS = "insights/recommendations"
FORECASTS = "insights/forecasts"
NEXT_PLACES = "insights/next_places"
ALERTS = "insights/alerts"
INCIDENTS = "insights/incidents"
TOPICS = "insights/topics"
SENTIMENT = "insights/sentiment"
ENTITIES = "insights/entities"
SUMMARIES = "insights/summaries"
EVIDENCE = "insights/evidence"
PROFILE = "insights/profile"
FEEDBACK = "governance/feedback"
NAME_RECOGNISER = "reference/name_recogniser"

# Built from whatever is there: an input that was refused or never built does not hold these back.
FORGIVING = frozenset({EVIDENCE})


def raw(kind: str) -> str:
    return f"raw/{kind}"


def clean(kind: str) -> str:
    return f"clean/{kind}"


def consent(purpose: str) -> str:
    return f"governance/consent/{purpose}"


def feature(name: str) -> str:
    return f"features/{name}"


def reference(name: str) -> str:
    """A set of public labelled text."""
    return f"reference/{name}"


def family(name: str, stage: str) -> str:
    return f"{name}/{stage}"


def table(key: str) -> str:
    """The table a key names: ``clean/watch`` -> ``clean.watch``; deeper keys join by underscore."""
    schema, _, rest = key.partition("/")
    return f"{schema}.{rest.replace('/', '_')}"
