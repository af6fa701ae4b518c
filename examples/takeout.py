"""Google Takeout archives in Google's own file formats, made of invented events.

The shapes follow public fixtures of real exports: newest first; JSON with milliseconds, HTML without and
with a narrow no-break space before AM and PM; removed videos without a link; adverts with a detail line.
Bytes depend on the events alone: fixed times and modes inside the zip.
"""

from __future__ import annotations

import html
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote_plus

from examples.world import Watch

HISTORY = "Takeout/YouTube and YouTube Music/history/"
STYLE = (
    "body {\n  padding: 5px;\n  background: #EEEEEE;\n}\n\n.mdl-cell {\n  background-color: #FFFFFF;\n}\n\n"
    ".content-cell.mdl-cell {\n  color: rgba(0, 0, 0, 0.54);\n}\n"
)
PAGE_HEAD = (
    f'<html><head><title>My Activity History</title><style type="text/css">{STYLE}</style></head><body>'
    '<div class="mdl-grid">'
)
PAGE_TAIL = "</div></body></html>"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WHY = "This activity was saved to your Google Account because the following settings were on: "


@dataclass(frozen=True)
class Activity:
    """One entry of a My-Activity file: ``verb`` and ``text`` are its title, ``link`` what it points to."""

    time: datetime
    verb: str
    text: str
    link: str = ""
    channel: str = ""
    channel_link: str = ""
    advert: bool = False


@dataclass(frozen=True)
class Visit:
    time: datetime
    title: str
    url: str
    transition: str


def watches(history: Iterable[Watch]) -> list[Activity]:
    """A watch history as activities."""
    found = []
    for watch in history:
        if watch.video is None:
            found.append(Activity(watch.time, "Watched", "a video that has been removed"))
            continue
        video = watch.video
        found.append(
            Activity(
                watch.time,
                "Watched",
                video.title,
                f"https://www.youtube.com/watch?v={video.id}",
                "" if watch.advert else video.channel,
                "" if watch.advert else f"https://www.youtube.com/channel/{video.channel_id}",
                watch.advert,
            )
        )
    return found


def searches(queries: Iterable[tuple[datetime, str]]) -> list[Activity]:
    """A search history as activities."""
    base = "https://www.youtube.com/results?search_query="
    return [Activity(time, "Searched for", query, base + quote_plus(query)) for time, query in queries]


def activity_json(activities: Sequence[Activity], control: str) -> str:
    entries = []
    for activity in reversed(activities):
        entry: dict[str, object] = {"header": "YouTube", "title": f"{activity.verb} {activity.text}"}
        if activity.link:
            entry["titleUrl"] = activity.link
        if activity.channel:
            entry["subtitles"] = [{"name": activity.channel, "url": activity.channel_link}]
        entry["time"] = (
            activity.time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{activity.time.microsecond // 1000:03d}Z"
        )
        entry["products"] = ["YouTube"]
        if activity.advert:
            entry["details"] = [{"name": "From Google Ads"}]
        entry["activityControls"] = [control]
        entries.append(entry)
    return json.dumps(entries, indent=2, ensure_ascii=False)


def activity_html(activities: Sequence[Activity], control: str) -> str:
    cells = []
    for activity in reversed(activities):
        text = html.escape(activity.text, quote=True).replace("&#x27;", "&#39;")
        if activity.link:
            line = f'{activity.verb}\u00a0<a href="{html.escape(activity.link)}">{text}</a><br>'
        else:
            line = f"{activity.verb} {text}<br>"
        if activity.channel:
            line += f'<a href="{activity.channel_link}">{html.escape(activity.channel)}</a><br>'
        detail = "<b>Details:</b><br>&emsp;From Google Ads<br>" if activity.advert else ""
        cells.append(cell("YouTube", line, _american(activity.time) + "<br>", control, detail))
    return PAGE_HEAD + "".join(cells) + PAGE_TAIL


def cell(product: str, line: str, date: str, control: str, detail: str = "") -> str:
    """One activity of an HTML page; ``line`` is what was done, as HTML with a <br> at its end.

    Some exports have another <br> after the ``date``.
    """
    return (
        '<div class="outer-cell mdl-cell mdl-cell--12-col mdl-shadow--2dp"><div class="mdl-grid">'
        '<div class="header-cell mdl-cell mdl-cell--12-col">'
        f'<p class="mdl-typography--title">{product}<br></p></div>'
        '<div class="content-cell mdl-cell mdl-cell--6-col mdl-typography--body-1">'
        f"{line}{date}</div>"
        '<div class="content-cell mdl-cell mdl-cell--6-col mdl-typography--body-1 '
        'mdl-typography--text-right"></div>'
        '<div class="content-cell mdl-cell mdl-cell--12-col mdl-typography--caption">'
        f"<b>Products:</b><br>&emsp;{product}<br>{detail}"
        f"<b>Why is this here?</b><br>&emsp;{WHY}\u00a0{control}."
        '\u00a0You can control these settings \u00a0<a href="https://myaccount.google.com/activitycontrols">'
        "here</a>.</div></div></div>"
    )


def chrome_json(visits: Sequence[Visit], client: str) -> str:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    entries = [
        {
            "favicon_url": "",
            "page_transition": visit.transition,
            "title": visit.title,
            "url": visit.url,
            "time_usec": (visit.time - epoch) // timedelta(microseconds=1),
            "client_id": client,
        }
        for visit in reversed(visits)
    ]
    return json.dumps(
        {"Browser History": entries, "Typed Url": [], "Session": []}, indent=2, ensure_ascii=False
    )


def archive_browser(email: str, made: datetime, services: dict[str, list[str]], job: str) -> str:
    """The page that opens an archive: whose it is, when it was made, what is in it."""
    parts = []
    for service, files in services.items():
        names = [html.escape(Path(file).name) for file in files]
        leaves = "".join(
            f'<div class="file-leaf"><div class="extracted-file-name">{name}</div></div>' for name in names
        )
        folder = '<div class="extracted-folder-name">history</div>' if "YouTube" in service else ""
        parts.append(
            f'<div id="service-details-{service.split()[0].upper()}" class="service-detail">'
            f'<div class="service-header"><h1>{html.escape(service)}</h1>'
            f"{len(files)} files exported successfully</div>{folder}{leaves}</div>"
        )
    return (
        '<!DOCTYPE html><html><head><meta charset="utf-8"><title>Google Takeout</title></head><body>'
        f'<div class="job-id hidden">{job}</div><h1 class="header_title">Archive for {email}</h1>'
        f'<div class="header_subtext">{_american(made)} • 1 MB</div>{"".join(parts)}</body></html>'
    )


def write_zip(path: Path, files: dict[str, str], made: datetime) -> None:
    """A zip whose bytes depend on ``files`` and ``made`` alone."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name, made.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, text.encode())


def _american(time: datetime) -> str:
    hour = time.hour % 12 or 12
    half = "AM" if time.hour < 12 else "PM"
    clock = f"{hour}:{time.minute:02d}:{time.second:02d}\u202f{half} UTC"
    return f"{MONTHS[time.month - 1]} {time.day}, {time.year}, {clock}"
