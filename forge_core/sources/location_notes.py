"""What lies beside a location history and holds no position: settings, and a note about encrypted backups."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from forge_core.archives import Archive, Member
from forge_core.sources.base import Batch, Format, Head, MemberReader, Sink
from forge_core.sources.options import Options

HOW_TO_EXPORT = (
    "encrypted backups, which nobody can read: export the Timeline on the phone. Android: Settings, Location, "
    "Location services, Timeline, Export Timeline data. iPhone: Google Maps, your picture, Your Timeline, "
    "Location and privacy settings, Export Timeline data."
)
SETTINGS = "settings of the location history: no positions in it"
NOTE_MAX = 4096  # bytes; the note is a sentence or two
_NOTE = re.compile(rb"encrypted\b.{0,80}\bbackups?\b", re.I | re.S)
_TIMELINE = re.compile(rb"timeline|location history", re.I)
_NOTE_NAME = "encrypted backups.txt"
_SETTINGS = re.compile(
    rb'\s*\{\s*"(?:createdTime|modifiedTime|historyEnabled|deviceSettings|retentionWindowDays|'
    rb'hasReportedLocations|hasSetRetention)"\s*:'
)
_OF_LOCATIONS = re.compile(
    rb'"(?:historyEnabled|hasReportedLocations|hasSetRetention|retentionWindowDays)"\s*:'
)


class LocationNotes(MemberReader):
    """Takes members to say what they are, so that nobody wonders where the positions went."""

    name = "location_notes"
    formats = (
        Format("encrypted backups", "text", (), "a note in place of the Timeline: says how to export it"),
        Format("settings", "JSON", (), "Settings.json of the location history: skipped"),
    )

    def claim(self, heads: Mapping[str, Head], options: Options) -> Sequence[str]:
        """Notes by their words; in another language by their name, where such settings lie beside them."""
        settings = {name for name, head in heads.items() if self.recognise(head.data)}
        folders = {name.rpartition("/")[0] for name in settings}
        found = []
        for name, head in heads.items():
            folder, _, last = name.rpartition("/")
            known = _NOTE.search(head.data) and _TIMELINE.search(head.data)
            named = last.lower() == _NOTE_NAME and folder in folders
            if name in settings or (is_note(head) and (known or named)):
                found.append(name)
        return found

    def recognise(self, head: bytes) -> bool:
        return bool(_SETTINGS.match(head) and _OF_LOCATIONS.search(head))

    def rows(self, archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
        told = self.recognise(archive.head(member, NOTE_MAX))
        sink.report.status, sink.report.reason = "skipped", SETTINGS if told else HOW_TO_EXPORT
        yield from ()


def is_note(head: Head) -> bool:
    """A short plain text."""
    start = head.data.lstrip()[:1]
    return 0 < head.member.size <= NOTE_MAX and bool(start) and start not in b"{[<" and b"\0" not in head.data


READER = LocationNotes()
