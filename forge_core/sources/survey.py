"""A look into an archive: what is there, whose it is, and which reader takes what. Nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from forge_core.archives import Archive, Member, MemberError, check_nesting, is_packed
from forge_core.errors import UsageError
from forge_core.sources.base import HEAD, Head, Reader
from forge_core.sources.encoding import as_utf8

SYNTHETIC = "forge-synthetic.json"  # our generator marks its archives with it
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


def survey_with(readers: Sequence[Reader], archive: Archive, subject: str | None) -> Survey:
    """The survey of ``archive`` with these readers."""
    found = Survey(quarantined=list(archive.quarantined))
    heads = _heads(archive, found)
    taken: dict[str, str] = {}
    systems, populations = set(), set()
    for reader in readers:
        names = [name for name in reader.claim(heads) if name not in taken]
        if not names:
            continue
        taken |= dict.fromkeys(names, reader.name)
        found.claims.append(Claim(reader.name, tuple(names)))
        systems.add(reader.system)
        populations.add(reader.population(names) or "personal")
    if len(populations) > 1:
        raise UsageError(
            "FORGE-SOURCE-MIXED",
            "The archive mixes a public data set with a person's data, or two public sets.",
            "One home holds one population.",
            "Give them one by one, each in a home of its own.",
        )
    found.source = "takeout" if "takeout" in systems else next(iter(sorted(systems)), "unknown")
    found.population = next(iter(populations), "personal")
    _overview(archive, heads, found)
    found.subject = subject or found.account or "me"
    for name, head in heads.items():
        if name not in taken:
            found.skipped.append((name, _why(head)))
    found.skipped.sort()
    return found


def _heads(archive: Archive, found: Survey) -> dict[str, Head]:
    """The first bytes of each member, shortened to a little where nothing could want more."""
    heads: dict[str, Head] = {}
    for member in archive.members:
        try:
            data = archive.head(member, HEAD)
        except MemberError as error:
            found.quarantined.append((member.name, f"{error.code}: {error.what}"))
            continue
        if is_packed(data[:512]):
            check_nesting(archive, [member])
        data = as_utf8(data)
        # photos and the like are most of a large export: keep none of their bytes
        heads[member.name] = Head(member, data[:512] if b"\0" in data[:512] else data)
    return heads


def _overview(archive: Archive, heads: dict[str, Head], found: Survey) -> None:
    """Whose archive it is, and whether it is our own synthetic one."""
    import msgspec

    for name, head in heads.items():
        if name.rpartition("/")[2] == SYNTHETIC:
            try:
                marks = msgspec.json.decode(head.data, type=dict[str, Any])
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            if marks.get("synthetic") is True:
                found.population = "synthetic"
        elif found.account is None and _PAGE.match(head.data) and b"outer-cell" not in head.data:
            found.account = _account(archive, head.member, head.data)


def _account(archive: Archive, member: Member, head: bytes) -> str | None:
    """The one e-mail address in the overview page of a Takeout (archive_browser.html, in any language)."""
    if not _OVERVIEW.search(head) or member.size > _PAGE_MAX:
        return None
    try:
        page = as_utf8(archive.head(member, _PAGE_MAX))
    except MemberError:
        return None
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
    if is_packed(data[:512]):
        return "an archive inside the archive: give it by itself"
    if data.strip() in (b"[]", b"{}"):
        return "an empty list"
    return "no reader for it"
