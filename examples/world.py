"""The invented world behind the example archives: a catalogue of videos and a cohort of people.

What is planted here is what a model should find again (``truth.json`` says it beside the archives):
topics with sub-topics that some people love and most ignore, series that are watched in order, a long tail
of popularity, hours and weekdays, and age groups whose tastes differ. All of it is invented: no title,
channel or address belongs to anything or anybody.

Randomness: one generator for the catalogue and one per person, each seeded by (seed, number), so that
person 17 is the same in a cohort of 20 and of 2,000.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

END = datetime(2026, 1, 1, tzinfo=UTC)  # all histories end here, never "now": the bytes stay the same

TOPICS = (
    "Astronomy",
    "Baking",
    "Beekeeping",
    "Board games",
    "Bridges",
    "Chess",
    "Cycling",
    "Drawing",
    "Gardening",
    "Guitar",
    "Hiking",
    "History",
    "Model trains",
    "Programming",
    "Running",
    "Weather",
)
SUBTOPICS = 4
VIDEOS_PER_TOPIC = 100  # 1,600 videos: enough for a tail, few enough that 120 people share some
CHANNELS_PER_TOPIC = 8
SERIES_LENGTH = 6
SERIES_PER_TOPIC = 8
NEW_SHARE = 0.2  # videos that appear during the history, the rest are older than it
ZIPF = 0.8  # popularity of the r-th video of a topic ~ r^-0.8
ADVERTS = 40
AGE_GROUPS = {"18-29": 0.35, "30-44": 0.3, "45-64": 0.25, "65+": 0.1}

ADJECTIVES = (
    "Amber",
    "Brisk",
    "Quiet",
    "Copper",
    "Distant",
    "Early",
    "Feathered",
    "Gentle",
    "Hidden",
    "Ivory",
)
NOUNS = (
    "Lantern",
    "Orchard",
    "Compass",
    "Meadow & Moor",
    "Harbour",
    "Café",
    "Maker's Bench",
    "Signal",
    "Thread",
)


@dataclass(frozen=True)
class Video:
    id: str
    title: str
    channel: str
    channel_id: str
    topic: int
    subtopic: int
    published: float  # days since the start of the history; negative: before it


@dataclass
class Catalogue:
    """Videos in the order of their number, and arrays of the same length beside them."""

    videos: list[Video]
    popularity: np.ndarray  # relative, within the topic
    sequel: np.ndarray  # number of the next part of the series, -1 where there is none
    adverts: list[Video]
    of_topic: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Person:
    """One invented person; ``taste`` (topics,) and ``subtaste`` (topics, subtopics) are probabilities."""

    number: int
    age_group: str
    taste: np.ndarray
    subtaste: np.ndarray
    per_year: float
    hour: float  # the favourite hour of the day, UTC
    weekend: float  # how much likelier a day of the weekend is
    loyalty: float  # probability to go on with a series
    html: bool  # the export is HTML, not JSON

    @property
    def name(self) -> str:
        return f"person{self.number:03d}"

    @property
    def email(self) -> str:
        return f"{self.name}@example.test"


@dataclass(frozen=True)
class Watch:
    time: datetime
    video: Video | None  # None: "a video that has been removed"
    advert: bool = False


def make_catalogue(seed: int, years: float) -> Catalogue:
    rng = np.random.default_rng([seed, 1_000_000])
    days = 365.0 * years
    videos: list[Video] = []
    popularity: list[float] = []
    sequel: list[int] = []
    of_topic: list[np.ndarray] = []
    for topic, topic_name in enumerate(TOPICS):
        first = len(videos)
        ranks = rng.permutation(VIDEOS_PER_TOPIC) + 1.0
        series = np.arange(SERIES_PER_TOPIC * SERIES_LENGTH).reshape(SERIES_PER_TOPIC, SERIES_LENGTH)
        for number in range(VIDEOS_PER_TOPIC):
            serial, part = divmod(number, SERIES_LENGTH)
            serial = serial if number < series.size else -1
            channel = serial % CHANNELS_PER_TOPIC if serial >= 0 else int(rng.integers(CHANNELS_PER_TOPIC))
            words = f"{ADJECTIVES[rng.integers(len(ADJECTIVES))]} {NOUNS[rng.integers(len(NOUNS))]}"
            if serial >= 0:
                title = f"Synthetic {topic_name} series {serial + 1}, part {part + 1}"
            else:
                title = f"Synthetic {topic_name} {number}: {words}"
            new = rng.random() < NEW_SHARE
            published = float(rng.uniform(0, days)) if new and serial < 0 else -float(rng.uniform(1, 2000))
            key = f"{seed}/{topic}/{number}"
            subtopic = (serial if serial >= 0 else int(rng.integers(SUBTOPICS))) % SUBTOPICS
            videos.append(
                Video(
                    video_id(key),
                    title,
                    f"Synthetic {topic_name} channel {channel + 1}",
                    channel_id(f"{topic}/{channel}"),
                    topic,
                    subtopic,
                    published,
                )
            )
            sequel.append(first + number + 1 if serial >= 0 and part < SERIES_LENGTH - 1 else -1)
        popularity.extend(ranks**-ZIPF)
        of_topic.append(np.arange(first, len(videos)))
    adverts = [
        Video(
            video_id(f"{seed}/ad/{n}"),
            f"Synthetic advert {n}",
            "Synthetic adverts",
            channel_id("ads"),
            -1,
            0,
            -1.0,
        )
        for n in range(ADVERTS)
    ]
    return Catalogue(videos, np.array(popularity), np.array(sequel), adverts, of_topic)


def make_person(seed: int, number: int) -> Person:
    rng = np.random.default_rng([seed, number])
    groups = list(AGE_GROUPS)
    group = int(rng.choice(len(groups), p=list(AGE_GROUPS.values())))
    leaning = np.full(len(TOPICS), 0.12)
    leaning[group::4] = 0.3  # every group leans to four of the sixteen topics
    return Person(
        number=number,
        age_group=groups[group],
        taste=rng.dirichlet(leaning),
        subtaste=rng.dirichlet(np.full(SUBTOPICS, 0.15), size=len(TOPICS)),
        per_year=float(np.clip(rng.lognormal(np.log(300), 0.25), 150, 400)),
        hour=float(rng.choice([7.5, 13.0, 19.5, 22.0], p=[0.15, 0.2, 0.45, 0.2])),
        weekend=float(rng.uniform(0.8, 2.5)),
        loyalty=float(rng.uniform(0.3, 0.8)),
        html=number % 4 == 0,
    )


def make_watches(seed: int, person: Person, catalogue: Catalogue, years: float) -> list[Watch]:
    """The person's history, oldest first."""
    rng = np.random.default_rng([seed, person.number, 1])
    times = _times(rng, person, years)
    start = END - timedelta(days=365.0 * years)
    published = np.array([video.published for video in catalogue.videos])
    subtopic = np.array([video.subtopic for video in catalogue.videos])
    weights = [
        np.cumsum(catalogue.popularity[of] * (0.03 + person.subtaste[topic][subtopic[of]]))
        for topic, of in enumerate(catalogue.of_topic)
    ]
    taste = np.cumsum(person.taste)
    watched: list[Watch] = []
    numbers: list[int] = []
    for day in times:
        time = start + timedelta(days=float(day))
        kind = rng.random()
        if kind < 0.01:
            watched.append(Watch(time, None))
            continue
        if kind < 0.02:
            watched.append(Watch(time, catalogue.adverts[rng.integers(ADVERTS)], advert=True))
            continue
        last = catalogue.sequel[numbers[-1]] if numbers else -1
        if last >= 0 and rng.random() < person.loyalty:
            number = int(last)
        elif numbers and rng.random() < 0.05:
            number = numbers[rng.integers(len(numbers))]
        else:
            number = _choose(rng, taste, weights, catalogue, published, float(day))
        numbers.append(number)
        watched.append(Watch(time, catalogue.videos[number]))
    return watched


def _choose(
    rng: np.random.Generator,
    taste: np.ndarray,
    weights: list[np.ndarray],
    catalogue: Catalogue,
    published: np.ndarray,
    day: float,
) -> int:
    """A video that is out already, by taste, then by sub-topic and popularity."""
    while True:
        topic = int(np.searchsorted(taste, rng.random() * taste[-1]))
        place = int(np.searchsorted(weights[topic], rng.random() * weights[topic][-1]))
        number = int(catalogue.of_topic[topic][place])
        if published[number] <= day:
            return number


def _times(rng: np.random.Generator, person: Person, years: float) -> np.ndarray:
    """Instants in days since the start, rising, to the millisecond, no two in the same second."""
    days = int(365 * years)
    start = END - timedelta(days=days)
    weekend = np.array([(start + timedelta(days=d)).weekday() >= 5 for d in range(days)])
    likely = np.where(weekend, person.weekend, 1.0)
    n = int(rng.poisson(person.per_year * years))
    day = rng.choice(days, size=n, p=likely / likely.sum())
    hour = np.mod(rng.normal(person.hour, 1.8, size=n), 24.0)
    seconds = np.unique((day * 86_400 + hour * 3_600).astype(np.int64))
    return (seconds + rng.integers(0, 1000, size=len(seconds)) / 1000.0) / 86_400.0


def video_id(key: str) -> str:
    """Eleven characters as YouTube's, and beginning with SYN."""
    return "SYN" + _letters(key)[:8]


def channel_id(key: str) -> str:
    return "UCsyn" + _letters("channel/" + key)[:19]


def _letters(key: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()).decode().replace("=", "")
