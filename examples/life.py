"""What else a person of the example cohort has: mail, calendar, places, chats, notes, apps, logins.

Small beside the histories, and each kind is there. Planted to be found again, and told in ``truth.json``: home and
work with weekdays at work, a circle of contacts, a weekly appointment, for every third person a mood that turns in the
middle of the chats, and, for every tenth, one login from another country. Randomness has seeds of its own, so that
histories are the same without all this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from examples import clocks, layouts
from examples.world import END, TOPICS, Person, Watch, channel_id, video_id

ROOT = "Takeout/"
SEA = (35_0000000, -40_0000000)  # in the Atlantic, where nobody lives
PLACES = ("Home", "Work", "Library", "Market Hall", "Climbing Gym", "Riverside Park")
APPS = ("Synthetic Maps", "Synthetic Notes", "Synthetic Chess", "Synthetic Radio", "Synthetic Weather",
        "Synthetic Camera", "Synthetic Bank", "Synthetic Runner")  # fmt: skip
AGENT = "App : SYNTHETIC_APP. App Version : 1.2.3. Os : ANDROID_OS."
ODD_EVERY = 10  # every so many-th person has one odd login
MOOD_EVERY = 3  # of every so many-th person the mood turns
GLAD = ("what a lovely day, I enjoyed it so much", "this made me really happy", "great fun, thank you all",
        "wonderful, the best one yet", "I love how well it went")  # fmt: skip
GLUM = ("what a terrible day, I hated all of it", "this was awful and boring", "so disappointing, and I am angry",
        "the worst one yet, a waste of time", "I am sad about how badly it went")  # fmt: skip
APPOINTMENTS = 26  # of the weekly one
Rows = list[tuple[int, str]]  # (milliseconds since 1970, the record as text), oldest first


@dataclass
class Life:
    """The records of each file, and what was planted."""

    letters: Rows = field(default_factory=list)
    events: Rows = field(default_factory=list)
    points: Rows = field(default_factory=list)
    visits: Rows = field(default_factory=list)
    chat: Rows = field(default_factory=list)
    notes: Rows = field(default_factory=list)
    texts: Rows = field(default_factory=list)
    installs: Rows = field(default_factory=list)
    accesses: Rows = field(default_factory=list)
    comments: Rows = field(default_factory=list)
    subscriptions: list[str] = field(default_factory=list)
    device: str = ""
    circle: list[str] = field(default_factory=list)
    odd_login: str | None = None
    mood_turn: dict[str, str] | None = None


def make_life(seed: int, person: Person, history: Sequence[Watch], years: float) -> Life:
    life = Life()
    for number, make in enumerate((_mail, _calendar, _places, _chat, _writings, _apps, _security, _youtube)):
        rng = np.random.default_rng([seed, person.number, 10 + number])
        make(life, rng, person, _times(rng, years), history)
    for rows in vars(life).values():
        if isinstance(rows, list):
            rows.sort()
    return life


def files(life: Life, person: Person, until: datetime) -> dict[str, str]:
    """The members of an archive made at ``until``, by service; none for a service without records."""
    end = int(until.timestamp() * 1000)

    def before(rows: Rows) -> list[str]:
        return [text for time, text in rows if time < end]

    found: dict[str, str] = {}

    def put(name: str, texts: Sequence[str], wrap: Callable[[str], str], between: str = "") -> None:
        if texts:
            found[ROOT + name] = wrap(between.join(texts))

    put("Mail/All mail Including Spam and Trash.mbox", before(life.letters), str)
    put("Calendar/Synthetic.ics", before(life.events),
        lambda text: layouts.CALENDAR_HEAD + text + layouts.CALENDAR_TAIL)  # fmt: skip
    put("Location History (Timeline)/Records.json", before(life.points),
        lambda text: f'{{\n  "locations": [{text}]\n}}', ", ")  # fmt: skip
    by_month: dict[tuple[int, str], list[str]] = {}
    for time, text in life.visits:
        if time < end:
            year, month = np.datetime64(time, "ms").item().timetuple()[:2]
            by_month.setdefault((year, clocks.LONG_MONTHS[month - 1].upper()), []).append(text)
    for (year, name), texts in by_month.items():
        put(f"Location History (Timeline)/Semantic Location History/{year}/{year}_{name}.json", texts,
            lambda text: f'{{\n  "timelineObjects": [{text}]\n}}', ", ")  # fmt: skip
    put("Google Chat/Groups/Space SYNTHETIC/messages.json", before(life.chat),
        lambda text: f'{{\n  "messages": [\n{text}\n  ]\n}}', ",\n")  # fmt: skip
    if before(life.chat):
        members = [(one.partition("@")[0], one) for one in (person.email, *life.circle)]
        found[ROOT + "Google Chat/Groups/Space SYNTHETIC/group_info.json"] = layouts.chat_group(
            "Synthetic space", members
        )
    for number, text in enumerate(before(life.notes)):
        found[ROOT + f"Keep/Synthetic note {number + 1}.json"] = text
    for number, text in enumerate(before(life.texts)):
        found[ROOT + f"Drive/Synthetic text {number + 1}.txt"] = text
    put("Google Play Store/Installs.json", before(life.installs), lambda text: f"[{text}]", ",")
    put("Access Log Activity/Activities - A list of Google services accessed by.csv", before(life.accesses),
        lambda text: layouts.ACCESS_HEAD + text)  # fmt: skip
    put("Access Log Activity/Devices - A list of devices (i.e. Nest, Pixel, iPh.csv", [life.device],
        lambda text: layouts.DEVICES_HEAD + text)  # fmt: skip
    put("YouTube and YouTube Music/comments/comments.csv", before(life.comments),
        lambda text: layouts.COMMENTS_HEAD + text)  # fmt: skip
    put("YouTube and YouTube Music/subscriptions/subscriptions.csv", life.subscriptions,
        lambda text: layouts.SUBSCRIPTIONS_HEAD + text)  # fmt: skip
    return found


def told(life: Life) -> dict[str, object]:
    """What was planted, and how many events of each kind there are, for ``truth.json``."""
    kinds = {
        "message": len(life.letters) + len(life.chat) + len(life.comments),
        "calendar": len(life.events) - 1 + APPOINTMENTS,
        "place": len(life.points) + len(life.visits),
        "document": len(life.notes) + len(life.texts),
        "app_usage": len(life.installs),
        "security": len(life.accesses) + 1,
        "preference": len(life.subscriptions),
    }
    return {"kinds": kinds, "circle": life.circle, "odd_login": life.odd_login, "mood_turn": life.mood_turn}


Times = Callable[[int], np.ndarray]


def _times(rng: np.random.Generator, years: float) -> Times:
    """Draws instants of the history, no two in one minute, as milliseconds since 1970, rising."""
    start, minutes = int((END - timedelta(days=365 * years)).timestamp()), int(365 * years * 1440)

    def draw(count: int) -> np.ndarray:
        chosen = rng.choice(minutes, size=min(count, minutes), replace=False)
        return (start + np.sort(chosen) * 60 + rng.integers(0, 60, len(chosen))) * 1000

    return draw


def _topic(rng: np.random.Generator, person: Person) -> str:
    return TOPICS[int(rng.choice(len(TOPICS), p=person.taste))].lower()


def _mail(
    life: Life, rng: np.random.Generator, person: Person, times: Times, history: Sequence[Watch]
) -> None:
    others = rng.choice(120, size=6, replace=False) + 1
    life.circle = [f"person{n:03d}@example.test" for n in others.tolist() if n != person.number][:5]
    ms = times(60)
    for number, (time, dates) in enumerate(zip(ms.tolist(), clocks.mail(ms), strict=True)):
        friend, topic = (
            life.circle[int(rng.integers(len(life.circle)) ** 2 // len(life.circle))],
            _topic(rng, person),
        )
        sent, thread = rng.random() < 0.4, 1_500_000_000_000_000_000 + person.number * 1000 + number // 2
        sender, to = (person.email, friend) if sent else (friend, person.email)
        if rng.random() < 0.2:
            sender, to, sent = f"news@{topic.replace(' ', '-')}.example.test", person.email, False
        text = f"Hello,\r\nthis is synthetic letter {number} about {topic}.\r\nSee you on {topic} day!\r\n"
        parts = [("plain", text)]
        if rng.random() < 0.3:
            parts.append(("html", f"<div><p>{text}</p></div>"))
        data = "U3ludGhldGljIGF0dGFjaG1lbnQu" if rng.random() < 0.1 else ""
        life.letters.append((time, layouts.letter(
            person.number * 1000 + number, dates, sender, [to], f"Synthetic {topic}, no. {number}",
            "Sent" if sent else "Inbox,Opened", thread, parts,
            attachment=("synthetic.pdf", data) if data else None,
        )))  # fmt: skip


def _calendar(
    life: Life, rng: np.random.Generator, person: Person, times: Times, history: Sequence[Watch]
) -> None:
    for number, time in enumerate(times(20).tolist()):
        start = np.datetime64(time // 3_600_000, "h")
        title, uid = f"Synthetic {_topic(rng, person)}", f"{person.name}.{number}@example.test"
        if rng.random() < 0.2:
            day = start.astype("datetime64[D]")
            begin, end = (str(one).replace("-", "") for one in (day, day + 1))
        else:
            begin, end = _local(start), _local(start + 1)
        people = [person.email, life.circle[0]] if rng.random() < 0.5 else []
        where = PLACES[int(rng.integers(len(PLACES)))]
        life.events.append((time, layouts.event(uid, begin, end, title, where, people)))
    first = np.datetime64(int(times(1)[0]) // clocks.DAY_MS, "D") + np.timedelta64(8, "h")
    first -= np.timedelta64(7 * APPOINTMENTS // 2, "D")
    uid, rule = f"{person.name}.weekly@example.test", f"FREQ=WEEKLY;COUNT={APPOINTMENTS}"
    weekly = layouts.event(
        uid, _local(first), _local(first + 1), "Synthetic weekly meeting", "Work", rule=rule
    )
    life.events.append((0, weekly))


def _local(hour: np.datetime64) -> str:
    return str(hour.astype("datetime64[s]")).replace("-", "").replace(":", "")


def _places(
    life: Life, rng: np.random.Generator, person: Person, times: Times, history: Sequence[Watch]
) -> None:
    """Days out: at work on weekdays, elsewhere on others; positions while there."""
    spots = [(SEA[0] + int(a), SEA[1] + int(b)) for a, b in rng.integers(-900_000, 900_000, (len(PLACES), 2))]
    for day in np.unique(times(60) // clocks.DAY_MS).tolist():
        weekday = (day + 3) % 7  # 0 is Monday
        where = 1 if weekday < 5 and rng.random() < 0.9 else int(rng.integers(2, len(PLACES)))
        begins = day * clocks.DAY_MS + int(rng.integers(7 * 60, 10 * 60)) * 60_000
        hours = 8 if where == 1 else 2
        ends = begins + (hours * 60 + int(rng.integers(-30, 30))) * 60_000
        start, end = clocks.iso(np.array([begins, ends]))
        place = f"ChIJsyn{person.number:03d}{where}"
        life.visits.append((begins, layouts.place_visit(spots[where], place, PLACES[where], start, end)))
        for at in (begins - 3_600_000, begins + 600_000):
            spot = spots[0 if at < begins else where]
            near = (spot[0] + int(rng.integers(-500, 500)), spot[1] + int(rng.integers(-500, 500)))
            doing = "STILL" if rng.random() < 0.5 else ""
            life.points.append((at, layouts.point(near, 12, clocks.iso(np.array([at]))[0], doing)))


def _chat(
    life: Life, rng: np.random.Generator, person: Person, times: Times, history: Sequence[Watch]
) -> None:
    ms = times(40)
    glad = _moods(life, rng.spawn(1)[0], person, ms)
    for number, (time, text) in enumerate(zip(ms.tolist(), clocks.long_american(ms), strict=True)):
        who = (person.email, *life.circle)[int(rng.integers(1 + len(life.circle)))]
        felt = (GLAD if glad[number] else GLUM)[number % len(GLAD)]
        said = f"Synthetic words about {_topic(rng, person)} ({number}): {felt}"
        topic = f"t{number // 3}"
        id_ = f"SYN{person.number:03d}/{topic}/m{number}"
        life.chat.append((time, layouts.chat_message(who.partition("@")[0], who, text, said, topic, id_)))


def _moods(life: Life, rng: np.random.Generator, person: Person, ms: np.ndarray) -> np.ndarray:
    """Whether each message is glad: half of them, or four of five on one side of the turn and one on the other."""
    share = np.full(len(ms), 0.5)
    if person.number % MOOD_EVERY == 0 and len(ms) > 1:
        turn, worse = len(ms) // 2, person.number % 2 == 0
        share = np.where((np.arange(len(ms)) < turn) == worse, 0.8, 0.2)
        way = "worse" if worse else "better"
        life.mood_turn = {"time": clocks.iso(ms[turn : turn + 1])[0], "way": way}
    glad: np.ndarray = rng.random(len(ms)) < share
    return glad


def _writings(
    life: Life, rng: np.random.Generator, person: Person, times: Times, history: Sequence[Watch]
) -> None:
    for number, time in enumerate(times(6).tolist()):
        topic = _topic(rng, person)
        text = f"Synthetic thoughts of {person.name} about {topic}: no. {number}.\n"
        if number < 4:
            life.notes.append((time, layouts.note(f"About {topic}", text, time * 1000, ["synthetic"])))
        else:
            life.texts.append((time, text * 3))


def _apps(
    life: Life, rng: np.random.Generator, person: Person, times: Times, history: Sequence[Watch]
) -> None:
    chosen = rng.permutation(len(APPS))[:6]
    ms = times(len(chosen))
    for app, time, text in zip(chosen.tolist(), ms.tolist(), clocks.iso(ms), strict=True):
        life.installs.append((time, layouts.install(APPS[app], text, text)))


def _security(
    life: Life, rng: np.random.Generator, person: Person, times: Times, history: Sequence[Watch]
) -> None:
    gaia, ms = 900_000_000_000 + person.number, times(40)
    odd = int(rng.integers(10, len(ms))) if person.number % ODD_EVERY == 0 else -1
    for number, (time, text) in enumerate(zip(ms.tolist(), clocks.seconds(ms), strict=True)):
        address, where = f"198.51.100.{person.number % 250 + 1}", ("XA", "Synthetic", "Seaville")
        if number == odd:
            address, where = "203.0.113.77", ("XB", "Elsewhere", "Farport")
            life.odd_login = clocks.iso(np.array([time]))[0]
        product = ("Gmail", "YouTube", "Maps")[int(rng.integers(3))]
        life.accesses.append((time, layouts.access(gaia, text, address, where, AGENT, product)))
    life.device = layouts.device(gaia, "Synthetic One", "XA", clocks.seconds(ms)[-1])


def _youtube(
    life: Life, rng: np.random.Generator, person: Person, times: Times, history: Sequence[Watch]
) -> None:
    """Subscriptions to the channels watched most, comments under films that were watched."""
    films = [watch.video for watch in history if watch.video is not None and not watch.advert]
    often = Counter((film.channel_id, film.channel) for film in films).most_common(8)
    life.subscriptions = [layouts.subscription(id_, name) for (id_, name), _ in often]
    ms = times(min(5, len(films)))
    for time, text in zip(ms.tolist(), clocks.iso(ms), strict=True):
        film = films[int(rng.integers(len(films)))]
        id_, mine = "Ugsyn" + video_id(f"{person.name}/{time}"), channel_id(person.name)
        said = f"Synthetic praise of {film.title}"
        life.comments.append((time, layouts.comment(id_, mine, text.replace("Z", "+00:00"), film.id, said)))
