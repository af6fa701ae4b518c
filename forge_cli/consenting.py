"""Consent at the first ingest: recorded as given, never assumed for a person's data."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from forge_cli.output import say
from forge_core import keys

if TYPE_CHECKING:
    from forge_resources.stores import Stores

QUESTION = f"""\
May Forge learn from this data on this machine, for: {", ".join(keys.PURPOSES)}?
Nothing leaves the machine, and you can change your mind at any time."""

HOW = "No consent is recorded, so nothing is learned from this data. Grant it with --consent all."


def settle(stores: Stores, word: str | None, default: bool = False, yes_by: str | None = None) -> list[str]:
    """Record the consent this ingest brings; returns what a person should know of it.

    Public and invented data needs no person's word. For a person's data it is ``--consent``, else the
    answer on a terminal (``default`` where just Enter is pressed), else ``yes_by``, a command whose very
    use says yes, else nothing.
    """
    population = stores.exports.population() or "personal"
    if population != "personal":
        return _public(stores, population)
    if word == "all":
        stores.consent.grant_all("--consent all")
        return ["Consent for all purposes is recorded (--consent all)."]
    if word == "none":
        return _deny(stores, "--consent none")
    if stores.consent.any_recorded():
        return []
    if sys.stdin.isatty() and sys.stderr.isatty():
        say(QUESTION)
        if click.confirm("Consent", default=default, err=True):
            stores.consent.grant_all("asked at the first ingest")
            return ["Consent for all purposes is recorded."]
        return _deny(stores, "asked at the first ingest")
    if yes_by:
        stores.consent.grant_all(yes_by)
        return [f"Consent for all purposes is recorded, given by calling `{yes_by}` on this export."]
    say(HOW)
    return [HOW]


def _public(stores: Stores, population: str) -> list[str]:
    """Grant for what is nobody's data; said aloud once."""
    if stores.consent.any_recorded():
        return []
    by = "synthetic data" if population == "synthetic" else "public benchmark set"
    stores.consent.grant_all(by)
    return [f"Consent for all purposes is recorded: {by}."]


def _deny(stores: Stores, by: str) -> list[str]:
    for purpose in keys.PURPOSES:
        stores.consent.set(purpose, "denied", by)
    return ["Denied for all purposes: raw rows are kept, nothing is learned from them."]
