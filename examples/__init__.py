"""Invented data to try Forge with; see ``generator``."""
