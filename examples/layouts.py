"""One record of each file of a Takeout besides activities, in Google's own layout. All of it is text in, text out.

The layouts follow public fixtures and published descriptions of real exports. What goes in is invented.
"""

from __future__ import annotations

import binascii
import html
import json
from collections.abc import Sequence

CRLF = "\r\n"
CALENDAR_HEAD = CRLF.join((
    "BEGIN:VCALENDAR", "PRODID:-//Google Inc//Google Calendar 70.9054//EN", "VERSION:2.0",
    "CALSCALE:GREGORIAN", "METHOD:PUBLISH", "X-WR-CALNAME:Synthetic", "X-WR-TIMEZONE:Europe/Berlin",
    "BEGIN:VTIMEZONE", "TZID:Europe/Berlin", "X-LIC-LOCATION:Europe/Berlin",
    "BEGIN:DAYLIGHT", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", "TZNAME:CEST", "DTSTART:19700329T020000",
    "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "END:DAYLIGHT",
    "BEGIN:STANDARD", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100", "TZNAME:CET", "DTSTART:19701025T030000",
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", "END:STANDARD", "END:VTIMEZONE", "",
))  # fmt: skip
CALENDAR_TAIL = "END:VCALENDAR" + CRLF
ACCESS_HEAD = (
    "Gaia ID,Activity Timestamp,IP Address,Proxied Host IP Address,Is Non-routable IP Address,Activity Country,"
    "Activity Region,Activity City,User Agent String,Product Name,Sub-Product Name,Referer Product Name,"
    "Referer Sub-Product Name,Activity Type,Gmail Access Channel,Android Webview Package Name\n"
)
DEVICES_HEAD = (
    "Gaia ID,Device Type,Brand Name,Marketing Name,OS,OS Version,Device Model,User Given Name,"
    "Device Last Location\n"
)
SUBSCRIPTIONS_HEAD = "Channel Id,Channel Url,Channel Title\n"
COMMENTS_HEAD = (
    "Comment ID,Channel ID,Comment Create Timestamp,Price,Parent Comment ID,Video ID,Comment Text\n"
)


def point(e7: tuple[int, int], accuracy: int, time: str, activity: str = "") -> str:
    """A position of Records.json; join with ", " after {"locations": [ ."""
    doing = ""
    if activity:
        doing = (
            '    "activity": [{\n      "activity": [{\n'
            f'        "type": "{activity}",\n        "confidence": 82\n      }}, {{\n'
            '        "type": "UNKNOWN",\n        "confidence": 18\n      }],\n'
            f'      "timestamp": "{time}"\n    }}],\n'
        )
    return (
        f'{{\n    "latitudeE7": {e7[0]},\n    "longitudeE7": {e7[1]},\n    "accuracy": {accuracy},\n{doing}'
        f'    "source": "WIFI",\n    "deviceTag": -577680260,\n    "timestamp": "{time}"\n  }}'
    )


def place_visit(e7: tuple[int, int], place: str, name: str, start: str, end: str) -> str:
    """A visit of Semantic Location History; join with ", " after {"timelineObjects": [ ."""
    return (
        '{\n    "placeVisit": {\n      "location": {\n'
        f'        "latitudeE7": {e7[0]},\n        "longitudeE7": {e7[1]},\n        "placeId": "{place}",\n'
        f'        "address": "{name}",\n        "name": "{name}",\n'
        '        "sourceInfo": {\n          "deviceTag": -577680260\n        },\n'
        '        "locationConfidence": 91.2\n      },\n      "duration": {\n'
        f'        "startTimestamp": "{start}",\n        "endTimestamp": "{end}"\n      }},\n'
        '      "placeConfidence": "HIGH_CONFIDENCE",\n'
        f'      "centerLatE7": {e7[0]},\n      "centerLngE7": {e7[1]},\n      "visitConfidence": 92,\n'
        '      "editConfirmationStatus": "NOT_CONFIRMED",\n      "placeVisitType": "SINGLE_PLACE",\n'
        '      "placeVisitImportance": "MAIN"\n    }\n  }'
    )


def journey(start_e7: tuple[int, int], end_e7: tuple[int, int], how: str, start: str, end: str) -> str:
    """An activity segment of Semantic Location History."""
    return (
        '{\n    "activitySegment": {\n'
        f'      "startLocation": {{\n        "latitudeE7": {start_e7[0]},\n        "longitudeE7": {start_e7[1]}\n'
        f'      }},\n      "endLocation": {{\n        "latitudeE7": {end_e7[0]},\n'
        f'        "longitudeE7": {end_e7[1]}\n      }},\n'
        f'      "duration": {{\n        "startTimestamp": "{start}",\n        "endTimestamp": "{end}"\n      }},\n'
        f'      "distance": 4200,\n      "activityType": "{how}",\n      "confidence": "HIGH",\n'
        f'      "activities": [{{\n        "activityType": "{how}",\n        "probability": 88.5\n      }}]\n'
        "    }\n  }"
    )


def timeline_visit(point_: str, place: str, start: str, end: str) -> str:
    """A visit of the phone's Timeline.json (Android); ``point_`` is "lat°, lng°"."""
    return (
        f'    {{\n      "startTime": "{start}",\n      "endTime": "{end}",\n'
        '      "startTimeTimezoneUtcOffsetMinutes": 60,\n      "endTimeTimezoneUtcOffsetMinutes": 60,\n'
        '      "visit": {\n        "hierarchyLevel": 0,\n        "probability": 0.92,\n'
        f'        "topCandidate": {{\n          "placeId": "{place}",\n'
        '          "semanticType": "UNKNOWN",\n          "probability": 0.9,\n'
        f'          "placeLocation": {{\n            "latLng": "{point_}"\n          }}\n        }}\n      }}\n    }}'
    )


def event(uid: str, start: str, end: str, title: str, where: str = "", people: Sequence[str] = (),
          rule: str = "", without: str = "", instead_of: str = "") -> str:  # fmt: skip
    """A VEVENT. Times are local to Europe/Berlin (20250601T090000), all-day dates have no T."""
    zone = ";TZID=Europe/Berlin:" if "T" in start else ";VALUE=DATE:"
    lines = ["BEGIN:VEVENT", f"DTSTART{zone}{start}", f"DTEND{zone}{end}"]
    if rule:
        lines.append(f"RRULE:{rule}")
    if without:
        lines.append(f"EXDATE{zone}{without}")
    lines += ["DTSTAMP:20260101T000000Z"]
    if people:
        lines.append(f"ORGANIZER;CN={people[0]}:mailto:{people[0]}")
    lines.append(f"UID:{uid}")
    # a content line is folded at 75 octets
    lines += [
        f"ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;\r\n CN={one}:mailto:{one}"
        for one in people[1:]
    ]
    if instead_of:
        lines.append(f"RECURRENCE-ID{zone}{instead_of}")
    lines += ["CREATED:20210101T000000Z", "LAST-MODIFIED:20251201T000000Z"]
    if where:
        lines.append(f"LOCATION:{where}")
    lines += ["SEQUENCE:0", "STATUS:CONFIRMED", f"SUMMARY:{title}", "TRANSP:OPAQUE", "END:VEVENT", ""]
    return CRLF.join(lines)


def letter(
    number: int, dates: tuple[str, str], sender: str, to: Sequence[str], title: str, labels: str,
    thread: int, parts: Sequence[tuple[str, str]], reply_to: str = "",
    attachment: tuple[str, str] | None = None,
) -> str:  # fmt: skip
    """A message of Gmail's mbox. ``parts`` are (subtype of text, body), ``attachment`` is (name, base64 lines)."""
    date, envelope = dates
    lines = [
        f"From {thread}@xxx {envelope}", f"X-GM-THRID: {thread}", f"X-Gmail-Labels: {labels}",
        "MIME-Version: 1.0", f"Date: {date}",
    ]  # fmt: skip
    if reply_to:
        lines += [f"In-Reply-To: {reply_to}", f"References: {reply_to}"]
    lines += [
        f"Message-ID: {message_id(number, sender)}", f"Subject: {_header(title)}", f"From: {sender}",
        f"To: {(','+CRLF+' ').join(to)}",
    ]  # fmt: skip
    rest = [_text(subtype, body) for subtype, body in parts]
    body = rest[0] if len(rest) == 1 else _multipart("alternative", f"alt{number:012d}", rest)
    if attachment:
        name, data = attachment
        file = CRLF.join((
            f'Content-Type: application/pdf; name="{name}"', f'Content-Disposition: attachment; filename="{name}"',
            "Content-Transfer-Encoding: base64", "", data,
        ))  # fmt: skip
        body = _multipart("mixed", f"mix{number:012d}", [body, file])
    return CRLF.join(lines) + CRLF + body + CRLF + CRLF


def message_id(number: int, sender: str) -> str:
    return f"<synthetic.{number:012d}@{sender.rpartition('@')[2].rstrip('>')}>"


def _text(subtype: str, body: str) -> str:
    """Plain text as it is, pages as quoted-printable."""
    head = f'Content-Type: text/{subtype}; charset="UTF-8"{CRLF}Content-Transfer-Encoding: '
    if subtype == "plain":
        return f"{head}8bit{CRLF * 2}{body}"
    return f"{head}quoted-printable{CRLF * 2}{binascii.b2a_qp(body.encode()).decode('ascii')}"


def _header(text: str) -> str:
    """A field with other characters than ASCII is an encoded word (RFC 2047)."""
    if text.isascii():
        return text
    coded = binascii.b2a_qp(text.encode(), header=True, istext=False).decode("ascii").replace("?", "=3F")
    return f"=?UTF-8?Q?{coded.replace('=' + chr(10), '')}?="


def _multipart(subtype: str, boundary: str, parts: Sequence[str]) -> str:
    inner = "".join(f"--{boundary}{CRLF}{part}{CRLF}" for part in parts)
    return f'Content-Type: multipart/{subtype}; boundary="{boundary}"{CRLF * 2}{inner}--{boundary}--{CRLF}'


def chat_message(name: str, email: str, time: str, text: str, topic: str, id_: str) -> str:
    """A message of Google Chat's messages.json; join with ",\\n" inside {"messages": [ … ]}."""
    return (
        f'    {{\n      "creator": {{\n        "name": "{name}",\n        "email": "{email}",\n'
        f'        "user_type": "Human"\n      }},\n      "created_date": "{time}",\n'
        f'      "text": "{text}",\n      "topic_id": "{topic}",\n      "message_id": "{id_}"\n    }}'
    )


def chat_group(name: str, members: Sequence[tuple[str, str]]) -> str:
    people = [{"name": one, "email": email, "user_type": "Human"} for one, email in members]
    return json.dumps({"name": name, "members": people}, indent=2)


def note(title: str, text: str, micros: int, labels: Sequence[str] = ()) -> str:
    """A note of Keep, as its JSON file."""
    content = {
        "color": "DEFAULT", "isTrashed": False, "isPinned": False, "isArchived": False, "textContent": text,
        "title": title, "userEditedTimestampUsec": micros, "createdTimestampUsec": micros - 60_000_000,
        "labels": [{"name": label} for label in labels],
    }  # fmt: skip
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def install(title: str, first: str, last: str) -> str:
    """An entry of the Play Store's Installs.json; join with ", " inside [ … ]."""
    return (
        '{\n  "install": {\n    "doc": {\n      "documentType": "Android Apps",\n'
        f'      "title": "{title}"\n    }},\n    "firstInstallationTime": "{first}",\n'
        '    "deviceAttribute": {\n      "model": "SYN-1",\n      "carrier": "Synthetic",\n'
        '      "manufacturer": "synthetic",\n      "deviceDisplayName": "Synthetic One"\n    },\n'
        f'    "lastUpdateTime": "{last}"\n  }}\n}}'
    )


def access(gaia: int, time: str, address: str, where: tuple[str, str, str], agent: str, product: str) -> str:
    """A line of the access log in its 16 columns; ``where`` is country, region, city."""
    return (
        f"{gaia},{time} UTC,{address},,false,{where[0]},{where[1]},{where[2]},{agent},{product},,,,"
        f"Non User Initiated,,\n"
    )


def device(gaia: int, name: str, country: str, time: str) -> str:
    return f"{gaia},MOBILE,Synthetic,{name},Android,14,SYN-1,,Country ISO: {country}. Last Activity Time: {time} UTC\n"


def comment(id_: str, channel: str, time: str, video: str, text: str) -> str:
    segments = json.dumps({"takeoutSegments": [{"text": text}]}, ensure_ascii=False).replace('"', '""')
    return f'{id_},{channel},{time},0,,{video},"{segments}"\n'


def subscription(channel: str, title: str) -> str:
    return f"{channel},http://www.youtube.com/channel/{channel},{title}\n"


def web_page(title: str, paragraphs: Sequence[str]) -> str:
    body = "".join(f"<p>{html.escape(one)}</p>\n" for one in paragraphs)
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body><h1>{title}</h1>\n{body}</body></html>\n"
    )
