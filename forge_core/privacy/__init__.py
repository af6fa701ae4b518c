"""Pseudonyms and consent, as pure functions."""
