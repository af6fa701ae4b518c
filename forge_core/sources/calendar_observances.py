"""The zones of one calendar file: what tables know, else what the file's own VTIMEZONE says."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from forge_core.sources.calendar_days import days
from forge_core.sources.calendar_rules import read_rule
from forge_core.sources.calendar_values import DAY, Stamp, read_stamp
from forge_core.sources.calendar_zones import FLOATING, UTC, East, Zone, disguised, named, unknown

NAME_MAX = 200  # characters; the longest in use are display names of Windows
NAMES_MAX = 500  # zones of one part
OBSERVANCES_MAX = 2_000  # of a part; the zone with most in real files has about 160
_SINCE, _UNTIL = -3_653, 47_847  # rules of zones are worked out from 1960 to 2100, in days
_ONSETS_MAX = 200  # of a rule: one a year


class _Known:
    """No zone has a name inside a definition of a zone."""

    def __getitem__(self, name: str) -> Zone:
        return FLOATING


class Zones:
    """The zones of one file by name, worked out when asked for. ``definitions``: name -> text of VTIMEZONE."""

    def __init__(self, definitions: Mapping[str, str]) -> None:
        self._definitions = definitions
        self._found: dict[str, Zone] = {}
        self._left = OBSERVANCES_MAX

    def __getitem__(self, name: str) -> Zone:
        zone = self._found.get(name)
        if zone is None:
            if len(self._found) >= NAMES_MAX:
                return unknown(name.strip()[:NAME_MAX])
            zone = self._found[name] = self._resolve(name)
        return zone

    def _resolve(self, name: str) -> Zone:
        shown = name.strip()[:NAME_MAX]
        if zone := named(shown):
            return zone
        if (text := self._definitions.get(name.strip())) and (east := self._defined(text)):
            return Zone(shown, None, east)
        return disguised(shown) or unknown(shown)

    def _defined(self, text: str) -> East | None:
        observances = list(_observances(text, self._left))
        self._left -= len(observances)
        onsets = [onset for one in observances for onset in _onsets(one)]
        if not onsets:
            return None
        # before the first change: the first standard time, as programs have it
        standard = [one for one in observances if one["BEGIN"] == ["STANDARD"]] or observances
        before = _seconds(standard[0].get("TZOFFSETTO"))
        return _east(sorted(onsets), before or 0)


def _observances(text: str, most: int) -> Iterator[dict[str, list[str]]]:
    """Name -> values of the lines of each STANDARD and DAYLIGHT."""
    for block in text.split("\nBEGIN:")[1 : most + 1]:
        lines: dict[str, list[str]] = {}
        for line in f"BEGIN:{block.partition(chr(10) + 'END:')[0]}".split("\n"):
            head, _, value = line.partition(":")
            lines.setdefault(head.partition(";")[0].strip().upper(), []).append(value.strip())
        if lines["BEGIN"][0].upper() in ("STANDARD", "DAYLIGHT"):
            lines["BEGIN"] = [lines["BEGIN"][0].upper()]
            yield lines


def _onsets(lines: Mapping[str, list[str]]) -> Iterator[tuple[int, int, int]]:
    """(instant, seconds east before, seconds east after) of each time an observance begins."""
    start = read_stamp(lines.get("DTSTART", [""])[0], {}, _Known(), FLOATING)
    later = _seconds(lines.get("TZOFFSETTO"))
    if start is None or later is None:
        return
    earlier = _seconds(lines.get("TZOFFSETFROM"))
    earlier = later if earlier is None else earlier
    yield start.wall - earlier, earlier, later
    for value in ",".join(lines.get("RDATE", [])[:_ONSETS_MAX]).split(",")[:_ONSETS_MAX]:
        if at := read_stamp(value.partition("/")[0], {}, _Known(), FLOATING):
            yield at.wall - earlier, earlier, later
    for text in lines.get("RRULE", [])[:1]:
        rule = read_rule(text)
        day, clock = divmod(start.wall, DAY)
        if rule is None or rule.frequency != "YEARLY" or not rule.cheap(clock):
            continue
        end = read_stamp(rule.until, {}, _Known(), FLOATING) if rule.until else None
        for onset in days(
            rule, day, _SINCE, min(_UNTIL, end.wall // DAY + 1 if end else _UNTIL), _ONSETS_MAX
        ):
            wall = onset * DAY + clock
            if end is None or _reached(wall, earlier, end):
                yield wall - earlier, earlier, later


def _reached(wall: int, earlier: int, end: Stamp) -> bool:
    """Whether a wall time is not after UNTIL, which is in UTC, as it should be, or on the wall."""
    return (
        wall // DAY <= end.wall // DAY if end.date else wall - (earlier if end.zone is UTC else 0) <= end.wall
    )


def _seconds(values: list[str] | None) -> int | None:
    """``+0100`` or ``-000115`` in seconds."""
    text = values[0] if values else ""
    digits = text[1:]
    if text[:1] not in ("+", "-") or len(digits) not in (4, 6) or not (digits.isascii() and digits.isdigit()):
        return None
    found = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:] or 0)
    return None if found > 86_399 else -found if text[0] == "-" else found


def _east(onsets: list[tuple[int, int, int]], before: int) -> East:
    """A change is seen on the wall at the later of its two readings: in a gap and in an overlap the offset of
    before holds."""
    points: list[int] = []
    for instant, earlier, later in onsets:
        point = instant + max(earlier, later)
        points.append(max(point, points[-1]) if points else point)
    offsets = [before, *(later for _, _, later in onsets)]
    return lambda wall: offsets[bisect_right(points, wall)]
