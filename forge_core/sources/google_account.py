"""The profile of a Google account (Profile.json): what a person stated, as attributes and settings.

Gender and birthday are ``attribute:…``, the rest ``setting:google:profile:…`` by the names Google's API gives them,
which are not translated. The profile has no times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from forge_core.archives import Archive, Member
from forge_core.sources.base import Batch, Format, MemberReader, Sink, cut
from forge_core.sources.encoding import as_utf8
from forge_core.times import UNKNOWN

_KEYS = (b"name", b"displayName", b"emails", b"gender", b"birthday", b"urls", b"photo")
_TOP = re.compile(rb'\s*\{\s*"(?:' + b"|".join(_KEYS) + rb')"\s*:')
_NAMED = re.compile(rb'"(?:givenName|formattedName|displayName)"\s*:')
SIZE_MAX = 1 << 20
DEPTH_MAX = 8
COUNT_MAX = 200
ATTRIBUTES = {"gender.type": "gender", "gender": "gender", "birthday": "birthday"}


class GoogleAccount(MemberReader):
    name = "google_account"
    formats = (Format("profile", "JSON", ("preference",), "Profile/Profile.json: stated attributes"),)

    def recognise(self, head: bytes) -> bool:
        if not _TOP.match(head):
            return False
        found = sum(b'"' + key + b'"' in head for key in _KEYS)
        return found >= 3 and bool(_NAMED.search(head))

    def rows(self, archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
        with archive.open(member) as stream:
            data = stream.read(SIZE_MAX + 1)
        if len(data) > SIZE_MAX:
            sink.quarantine("too long")
            return
        try:
            profile = msgspec.json.decode(as_utf8(data), type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            sink.quarantine("malformed")
            return
        for number, (path, value) in enumerate(scalars(profile)):
            if number >= COUNT_MAX:
                sink.quarantine("too many values")
                break
            item = f"attribute:{ATTRIBUTES[path]}" if path in ATTRIBUTES else f"setting:google:profile:{path}"
            sink.add("preference", "google", item, UNKNOWN, number, value=cut(value, sink))
        yield from sink.rest()


def scalars(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(path, value) of all that is neither list nor object; entries of lists are numbered."""
    if isinstance(value, dict) and depth < DEPTH_MAX:
        for key, one in value.items():
            yield from scalars(one, f"{path}.{key[:100]}" if path else key[:100], depth + 1)
    elif isinstance(value, list) and depth < DEPTH_MAX:
        for number, one in enumerate(value):
            yield from scalars(one, f"{path}.{number}", depth + 1)
    elif isinstance(value, bool):
        yield path, "true" if value else "false"
    elif isinstance(value, str | int | float) and value != "":
        yield path, str(value)


READER = GoogleAccount()
