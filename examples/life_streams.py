"""Positions, mail, calendar, chats, notes, documents, apps and logins, of any length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from examples import clocks, layouts, office
from examples.streams import Block, Draw, Stream
from examples.world import END, channel_id, video_id

OWNER = "large@example.test"
SEA = (35_0000000, -40_0000000)  # in the Atlantic, where nobody lives
MOVES = ("IN_PASSENGER_VEHICLE", "WALKING", "CYCLING", "IN_TRAIN")
AGENT = "App : SYNTHETIC_APP. App Version : 1.2.3. Os : ANDROID_OS."
PRODUCTS = ("Gmail", "YouTube", "Maps", "Calendar", "Drive")
GAIA = 900_000_000_000


def _spots(draw: Draw, count: int) -> list[tuple[int, int]]:
    """A walk around the middle of the sea, in degrees times ten millions."""
    steps = draw.rng.integers(-900_000, 900_000, size=(count, 2)) + np.array(SEA)
    return [(a, b) for a, b in steps.tolist()]


def points(draw: Draw, first: int, count: int) -> Block:
    times, some = clocks.iso(draw.back(count)), draw.some(0.25, count)
    rows = zip(_spots(draw, count), draw.numbers(4, 2000, count), times, some, strict=True)
    records = [
        layouts.point(spot, metres, time, "STILL" if doing else "") for spot, metres, time, doing in rows
    ]
    return ", ".join(records).encode(), {"place": count}


def visits(draw: Draw, first: int, count: int) -> Block:
    """A visit, then the way there: the journey counts twice, where it began and where it ended."""
    ends = draw.back(count)
    starts = ends - 900_000
    spots, places = _spots(draw, count), draw.numbers(0, 400, count)
    records = []
    for n, (end, start) in enumerate(zip(clocks.iso(ends), clocks.iso(starts), strict=True)):
        if (first + n) % 2:
            records.append(layouts.journey(spots[n - 1], spots[n], MOVES[n % len(MOVES)], start, end))
        else:
            name = draw.words.names[places[n] % len(draw.words.names)]
            records.append(layouts.place_visit(spots[n], f"ChIJsynthetic{places[n]:04d}", name, start, end))
    journeys = sum((first + n) % 2 for n in range(count))
    return ", ".join(records).encode(), {"place": count + journeys}


def timeline(draw: Draw, first: int, count: int) -> Block:
    ends = draw.back(count)
    rows = zip(
        _spots(draw, count),
        draw.numbers(0, 400, count),
        clocks.iso(ends - 600_000),
        clocks.iso(ends),
        strict=True,
    )
    records = [
        layouts.timeline_visit(f"{a / 1e7:.7f}°, {b / 1e7:.7f}°", f"ChIJphone{place:04d}", start, end)
        for (a, b), place, start, end in rows
    ]
    return ",\n".join(records).encode(), {"place": count}


def _month(number: int) -> str:
    year, month = 2025 - number // 12, 11 - number % 12
    folder = "Takeout/Location History (Timeline)/Semantic Location History"
    return f"{folder}/{year}/{year}_{clocks.LONG_MONTHS[month].upper()}.json"


def letters(draw: Draw, first: int, count: int) -> Block:
    words, records = draw.words, []
    dates, people = clocks.mail(draw.back(count)), draw.of(words.people, count)
    lengths, titles = draw.numbers(2, 30, count), draw.of(words.titles, count)
    shape, base64 = draw.rng.random(count).tolist(), words.base64
    for n, (date, friend, title) in enumerate(zip(dates, people, titles, strict=True)):
        number, thread = first + n, 1_600_000_000_000_000_000 + (first + n) // 3
        sent = number % 4 == 0
        text = "\r\n\r\n".join(draw.of(words.wrapped, lengths[n])) + "\r\n"
        if number % 50 == 0:
            text = f">From {friend} on the lantern\r\n" + text
        parts, attachment = [("plain", text)], None
        if shape[n] < 0.4:
            parts.append(("html", "<html><body><p>" + text.replace("&", "&amp;") + "</p></body></html>\r\n"))
        if shape[n] > 0.8:
            size = 78 * int(60 + 3_000 * (shape[n] - 0.8))
            start = 78 * ((number * 7919) % 8_000)
            attachment = (f"synthetic {number}.pdf", base64[start : start + size].rstrip())
        sender, to = (OWNER, [friend]) if sent else (friend, [OWNER])
        answered = layouts.message_id(number - 1, OWNER) if number % 3 else ""
        records.append(layouts.letter(
            number, date, f"{sender.partition('@')[0]} <{sender}>", to, f"Synthetic {title}",
            "Sent" if sent else "Inbox,Category updates,Opened", thread, parts, answered, attachment,
        ))  # fmt: skip
    return "".join(records).encode(), {"message": count}


def events(draw: Draw, first: int, count: int) -> Block:
    """Single entries; every tenth is weekly, with an exception or a moved one now and then."""
    records, expanded = [], 0
    day = (draw.back(count) // 1000 % (4 * 365 * 86_400)).astype(np.int64)  # within four years
    start_s = int(END.timestamp()) - 5 * 365 * 86_400 + day // 1800 * 1800
    lengths, titles = draw.numbers(4, 30, count), draw.of(draw.words.names, count)
    friends = draw.of(draw.words.people, count)
    for n, start in enumerate(start_s.astype("datetime64[s]")):
        number = first + n
        uid, title, end = (
            f"synthetic{number}@example.test",
            f"Synthetic {titles[n]}",
            start + np.timedelta64(1, "h"),
        )
        people = [OWNER, friends[n]] if number % 3 == 0 else []
        if number % 10 == 0:
            rule, week = f"FREQ=WEEKLY;COUNT={lengths[n]}", np.timedelta64(7, "D")
            without = _stamp(start + week) if number % 30 == 0 else ""
            records.append(
                layouts.event(uid, _stamp(start), _stamp(end), title, "Work", people, rule, without)
            )
            expanded += lengths[n] - bool(without)
            if number % 40 == 0:
                hour, moved = np.timedelta64(1, "h"), _stamp(start + 2 * week)
                span = _stamp(start + 2 * week + hour), _stamp(end + 2 * week + hour)
                records.append(layouts.event(uid, *span, title + " moved", "Home", instead_of=moved))
        elif number % 10 == 1:
            span = _stamp(start)[:8], _stamp(start + np.timedelta64(1, "D"))[:8]
            records.append(layouts.event(uid, *span, title))
            expanded += 1
        else:
            records.append(layouts.event(uid, _stamp(start), _stamp(end), title, "Work", people))
            expanded += 1
    return "".join(records).encode(), {"calendar": expanded}


def _stamp(time: np.datetime64) -> str:
    return str(time).replace("-", "").replace(":", "")


def chat(draw: Draw, first: int, count: int) -> Block:
    people = draw.of(draw.words.people, count)
    rows = zip(
        people, clocks.long_american(draw.back(count)), draw.of(draw.words.paragraphs, count), strict=True
    )
    records = [
        layouts.chat_message(
            who.partition("@")[0],
            who,
            time,
            text,
            f"t{(first + n) // 4}",
            f"SYN/t{(first + n) // 4}/m{first + n}",
        )
        for n, (who, time, text) in enumerate(rows)
    ]
    return ",\n".join(records).encode(), {"message": count}


def notes(draw: Draw, first: int, count: int) -> Block:
    micros = int(draw.back(1)[0]) * 1000
    text = "\n".join(draw.of(draw.words.paragraphs, 6))
    return layouts.note(f"Synthetic note {first}", text, micros, ["synthetic"]).encode(), {"document": 1}


def documents(draw: Draw, first: int, count: int) -> Block:
    """A text, a Markdown page, a web page, a Word file, a PDF, and again."""
    title, paragraphs = f"Synthetic document {first}", draw.of(draw.words.paragraphs, 12)
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: (title + "\n\n" + "\n\n".join(paragraphs) + "\n").encode(),
        lambda: (f"# {title}\n\n" + "\n\n".join(f"- {one}" for one in paragraphs) + "\n").encode(),
        lambda: layouts.web_page(title, paragraphs).encode(),
        lambda: office.docx([title, *paragraphs]),
        lambda: office.pdf([title, *(one[:80] for one in paragraphs)]),
    )
    return makers[first % len(makers)](), {"document": 1}


def installs(draw: Draw, first: int, count: int) -> Block:
    times = clocks.iso(draw.back(count))
    records = [layouts.install(f"Synthetic app {first + n}", time, time) for n, time in enumerate(times)]
    return ",".join(records).encode(), {"app_usage": count}


def accesses(draw: Draw, first: int, count: int) -> Block:
    rows = zip(
        clocks.seconds(draw.back(count)), draw.numbers(1, 250, count), draw.of(PRODUCTS, count), strict=True
    )
    where = ("XA", "Synthetic", "Seaville")
    records = [
        layouts.access(GAIA, time, f"198.51.100.{n}", where, AGENT, product) for time, n, product in rows
    ]
    return "".join(records).encode(), {"security": count}


def devices(draw: Draw, first: int, count: int) -> Block:
    times = clocks.seconds(draw.back(count))
    records = [layouts.device(GAIA, f"Synthetic {first + n}", "XA", time) for n, time in enumerate(times)]
    return "".join(records).encode(), {"security": count}


def comments(draw: Draw, first: int, count: int) -> Block:
    mine = channel_id("large")
    rows = zip(clocks.iso(draw.back(count)), draw.of(draw.words.titles, count), strict=True)
    records = [
        layouts.comment(f"Ugsyn{first + n:020d}", mine, time.replace("Z", "+00:00"), video_id(title), title)
        for n, (time, title) in enumerate(rows)
    ]
    return "".join(records).encode(), {"message": count}


def subscriptions(draw: Draw, first: int, count: int) -> Block:
    numbers = range(first, first + count)
    records = [layouts.subscription(channel_id(f"sub/{n}"), f"Synthetic channel {n}") for n in numbers]
    return "".join(records).encode(), {"preference": count}


MiB = 1 << 20
_KINDS = ("txt", "md", "html", "docx", "pdf")


def _file(
    name: str, share: float, row_bytes: int, block: Any, head: str = "", between: str = "", tail: str = "",
    **limits: int,
) -> Stream:  # fmt: skip
    return Stream(lambda n: "Takeout/" + name, share, row_bytes, block, head, between, tail, **limits)


_OBJECTS = '{\n  "timelineObjects": ['
_SIGNALS = '\n  ],\n  "rawSignals": [],\n  "userLocationProfile": {}\n}\n'
STREAMS = {
    "records": _file(
        "Location History (Timeline)/Records.json", 0.22, 330, points, '{\n  "locations": [', ", ", "]\n}"
    ),
    "semantic": Stream(_month, 0.03, 800, visits, _OBJECTS, ", ", "]\n}", member_bytes=2 * MiB, most=300 * MiB),
    "timeline": _file(
        "Location History (Timeline)/Timeline.json", 0.03, 560, timeline,
        '{\n  "semanticSegments": [\n', ",\n", _SIGNALS,
    ),
    "mbox": _file("Mail/All mail Including Spam and Trash.mbox", 0.15, 13_000, letters, rows=200),
    "ics": _file(
        "Calendar/Synthetic.ics", 0.01, 420, events, layouts.CALENDAR_HEAD, "", layouts.CALENDAR_TAIL,
        most=20 * MiB,
    ),
    "chat": Stream(
        lambda n: f"Takeout/Google Chat/Groups/Space SYN{n}/messages.json", 0.02, 700, chat,
        '{\n  "messages": [\n', ",\n", "\n  ]\n}\n", member_bytes=8 * MiB,
    ),
    "keep": Stream(
        lambda n: f"Takeout/Keep/Synthetic note {n}.json", 0.002, 2_400, notes, most=4 * MiB, member_bytes=1, rows=1
    ),
    "drive": Stream(
        lambda n: f"Takeout/Drive/Synthetic document {n}.{_KINDS[n % 5]}", 0.001, 4_000, documents,
        most=MiB, member_bytes=1, rows=1,
    ),
    "installs": _file("Google Play Store/Installs.json", 0.001, 470, installs, "[", ",", "]", most=MiB),
    "access": _file(
        "Access Log Activity/Activities - A list of Google services accessed by.csv", 0.015, 160, accesses,
        layouts.ACCESS_HEAD,
    ),
    "devices": _file(
        "Access Log Activity/Devices - A list of devices (i.e. Nest, Pixel, iPh.csv", 0.0005, 110, devices,
        layouts.DEVICES_HEAD, most=4_096, rows=20,
    ),
    "comments": _file(
        "YouTube and YouTube Music/comments/comments.csv", 0.003, 190, comments, layouts.COMMENTS_HEAD
    ),
    "subscriptions": _file(
        "YouTube and YouTube Music/subscriptions/subscriptions.csv", 0.0005, 100, subscriptions,
        layouts.SUBSCRIPTIONS_HEAD, most=100_000, rows=500,
    ),
}  # fmt: skip
