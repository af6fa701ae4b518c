"""Histories of YouTube, My Activity and Chrome, of any length."""

from __future__ import annotations

from examples import clocks
from examples.streams import Block, Draw, Stream
from examples.takeout import PAGE_HEAD, PAGE_TAIL, cell

YOUTUBE = "Takeout/YouTube and YouTube Music/history/"
CONTROL = "YouTube watch history"
REMOVED, ADVERT = 0.01, 0.01  # shares, in the HTML history


def _packed(records: list[str], between: str = "", **kinds: int) -> Block:
    return between.join(records).encode(), kinds


def watch_html(draw: Draw, first: int, count: int) -> Block:
    words, cells, watched = draw.words, [], 0
    dates = clocks.american(draw.back(count))
    titles, channels = draw.numbers(0, len(words.titles), count), draw.of(words.channels, count)
    for date, title, (channel_id, channel), dice in zip(
        dates, titles, channels, draw.rng.random(count).tolist(), strict=True
    ):
        detail = ""
        if dice < REMOVED:
            line = "Watched a video that has been removed<br>"
        else:
            link = f"https://www.youtube.com/watch?v=SYN{title:08d}"
            line = f'Watched\u00a0<a href="{link}">{words.escaped[title]}</a><br>'
            if dice < REMOVED + ADVERT:
                detail = "<b>Details:</b><br>&emsp;From Google Ads<br>"
            else:
                line += f'<a href="https://www.youtube.com/channel/{channel_id}">{channel}</a><br>'
                watched += 1
        cells.append(cell("YouTube", line, date, CONTROL, detail))
    return _packed(cells, watch=watched)


def watch_json(draw: Draw, first: int, count: int) -> Block:
    words = draw.words
    titles, channels = draw.numbers(0, len(words.titles), count), draw.of(words.channels, count)
    records = [
        f'{{\n  "header": "YouTube",\n  "title": "Watched {words.in_json[title]}",\n'
        f'  "titleUrl": "https://www.youtube.com/watch?v\\u003dSYN{title:08d}",\n'
        f'  "subtitles": [{{\n    "name": "{channel}",\n'
        f'    "url": "https://www.youtube.com/channel/{channel_id}"\n  }}],\n'
        f'  "time": "{time}",\n  "products": ["YouTube"],\n  "activityControls": ["{CONTROL}"]\n}}'
        for time, title, (channel_id, channel) in zip(
            clocks.iso(draw.back(count)), titles, channels, strict=True
        )
    ]
    return _packed(records, ",", watch=count)


def youtube_searches(draw: Draw, first: int, count: int) -> Block:
    words = draw.words
    records = [
        f'{{\n  "header": "YouTube",\n  "title": "Searched for {words.queries[n]}",\n'
        f'  "titleUrl": "https://www.youtube.com/results?search_query\\u003d{words.in_urls[n]}",\n'
        f'  "time": "{time}",\n  "products": ["YouTube"],\n'
        '  "activityControls": ["YouTube search history"]\n}'
        for time, n in zip(
            clocks.iso(draw.back(count)), draw.numbers(0, len(words.queries), count), strict=True
        )
    ]
    return _packed(records, ",", search=count)


def searches(draw: Draw, first: int, count: int) -> Block:
    """My Activity of Search: queries, with the location they were typed at."""
    words = draw.words
    where = (
        '<b>Locations:</b><br>&emsp;At <a href="https://www.google.com/maps/@?api=1&amp;map_action=map&amp;'
        'center=35.1,-40.2&amp;zoom=12">this general area</a> - From your device<br>'
    )
    cells = [
        cell(
            "Search",
            f'Searched for\u00a0<a href="https://www.google.com/search?q={words.in_urls[n]}">{words.queries[n]}</a><br>',
            date,
            "Web &amp; App Activity",
            where if located else "",
        )
        for date, n, located in zip(
            clocks.american(draw.back(count)),
            draw.numbers(0, len(words.queries), count),
            draw.some(0.3, count),
            strict=True,
        )
    ]
    return _packed(cells, search=count)


def visits(draw: Draw, first: int, count: int) -> Block:
    """My Activity of Chrome: pages that were visited."""
    words = draw.words
    cells = [
        cell(
            "Chrome",
            f'Visited\u00a0<a href="https://{host}/activity/{page}">{words.escaped[page]}</a><br>',
            date,
            "Web &amp; App Activity",
        )
        for date, host, page in zip(
            clocks.american(draw.back(count)),
            draw.of(words.hosts, count),
            draw.numbers(0, len(words.titles), count),
            strict=True,
        )
    ]
    return _packed(cells, browse=count)


def maps(draw: Draw, first: int, count: int) -> Block:
    """My Activity of Maps: half of it searches, half of it areas that were viewed, which are no event."""
    words, cells, searched = draw.words, [], 0
    for date, name, search in zip(
        clocks.american(draw.back(count)), draw.of(words.names, count), draw.some(0.5, count), strict=True
    ):
        verb = "Searched for" if search else "Viewed area around"
        link = f"https://www.google.com/maps/search/{name.replace(' ', '+')}"
        line = f'{verb}\u00a0<a href="{link}">{name}</a><br>'
        searched += search
        cells.append(cell("Maps", line, date, "Web &amp; App Activity"))
    return _packed(cells, search=searched)


def chrome(draw: Draw, first: int, count: int) -> Block:
    words = draw.words
    records = [
        f'        {{\n            "favicon_url": "https://{host}/favicon.ico",\n'
        f'            "page_transition_qualifier": "CLIENT_REDIRECT",\n            "title": "{words.in_json[page]}",\n'
        f'            "url": "https://{host}/{page}",\n            "time_usec": {time * 1000 + page % 1000},\n'
        '            "client_id": "synthetic-large"\n        }'
        for time, host, page in zip(
            draw.back(count).tolist(),
            draw.of(words.hosts, count),
            draw.numbers(0, len(words.titles), count),
            strict=True,
        )
    ]
    return _packed(records, ",\n", browse=count)


def _page(name: str, share: float, row_bytes: int, block: object) -> Stream:
    return Stream(lambda n: name, share, row_bytes, block, PAGE_HEAD, "", PAGE_TAIL)  # type: ignore[arg-type]


STREAMS = {
    "watch_html": _page(YOUTUBE + "watch-history.html", 0.14, 1070, watch_html),
    "watch_json": Stream(
        lambda n: YOUTUBE + "watch-history.json", 0.08, 430, watch_json, "[", ",", "]"
    ),
    "search_json": Stream(
        lambda n: YOUTUBE + "search-history.json", 0.02, 270, youtube_searches, "[", ",", "]"
    ),
    "search_html": _page("Takeout/My Activity/Search/MyActivity.html", 0.1, 1040, searches),
    "chrome_html": _page("Takeout/My Activity/Chrome/MyActivity.html", 0.06, 950, visits),
    "maps_html": _page("Takeout/My Activity/Maps/MyActivity.html", 0.03, 950, maps),
    "chrome_json": Stream(
        lambda n: "Takeout/Chrome/History.json", 0.08, 320, chrome,
        '{\n    "Browser History": [\n', ",\n", '\n    ],\n    "Typed Url": [],\n    "Session": []\n}\n',
    ),
}  # fmt: skip
