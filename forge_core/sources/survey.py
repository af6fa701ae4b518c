"""A look into an archive: what is there, whose it is, and which reader takes what. Nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from forge_core.archives import Archive, Member, MemberError, check_nesting, is_document, is_packed
from forge_core.errors import UsageError
from forge_core.sources.base import HEAD, Head, Reader
from forge_core.sources.encoding import as_utf8
from forge_core.sources.options import Options

SYNTHETIC = "forge-synthetic.json"  # our generator marks its archives with it
CELL = b'<div class="outer-cell'
_STYLES = b"mdl-"  # of the pages of activities
PAGE_HEAD = 1 << 20
KEPT, KEPT_ALL = 4096, 128 << 20  # bytes per member, and of all of them, kept to judge by
_PAGE_MAX = 4 << 20  # the archive overview has its style sheets inline
_PAGE = re.compile(rb"\s*<(?:!doctype html|html)", re.I)
_OVERVIEW = re.compile(rb"takeout|archive_browser|archive for\b", re.I)
_MAIL = re.compile(rb"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}\b")
_OWNER = re.compile(rb"(?:archive for|account:?)\s*(?:<[^>]{0,200}>\s*){0,5}(" + _MAIL.pattern + rb")", re.I)


@dataclass(frozen=True)
class Claim:
    """The members one reader takes."""

    reader: str
    members: tuple[str, ...]


@dataclass
class Survey:
    """What is in an archive. ``source`` goes into the partition key, ``subject`` into the rows."""

    source: str = "unknown"
    population: str = "personal"
    account: str | None = None
    subject: str = "me"
    claims: list[Claim] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # (member, reason)
    quarantined: list[tuple[str, str]] = field(default_factory=list)  # (member, reason)

    def as_dict(self) -> dict[str, Any]:
        """For ``--dry-run`` and metadata; whose data it is stays out."""
        return {
            "source": self.source,
            "population": self.population,
            "claims": {claim.reader: list(claim.members) for claim in self.claims},
            "skipped": dict(self.skipped),
            "quarantined": dict(self.quarantined),
        }


def survey_with(readers: Sequence[Reader], archive: Archive, subject: str | None, options: Options) -> Survey:
    """The survey of ``archive`` with these readers."""
    found = Survey(quarantined=list(archive.quarantined))
    heads = _heads(archive, found)
    taken: dict[str, str] = {}
    systems: set[str] = set()
    populations: set[str] = set()
    for reader in readers:
        last = getattr(reader, "last", False)
        if last and populations - {"personal"}:
            continue  # README, NOTICE and the like of a public set are no documents of a person
        names = [name for name in reader.claim(heads, options) if name not in taken]
        if not names:
            continue
        taken |= dict.fromkeys(names, reader.name)
        found.claims.append(Claim(reader.name, tuple(names)))
        if not last or not systems:
            systems.add(reader.system)  # a text beside an export does not name it
        populations.add(reader.population(names) or "personal")
    if len(populations) > 1:
        raise UsageError(
            "FORGE-SOURCE-MIXED",
            "The archive mixes a public data set with a person's data, or two public sets.",
            "One home holds one population.",
            "Give them one by one, each in a home of its own.",
        )
    found.source = "takeout" if "takeout" in systems else next(iter(sorted(systems)), "unknown")
    if found.population != "synthetic":
        found.population = next(iter(populations), "personal")
    found.subject = subject or found.account or "me"
    for name, head in heads.items():
        if name not in taken:
            found.skipped.append((name, _why(head)))
    found.skipped.sort()
    return found


def _heads(archive: Archive, found: Survey) -> dict[str, Head]:
    """What readers judge members by; notes on the way whose archive it is."""
    heads: dict[str, Head] = {}
    budget = KEPT_ALL
    for member in archive.members:
        try:
            data = archive.head(member, HEAD)
            if is_packed(data[:512]) and not is_document(data[:512]):
                check_nesting(archive, [member])
            data = as_utf8(data)
            if _PAGE.match(data) and CELL not in data and _STYLES in data:
                data = as_utf8(archive.head(member, PAGE_HEAD))  # style sheets stand before the first cell
            _overview(archive, member, data, found)
        except MemberError as error:
            found.quarantined.append((member.name, f"{error.code}: {error.what}"))
            continue
        start = max(data.find(CELL), 0) if _PAGE.match(data) else 0
        # an export may have 200,000 members: keep what tells them apart, not all that was looked at
        kept = data[start : start + (KEPT if budget > 0 else KEPT // 4)]
        budget -= len(kept)
        heads[member.name] = Head(member, kept)
    return heads


def _overview(archive: Archive, member: Member, data: bytes, found: Survey) -> None:
    """Whose archive it is, and whether it is our own synthetic one."""
    import msgspec

    if member.name.rpartition("/")[2] == SYNTHETIC:
        try:
            marks = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if marks.get("synthetic") is True:
            found.population = "synthetic"
    elif found.account is None and _PAGE.match(data) and CELL not in data and _OVERVIEW.search(data):
        found.account = _account(archive, member)


def _account(archive: Archive, member: Member) -> str | None:
    """The one e-mail address in the overview page of a Takeout (archive_browser.html, in any language)."""
    if member.size > _PAGE_MAX:
        return None
    page = as_utf8(archive.head(member, _PAGE_MAX))
    if owner := _OWNER.search(page):
        return owner[1].decode("utf-8", "replace").lower()
    mails = {mail.lower() for mail in _MAIL.findall(page)}
    return mails.pop().decode("utf-8", "replace") if len(mails) == 1 else None


def _why(head: Head) -> str:
    """Why nobody took a member."""
    data = head.data
    if head.member.name.rpartition("/")[2] == SYNTHETIC:
        return "the mark of a synthetic export"
    if not data.strip(b" \t\r\n\0"):
        return "empty"
    if is_packed(data[:512]) and not is_document(data[:512]):
        return "an archive inside the archive: give it by itself"
    if data.strip() in (b"[]", b"{}"):
        return "an empty list"
    return "no reader for it"
