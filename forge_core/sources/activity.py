"""What Google writes about an activity ("Watched …", "Searched for …"), made rows of the contract.

YouTube's own history files and My Activity share one record, in JSON and in HTML, in any language; all of them end
here, so that the same activity gives the same row from any of them. Takeout writes newest first: ``sequence`` is
the negated position in the file, so that larger is newer and nothing need be counted first.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from forge_core.sources.base import Sink
from forge_core.sources.titles import Manner
from forge_core.sources.wording import PRODUCTS, SEARCHED, UNTITLED, USED, VISITED, WATCHED, product
from forge_core.times import Moment

YOUTUBE = frozenset(("YouTube", "YouTube Music", "YouTube TV", "YouTube Kids"))
_WORDED = YOUTUBE | {
    "Search",
    "Chrome",
    "Video Search",
    "Image Search",
}  # almost all of it is of known wording
_NAMED = YOUTUBE | set(PRODUCTS)
_ID = r"([A-Za-z0-9_-]{5,32})"
_VIDEO = re.compile(
    r"https?://(?:www\.|m\.|music\.)?(?:youtube\.com/(?:watch\?(?:[^#]*&)?v=|shorts/|live/)|youtu\.be/)" + _ID
)
_CHANNEL = re.compile(r"https?://(?:www\.|m\.|music\.)?youtube\.com/(?:channel/|user/|c/)?(@?[\w.%-]{2,100})")
WATCH = "https://www.youtube.com/watch?v="
USUAL = "^" + re.escape(WATCH) + _ID + "$"
_USUAL = re.compile(USUAL[:-1] + r"\Z")
_PACKAGE = re.compile(r"https?://play\.google\.com/store/apps/details\?(?:[^#]*&)?id=([A-Za-z][\w.]{1,200})")
_RESULTS = re.compile(
    r"https?://(?:[\w-]+\.)*(youtube\.com/results|google\.[a-z.]{2,6}/(?:search|maps)|play\.google\.com/store/search)"
)
_KINDS_OF_SEARCH = {
    "isch": "Image Search",
    "vid": "Video Search",
    "shop": "Shopping",
    "nws": "News",
    "bks": "Books",
}


def is_youtube(header: str) -> bool:
    return header in YOUTUBE


@lru_cache(1024)
def slug(text: str) -> str:
    return re.sub(r"[^\w]+", "-", text.casefold()).strip("-") or "unknown"


def normal(query: str) -> str:
    """The same query typed with other case or spacing is the same item."""
    if not query.isascii():
        query = unicodedata.normalize("NFC", query)
    return " ".join(query.casefold().split())


def web_address(url: str | None) -> str | None:
    """An http(s) address; Google's redirects give way to where they lead. Others (data:, …) are None."""
    if not url or not url.startswith(("http://", "https://")):
        return None
    if "google." in url[:20] and "/url?" in url[:40]:
        target = _parameter(url, "q")
        if target.startswith(("http://", "https://")):
            return target
    return url


def _parameter(url: str, name: str) -> str:
    try:
        return (parse_qs(url.partition("?")[2].partition("#")[0], max_num_fields=50).get(name) or [""])[0]
    except ValueError:
        return ""


def domain(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def searched_by(url: str | None) -> tuple[str, str] | None:
    """(product, query) of a link to the results of a search."""
    place = _RESULTS.match(url) if url else None
    if url is None or place is None:
        return None
    if place[1].startswith("youtube"):
        return "YouTube", _parameter(url, "search_query")
    if place[1].startswith("play."):
        return "Google Play Store", _parameter(url, "q")
    if place[1].endswith("maps"):
        return "Maps", _parameter(url, "q")
    return _KINDS_OF_SEARCH.get(_parameter(url, "tbm"), "Search"), _parameter(url, "q")


def video_of(url: str | None) -> str | None:
    """The id of the video that a link leads to."""
    match = (_USUAL.match(url) or _VIDEO.match(url)) if url else None
    return match[1] if match else None


class Channels:
    """Ids of channels by their addresses: a person watches few channels often."""

    def __init__(self) -> None:
        self._known: dict[str | None, str | None] = {None: None}

    def id_of(self, url: str | None) -> str | None:
        if url not in self._known:
            if len(self._known) > 10_000:
                self._known = {None: None}
            publisher = _CHANNEL.match(url or "")
            self._known[url] = publisher[1] if publisher else None
        return self._known[url]


class Rows:
    """Takes activities one by one, in the order of the file, and puts rows into the sink's tables."""

    def __init__(self, sink: Sink, manner: Manner) -> None:
        self.sink, self.position = sink, 0
        self.channels = Channels()
        self._english = manner.language == "en"
        self._watch = sink.table("watch", "youtube")

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
        order = -self.sink.position(self.position)
        self.position += 1
        if advertisement:
            self.sink.pass_over("advertisement")
        elif moment is None:
            self.sink.quarantine("unknown date")
        elif action == WATCHED and header in YOUTUBE:
            self._watched(text, url, channel, channel_url, moment, order)
        elif action == SEARCHED:
            self._searched(self._product(header, url), text, url, moment, order)
        elif action == VISITED and header not in YOUTUBE:
            self._visited(header, text, url, moment, order)
        elif action == USED:
            self._used(header, text, url, moment, order)
        elif action is None:
            self._wordless(product(header), text, url, moment, order)
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
        video = video_of(url)
        if video is None:
            # a removed video: as one shared item it would be the most watched of all, so it is none
            self.sink.quarantine("no item")
            return
        channel_id = self.channels.id_of(channel_url)
        self._watch.values.append(
            (
                "youtube:" + video, *at, order,
                None if not title or title.startswith("http") or title in UNTITLED else title,
                (channel or None) if channel_id else None,
                channel_id,
                None, WATCH + video, None,
            )
        )  # fmt: skip

    def _product(self, header: str, url: str | None) -> str:
        """The English name of where it was searched; of a product without a known one, what the link says."""
        name = product(header)
        if self._english or name in _NAMED:
            return name
        found = searched_by(url)
        return found[0] if found else name

    def _searched(self, name: str, query: str, url: str | None, at: Moment, order: int) -> None:
        if not (words := normal(query)):
            self.sink.quarantine("no item")
            return
        self.sink.table("search", source_of(name)).values.append(
            (f"search:{slug(name)}:{words}", *at, order, query, name, web_address(url))
        )

    def _visited(self, header: str, title: str, url: str | None, at: Moment, order: int) -> None:
        if not (address := web_address(url)):
            self.sink.quarantine("no item")
            return
        self.sink.table("browse", source_of(header)).values.append(
            (address, *at, order, title if title and not title.startswith("http") else None, address,
             domain(address), None, None)
        )  # fmt: skip

    def _used(self, header: str, name: str, url: str | None, at: Moment, order: int) -> None:
        """Apps of a phone; what else is used (a search page, an assistant) is no app."""
        package = _PACKAGE.match(url) if url else None
        if package is None and header != "Android":
            self.sink.pass_over("other activity")
        elif item := package[1] if package else normal(name):
            self.sink.table("app_usage", "google").values.append(
                (f"app:{item}", *at, order, name or None, "opened", None)
            )
        else:
            self.sink.quarantine("no item")

    def _wordless(self, name: str, text: str, url: str | None, at: Moment, order: int) -> None:
        """An activity of no known wording: a search all the same, where its link repeats the query."""
        found = searched_by(url)
        if found and (words := normal(found[1])) and words in normal(text):
            self._searched(name if name in _NAMED else found[0], found[1], url, at, order)
        elif name in _WORDED:
            self.sink.quarantine("unknown wording")
        else:
            self.sink.pass_over("other activity")


def source_of(header: str) -> str:
    if header in YOUTUBE:
        return "youtube"
    return "chrome" if header == "Chrome" else "google"
