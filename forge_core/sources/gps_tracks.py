"""Tracks and places of GPS receivers and maps: GPX, and KML as Google and others write it.

What has no time is a plan, a drawing or a saved place, and no event: it is passed over.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from forge_core.archives import Archive, Member
from forge_core.sources.base import BATCH_ROWS, Batch, Format, MemberReader, Sink
from forge_core.sources.encoding import as_utf8
from forge_core.sources.location_columns import Columns, Visit, batches, movement
from forge_core.sources.xml_stream import Elements

SOURCE = "gps"
PENDING_MAX = 500_000  # times of one KML track that wait for their positions
_PROLOG = rb"(?:<\?xml[^>]{0,200}\?>\s*|<!--(?:[^-]|-(?!->))*-->\s*|<!DOCTYPE[^>\[]{0,500}>\s*)*"
_DECLARED = rb"(?:<!DOCTYPE[^>]{0,200}\[.*?)?"  # entities are refused when reading, by name
_ROOT = re.compile(rb"\s*" + _PROLOG + _DECLARED + rb"<(?:\w{1,20}:)?(gpx|kml)[\s>]", re.S)
_NUMBER = re.compile(r"[+-]?\d{1,20}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,3})?\Z")
KEPT = 4096  # bytes that ``recognise`` is given
_VIEWS = {"LookAt", "Camera"}  # their times say what a map shows, not when somebody was there


class Layout(Protocol):
    """What a layout makes of elements."""

    leaves: frozenset[str]
    anchor: bytes

    def __init__(self, columns: Columns, sink: Sink) -> None: ...
    def start(self, name: str, attributes: dict[str, str]) -> None: ...
    def end(self, name: str, text: str) -> None: ...


class Gpx:
    """``trkpt`` and ``wpt`` with a time; ``rtept`` are plans."""

    leaves = frozenset({"time", "name", "type"})
    anchor = rb"<(?:\w{1,20}:)?(?:trkpt|wpt)\b"

    def __init__(self, columns: Columns, sink: Sink) -> None:
        self._columns, self._sink = columns, sink
        self._at: tuple[str | None, str | None] | None = None  # of the point that is open
        self._point = self._time = self._name = ""
        self._kind: str | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name in ("trkpt", "wpt", "rtept"):
            self._point, self._at = name, (attributes.get("lat"), attributes.get("lon"))
            self._time = self._name = ""
        elif name in ("trk", ""):
            self._point, self._kind = "", None

    def end(self, name: str, text: str) -> None:
        if name == "time":
            self._time = text
        elif name == "name":
            self._name = text
        elif name == "type" and not self._point:
            self._kind = movement(text)
        elif name == self._point and self._at is not None:
            self._done(*self._at)
            self._point, self._at = "", None

    def _done(self, latitude: str | None, longitude: str | None) -> None:
        north, east = number(latitude), number(longitude)
        if self._point == "rtept":
            self._sink.pass_over("a planned route")
        elif not self._time:
            self._sink.pass_over("no time")
        elif north is None or east is None:
            self._sink.quarantine("unknown coordinates")
        else:
            waypoint = self._point == "wpt"
            named = Visit(name=self._name, is_point=True) if waypoint and self._name else None
            activity = None if waypoint else self._kind
            self._columns.point(self._time, north, east, activity=activity, visit=named)


class Kml:
    """Placemarks with a moment or a span of time, and ``gx:Track``."""

    leaves = frozenset({"name", "address", "when", "begin", "end", "coordinates", "coord", "value"})
    anchor = rb"<(?:\w{1,20}:)?Placemark\b"

    def __init__(self, columns: Columns, sink: Sink) -> None:
        self._columns, self._sink = columns, sink
        self._whens: deque[str] = deque()
        self._coords: deque[str] = deque()
        self._inside: list[str] = []  # elements that are open
        self._clear()

    def _clear(self) -> None:
        self._whens.clear()
        self._coords.clear()
        self._told: dict[str, str] = {}
        self._category = self._tracked = self._too_long = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name in ("Placemark", ""):
            self._inside = []
            self._clear()
        elif name == "Data":
            self._category = attributes.get("name", "").lower() == "category"
        self._inside.append(name)

    def end(self, name: str, text: str) -> None:
        if self._inside:
            self._inside.pop()
        within = self._inside[-1] if self._inside else ""
        if within == "Track" and name in ("when", "coord"):
            self._step(self._whens if name == "when" else self._coords, text)
        elif name == "Track":
            self._sink.quarantine("half a coordinate", len(self._whens) + len(self._coords))
            self._whens.clear()
            self._coords.clear()
        elif name == "value" and self._category:
            self._told.setdefault("category", text)
        elif name == "coordinates":
            self._told.setdefault("path" if within == "LineString" else "point", text)
        elif name == "Placemark":
            self._done()
            self._clear()
        elif name in ("name", "address", "when", "begin", "end") and text and _VIEWS.isdisjoint(self._inside):
            self._told.setdefault(name, text)

    def _step(self, waiting: deque[str], text: str) -> None:
        self._tracked = True
        waiting.append(text[:100])
        if self._whens and self._coords:
            self._point(self._whens.popleft(), self._coords.popleft().split())
        elif len(waiting) > PENDING_MAX:
            self._sink.quarantine("too long", 0 if self._too_long else 1)
            self._too_long = True
            waiting.popleft()

    def _done(self) -> None:
        told = self._told
        begin, end = told.get("begin") or told.get("when"), told.get("end")
        points = (told.get("point") or told.get("path") or "").split()
        if self._tracked:
            return
        if not points:
            self._sink.pass_over("no coordinates")
        elif begin is None:
            self._sink.pass_over("no time")
        elif "point" in told:
            visit = Visit(end, None, told.get("name") or told.get("address"), is_point=end is None)
            self._point(begin, points[0].split(","), visit)
        else:  # a journey: its ends have times, what lies between has none
            activity = movement(told.get("category"))
            self._point(begin, points[0].split(","), activity=activity)
            if end is not None:
                self._point(end, points[-1].split(","), activity=activity)

    def _point(
        self, at: str, where: list[str], visit: Visit | None = None, activity: str | None = None
    ) -> None:
        east, north = (number(text) for text in (*where, "", "")[:2])
        if north is None or east is None:
            self._sink.quarantine("unknown coordinates")
        else:
            self._columns.point(at, north, east, visit=visit, activity=activity)


class GpsTracks(MemberReader):
    name = "gps_tracks"
    system = "gps"
    formats = (
        Format("tracks and waypoints", "GPX", ("place",), "what has a time; planned routes are passed over"),
        Format("placemarks and tracks", "KML", ("place",), "what has a time: TimeStamp, TimeSpan, gx:Track"),
    )

    def recognise(self, head: bytes) -> bool:
        return bool(_ROOT.match(head))

    def rows(self, archive: Archive, member: Member, sink: Sink) -> Iterator[Batch]:
        found = _ROOT.match(as_utf8(archive.head(member, 4 * KEPT)))  # four bytes a character at most
        columns, first = Columns(), 0
        layout: Layout = Kml(columns, sink) if found and found[1] == b"kml" else Gpx(columns, sink)
        elements = Elements(layout.start, layout.end, layout.leaves, layout.anchor)
        with archive.open(member) as stream:
            for _ in elements.read(stream, sink):
                if len(columns.times) >= BATCH_ROWS:
                    yield from batches(columns, sink, first, SOURCE)
                    first += len(columns.times)
                    columns.clear()
        yield from batches(columns, sink, first, SOURCE)


def number(text: str | None) -> float | None:
    """Degrees; None for anything but a number (NaN too)."""
    return float(text) if text and _NUMBER.match(text.strip()) else None


READER = GpsTracks()
