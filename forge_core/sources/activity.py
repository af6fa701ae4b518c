"""What Google writes about an activity ("Watched …", "Searched for …"), made rows of the contract.

YouTube's own history files and My Activity share one record, in JSON and in HTML; both layouts end
here, so that the same activity gives the same row from any of them. Takeout writes newest first:
``sequence`` is the negated position in the file, so that larger is newer and nothing need be counted first.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from forge_core.sources.base import Sink
from forge_core.times import Moment


class Wording(NamedTuple):
    """How one language of Takeout begins the title of an activity."""

    watched: tuple[str, ...]
    searched: tuple[str, ...]
    visited: tuple[str, ...]
    other: tuple[str, ...]  # activities of YouTube, Search and Chrome that are none of these
    advertisement: str  # what a record's details say when it is an advertisement
    untitled: tuple[str, ...]  # titles that stand for a removed video


LANGUAGES = {
    "en": Wording(
        watched=("Watched ",),
        searched=("Searched for ", "Searched "),
        visited=("Visited ",),
        other=(
            "Viewed ", "Used ", "Liked ", "Disliked ", "Subscribed to ", "Saved ", "Voted on ", "Answered ",
            "Dismissed ", "Played ", "Shared ", "Commented on ", "Read ", "Asked ", "Said ", "Received ",
            "Clicked ", "Joined ", "Removed ", "Added ", "Created ", "Followed ", "Hid ", "Reported ",
        ),
        advertisement="From Google Ads",
        untitled=("a video that has been removed", "a private video", "a deleted video"),
    ),
}  # fmt: skip

ADVERTISEMENTS = tuple(wording.advertisement for wording in LANGUAGES.values())
_UNTITLED = frozenset(title for wording in LANGUAGES.values() for title in wording.untitled)
_ACTIONS = tuple(
    (prefix, action)
    for wording in LANGUAGES.values()
    for action in ("watched", "searched", "visited", "other")
    for prefix in getattr(wording, action)
)
_YOUTUBE = frozenset(("YouTube", "YouTube Music", "YouTube TV", "YouTube Kids"))
_KNOWN = _YOUTUBE | {"Search", "Chrome", "Video Search", "Image Search"}
_VIDEO = re.compile(
    r"https?://(?:www\.|m\.|music\.)?(?:youtube\.com/(?:watch\?(?:[^#]*&)?v=|shorts/|live/)|youtu\.be/)([\w-]{5,32})"
)
_CHANNEL = re.compile(r"https?://(?:www\.|m\.|music\.)?youtube\.com/(?:channel/|user/|c/)?(@?[\w.%-]{2,100})")
_USUAL = re.compile(r"https://www\.youtube\.com/watch\?v=([\w-]{5,32})\Z")
_WATCH = "https://www.youtube.com/watch?v="


def split_title(title: str) -> tuple[str | None, str]:
    """(watched, searched, visited or other; what follows), (None, title) where no language knows it."""
    for prefix, action in _ACTIONS:
        if title.startswith(prefix):
            return action, title[len(prefix) :].strip()
    return None, title


def is_youtube(header: str) -> bool:
    return header in _YOUTUBE


def slug(text: str) -> str:
    return re.sub(r"[^\w]+", "-", text.casefold()).strip("-") or "unknown"


def normal(query: str) -> str:
    """The same query typed with other case or spacing is the same item."""
    return " ".join(unicodedata.normalize("NFC", query).casefold().split())


def web_address(url: str | None) -> str | None:
    """An http(s) address; Google's redirects give way to where they lead. Others (data:, …) are None."""
    if not url or not url.startswith(("http://", "https://")):
        return None
    if "google." in url[:20] and "/url?" in url[:40]:
        target = (parse_qs(url.partition("?")[2], max_num_fields=50).get("q") or [""])[0]
        if target.startswith(("http://", "https://")):
            return target
    return url


def domain(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


class Rows:
    """Takes activities one by one, in the order of the file, and puts rows into the sink's tables."""

    def __init__(self, sink: Sink) -> None:
        self.sink, self.position = sink, 0
        self._watch = sink.table("watch", "youtube")
        self._channels: dict[str | None, str | None] = {}  # a person watches few channels often

    def add(
        self,
        header: str,
        action: str | None,
        text: str,
        url: str | None,
        channel: str | None,
        channel_url: str | None,
        moment: Moment | None,
        advertisement: bool,
    ) -> None:
        position = self.sink.position(self.position)
        self.position += 1
        if advertisement:
            self.sink.pass_over("advertisement")
        elif moment is None:
            self.sink.quarantine("unknown date")
        elif action == "watched" and header in _YOUTUBE:
            self._watched(text, url, channel, channel_url, moment, -position)
        elif action == "searched":
            self._searched(header, text, url, moment, -position)
        elif action == "visited" and header not in _YOUTUBE:
            self._visited(header, text, url, moment, -position)
        elif action is None and header in _KNOWN:
            self.sink.quarantine("unknown wording")
        else:
            self.sink.pass_over("other activity")

    def _watched(
        self,
        title: str,
        url: str | None,
        channel: str | None,
        channel_url: str | None,
        at: Moment,
        order: int,
    ) -> None:
        match = (_USUAL.match(url) or _VIDEO.match(url)) if url else None
        if match is None:
            # a removed video: as one shared item it would be the most watched of all, so it is none
            self.sink.quarantine("no item")
            return
        video = match[1]
        if channel_url not in self._channels:
            if len(self._channels) > 10_000:
                self._channels.clear()
            publisher = _CHANNEL.match(channel_url) if channel_url else None
            self._channels[channel_url] = publisher[1] if publisher else None
        channel_id = self._channels[channel_url]
        self._watch.values.append(
            (
                "youtube:" + video, *at, order,
                None if not title or title.startswith("http") or title in _UNTITLED else title,
                (channel or None) if channel_id else None,
                channel_id,
                None, _WATCH + video, None,
            )
        )  # fmt: skip

    def _searched(self, header: str, query: str, url: str | None, at: Moment, order: int) -> None:
        if not (words := normal(query)):
            self.sink.quarantine("no item")
            return
        source = source_of(header)
        self.sink.table("search", source).values.append(
            (f"search:{slug(header)}:{words}", *at, order, query, header, web_address(url))
        )

    def _visited(self, header: str, title: str, url: str | None, at: Moment, order: int) -> None:
        if not (address := web_address(url)):
            self.sink.quarantine("no item")
            return
        self.sink.table("browse", source_of(header)).values.append(
            (address, *at, order, title if title and not title.startswith("http") else None, address,
             domain(address), None, None)
        )  # fmt: skip


def source_of(header: str) -> str:
    if header in _YOUTUBE:
        return "youtube"
    return "chrome" if header == "Chrome" else "google"
