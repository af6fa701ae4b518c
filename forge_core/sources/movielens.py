"""MovieLens as life events: ratings are watch events, attributes of people are preferences.

Two layouts, told by content: RecBole's atomic files (``.inter``, ``.item``, ``.user`` with typed column
names in the first line; times known) and SASRec's ``ml-1m.txt`` with GroupLens' ``movies.dat`` and
``users.dat`` and the two id maps (order known, times not: none is invented). Items and subjects keep
their original ids under the name of the set: ``ml-1m:2858``. Zip codes are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from forge_core.archives import Archive, Member
from forge_core.sources.base import Batch, Context, Format, Head
from forge_core.sources.movielens_layouts import Atomic, Sequential
from forge_core.sources.options import Options

_NAME = re.compile(r"[^a-z0-9-]+")
_INTER = re.compile(rb"user_id:token\titem_id:token\trating:float\ttimestamp:float\r?\n")
_ITEM = re.compile(rb"item_id:token\t[^\n]*movie_title:token_seq")
_USER = re.compile(rb"user_id:token\t[^\n]*(?:gender|age|occupation):token")
_MOVIES = re.compile(rb"\d{1,9}::[^\n]{1,400}::[^\n]{1,200}\n")
_USERS = re.compile(rb"\d{1,9}::[MF]::\d{1,3}::\d{1,2}::[^\n]{0,20}\n")
_PAIRS = re.compile(rb"(?:\d{1,9} \d{1,9}\r?\n){2,}")


class MovieLens:
    name = "movielens"
    system = "movielens"
    formats = (
        Format("MovieLens, RecBole atomic files", "text", ("watch", "preference"), ".inter, .item and .user"),
        Format(
            "MovieLens, SASRec", "text", ("watch", "preference"),
            "ml-1m.txt with movies.dat, users.dat and the id maps",
        ),
    )  # fmt: skip

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        layout = _layout({name: head.data for name, head in heads.items()})
        return [name for name in layout.values() if name] if layout else ()

    def population(self, members: Sequence[str]) -> str | None:
        return f"benchmark:{_set_name(members)}"

    def read(self, archive: Archive, members: Sequence[Member], context: Context) -> Iterator[Batch]:
        by_name = {member.name: member for member in members}
        parts = _layout({member.name: archive.head(member) for member in members})
        assert parts is not None  # these are the members it claimed
        chosen = {role: by_name[name] for role, name in parts.items()}
        kind: Any = Atomic if "inter" in chosen else Sequential
        yield from kind(_set_name([member.name for member in members]), archive, chosen, context).batches()


def _layout(heads: Mapping[str, bytes]) -> dict[str, str] | None:
    """Role -> member name of a complete set, judged by first lines and by what lies in one folder."""
    for name, data in heads.items():
        if _INTER.match(data):
            beside = {other: head for other, head in heads.items() if _folder(other) == _folder(name)}
            found = {"inter": name}
            for role, pattern in (("item", _ITEM), ("user", _USER)):
                match = next((other for other, head in beside.items() if pattern.match(head)), None)
                if match:
                    found[role] = match
            return found
    for name, data in heads.items():
        if _MOVIES.match(data) and not _USERS.match(data):
            beside = {other: head for other, head in heads.items() if _folder(other) == _folder(name)}
            users = next((other for other, head in beside.items() if _USERS.match(head)), None)
            pairs = [other for other, head in beside.items() if _PAIRS.match(head)]
            maps = [other for other in pairs if _is_map(beside[other])]
            items = next((other for other in maps if "item" in _base(other)), None)
            people = next((other for other in maps if "user" in _base(other)), None)
            orders = [other for other in pairs if other not in maps]
            if users and items and people and orders:
                order = min(orders, key=lambda other: (len(other), other))
                return {"order": order, "movies": name, "users": users, "item_ids": items, "user_ids": people}
    return None


def _is_map(head: bytes) -> bool:
    """Whether the first column counts 1, 2, 3, … (the order of a history repeats its subject)."""
    lines = head.split(b"\n")[:20]
    return all(line.split(b" ")[0] == b"%d" % number for number, line in enumerate(lines, 1) if line)


def _set_name(members: Sequence[str]) -> str:
    """``ml-1m`` of ``…/ml-1m.txt``: the stem that names the set."""
    stems = [_base(name).rpartition(".")[0] for name in members]
    stem = next((stem for stem in stems if stem.startswith("ml-")), stems[0] if stems else "")
    return _NAME.sub("-", stem).strip("-") or "movielens"


def _base(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


READER = MovieLens()
