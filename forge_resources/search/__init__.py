"""Search over passages of mail, chats and documents: by words, by meaning, and both in one ranking."""

from forge_resources.search.hybrid import SPACE, Passage, Search, search

__all__ = ["SPACE", "Passage", "Search", "search"]
