"""Text understood: topics, sentiment, names, languages and summaries of mail, chats and documents.

Importing this is light; numpy, torch and the encoder are imported when a method is called.
"""

from forge_models.nlp.description import NLP, Nlp

__all__ = ["NLP", "Nlp"]
