"""What a feature table is: its columns, what a row is about, from when on it is known, and the SQL that makes it.

Tables, checks, Feast's definitions and docs/features.md are all made from this.

**Known at.** ``known_at`` is the moment from which a row's values were known: nothing later than it went into
them. A training set may join a row to a label only from then on (point-in-time join), and the leakage check
builds rows again from a past that ends there and compares.

**One source a row.** A row about a person rests on one subject and one source, so that consent for a source,
and its erasure, reach exactly the rows that rest on it.

**Units.** A unit is a part of a table that can be built again by itself: see :class:`Unit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from string import Template

from forge_core import events
from forge_core.events import TYPES, Identifier


class Unit(StrEnum):
    """What a row rests on, and so what is built again when an event comes or goes."""

    SUBJECT = "subject"  # all events of one subject
    MONTH = "month"  # a subject's events of a month (UTC) and of the month before and after it
    EVENT = "event"  # one event; kept by subject and month
    ITEM = "item"  # all events with one item
    ALL = "all"  # everything


@dataclass(frozen=True)
class Column(events.Column):
    """One typed column; ``served`` says that models get it, as a number, from the feature store."""

    served: bool = False


@dataclass(frozen=True)
class FeatureTable:
    """``select`` is SQL over ``$<input>``; ``inputs`` says which table each of these names is.

    ``key`` names the columns that tell rows apart. ``entity`` are the columns by which the feature store finds
    a row; empty: it is not registered there. ``when`` is the column that says to which month a row belongs.
    ``rules`` are conditions that no row may meet, by name. ``derived`` are columns that the database computes and
    ``indexes`` what follows ``create index on …``; neither is part of the content.
    """

    name: str
    about: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    inputs: Mapping[str, str]  # name in the SQL -> key of the asset it reads
    unit: Unit
    select: str
    rules: Mapping[str, str] = field(default_factory=dict)
    entity: tuple[str, ...] = ()
    when: str | None = None
    point_in_time: bool = True
    derived: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    version: str = "1"

    @property
    def asset(self) -> str:
        return f"features/{self.name}"

    @property
    def address(self) -> str:
        return f"features.{self.name}"

    @property
    def served(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.served)

    @property
    def sensitivity(self) -> str:
        """``personal`` where rows carry a subject, else ``aggregate``."""
        return "personal" if any(column.name == "subject" for column in self.columns) else "aggregate"

    def query(self, relations: Mapping[str, str]) -> str:
        """The SELECT over ``relations``: for each input name a table or a subquery in brackets."""
        return Template(self.select).substitute(relations)

    def violations(self) -> dict[str, str]:
        """All rules, with those that follow from the columns."""
        missing = {f"{c.name}_missing": f"{c.name} is null" for c in self.columns if c.required}
        return missing | dict(self.rules)

    def create(self, address: str) -> str:
        """DDL of the table."""
        declared = [
            f"{c.name} {TYPES[c.type]}{' not null' if c.name in self.key else ''}" for c in self.columns
        ]
        return f"create table {address} ({', '.join([*declared, *self.derived])})"


SUBJECT = Column("subject", "text", "whose events these are", Identifier.PERSON, required=True)
SOURCE = Column("source", "text", "the exporting system they came from", required=True)
EXPORT = Column("export", "text", "the export that the first of them came with", required=True)
KNOWN_AT = Column("known_at", "time", "from when on this row was known")
