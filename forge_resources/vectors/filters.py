"""Which rows of a space a search may see, as one SQL condition inside the query and as a mask of rows in memory.

Consent is read as its few words, never asked row by row: :class:`Words` answers for a pair of subject and source
what :func:`forge_resources.consent.allowed` answers in SQL. Values are always parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from forge_core import keys
from forge_core.errors import UsageError

if TYPE_CHECKING:
    import psycopg

MANY = 32  # pairs of subject and source that are still compared one by one


@dataclass(frozen=True)
class Filter:
    """What a row must be: of this subject (a pseudonym), of one of these sources, in [since, until), consented.

    ``purpose`` asks for consent to it by the row's subject and source. ``equal`` compares other columns of the
    space. Rows of unknown time are outside every span of time. An empty filter sees everything.
    """

    subject: str | None = None
    sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    purpose: str | None = None
    equal: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.sources, str):
            raise TypeError("sources is a tuple of names")
        if self.purpose is not None and self.purpose not in keys.PURPOSES:
            raise UsageError(
                "FORGE-CONSENT-WORD", "Unknown purpose.", f"Purposes: {', '.join(keys.PURPOSES)}."
            )

    def needs(self) -> set[str]:
        """The columns a space must have for this filter to mean anything."""
        wanted = set(self.equal)
        if self.subject is not None or self.purpose is not None:
            wanted.add("subject")
        if self.sources or self.purpose is not None:
            wanted.add("source")
        if self.since is not None or self.until is not None:
            wanted.add("time")
        return wanted


@dataclass(frozen=True)
class Condition:
    """SQL and its named parameters."""

    sql: str = "true"
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Words:
    """What consent says for one purpose: (subject or ``*``, source or ``*``) -> granted."""

    granted: Mapping[tuple[str, str], bool]

    @classmethod
    def read(cls, connection: psycopg.Connection, purpose: str) -> Words:
        """The words that hold now; an expired one says nothing."""
        rows = connection.execute(
            "select subject, source, state = 'granted' from governance.consent"
            " where purpose = %s and (expires is null or expires > now())",
            (purpose,),
        )
        return cls({(subject, source): granted for subject, source, granted in rows})

    def allow(self, subject: str | None, source: str | None) -> bool:
        """The most particular word counts, and a denial beats a grant."""
        for particular in ([(subject, source)], [(subject, "*"), ("*", source)], [("*", "*")]):
            said = [self.granted[pair] for pair in particular if pair in self.granted]  # type: ignore[index]
            if said:
                return all(said)
        return False

    def condition(self) -> Condition:
        """The same as SQL over the columns ``subject`` and ``source``, which are never null.

        Plain comparisons joined by and, or, not: the planner can tell how many rows they leave.
        """
        default = self.granted.get(("*", "*"), False)
        parameters: dict[str, Any] = {}

        def named(granted: bool, particular: int) -> str:
            words = [
                pair for pair, said in self.granted.items()
                if said is granted and 2 - pair.count("*") == particular
            ]  # fmt: skip
            if len(words) > MANY and particular == 2:
                both = [f"words_{granted}_{column}s" for column in ("subject", "source")]
                parameters.update(zip(both, map(list, zip(*words, strict=True)), strict=True))
                return f"(subject, source) in (select * from unnest(%({both[0]})s::text[], %({both[1]})s::text[]))"
            if particular == 2:
                return _any(_both(pair, f"word_{granted}_{n}", parameters) for n, pair in enumerate(words))
            parts = []
            for place, column in enumerate(("subject", "source")):
                if values := [pair[place] for pair in words if pair[place] != "*"]:
                    name = f"{column}s_{granted}"
                    parameters[name] = values
                    parts.append(f"{column} = any(%({name})s::text[])")
            return _any(parts)

        wide = _and(_not(named(False, 1)), _any([named(True, 1), str(default).lower()]))
        return Condition(_and(_not(named(False, 2)), _any([named(True, 2), wide])), parameters)


def _both(pair: tuple[str, str], name: str, parameters: dict[str, Any]) -> str:
    parameters[f"{name}_subject"], parameters[f"{name}_source"] = pair
    return f"(subject = %({name}_subject)s and source = %({name}_source)s)"


def _any(parts: Iterable[str]) -> str:
    """Of these at least one; what is plainly true or false is not said."""
    kept = [part for part in parts if part != "false"]
    if "true" in kept:
        return "true"
    return "(" + " or ".join(kept) + ")" if kept else "false"


def _and(one: str, other: str) -> str:
    if "false" in (one, other):
        return "false"
    return other if one == "true" else one if other == "true" else f"({one} and {other})"


def _not(part: str) -> str:
    return {"false": "true", "true": "false"}.get(part, f"not {part}")


def condition(asked: Filter, words: Words | None) -> Condition:
    """The whole filter as SQL; ``words`` are those of its purpose."""
    parts: list[str] = []
    parameters: dict[str, Any] = {}
    if asked.subject is not None:
        parts.append("subject = %(subject)s")
        parameters["subject"] = asked.subject
    if asked.sources:
        parts.append("source = any(%(sources)s)")
        parameters["sources"] = list(asked.sources)
    for name, sign, moment in (("since", ">=", asked.since), ("until", "<", asked.until)):
        if moment is not None:
            parts.append(f"time {sign} %({name})s")
            parameters[name] = aware(moment)
    for number, (column, value) in enumerate(asked.equal.items()):
        parts.append(f"{column} = %(equal_{number})s")
        parameters[f"equal_{number}"] = value
    if words is not None:
        consented = words.condition()
        if consented.sql != "true":
            parts.append(consented.sql)
            parameters |= consented.parameters
    return Condition(" and ".join(parts) or "true", parameters)


def aware(moment: datetime) -> datetime:
    """A time without a zone is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
