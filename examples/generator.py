"""Example exports from a seed: one Google Takeout archive per invented person, and the planted truth.

    python -m examples.generator OUT --people 120 --years 1 --seed 7

writes ``takeout-<time>-001.zip`` for each person (a stamp of its own each, as Google gives: equal stamps
would be the parts of one export) and ``truth.json``: tastes, habits, groups, series and counts.
``--gigabytes`` makes one large export of all formats instead: see ``examples.large``.
Every archive holds ``Takeout/forge-synthetic.json``, so that what is shown from it is labelled synthetic.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from examples import life as lives
from examples import takeout
from examples.world import END, TOPICS, Catalogue, Person, Watch, make_catalogue, make_person, make_watches

EARLIER = timedelta(days=120)  # an older export of the same person ends this long before the newer one
WATCH_CONTROL, SEARCH_CONTROL = "YouTube watch history", "YouTube search history"


def generate(out: Path, people: int = 120, years: float = 1, seed: int = 7, overlap: int = 0) -> Path:
    """Write the archives of ``people`` into ``out`` and return it.

    The first ``overlap`` people get an older export too, in the other file format, so that its events are
    all in the newer one as well.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    catalogue = make_catalogue(seed, years)
    told = []
    for number in range(1, people + 1):
        person = make_person(seed, number)
        history = make_watches(seed, person, catalogue, years)
        queries, visits = _queries(seed, person, history), _visits(seed, person, history)
        life = lives.make_life(seed, person, history, years)
        archives = [_write(out, person, history, queries, visits, life, END, person.html, seed)]
        if number <= overlap:
            until = END - EARLIER
            archives.append(
                _write(
                    out,
                    person,
                    [watch for watch in history if watch.time < until],
                    [query for query in queries if query[0] < until],
                    [visit for visit in visits if visit.time < until],
                    life,
                    until,
                    not person.html,
                    seed,
                )
            )
        told.append(_truth(person, history, len(queries), len(visits), archives) | lives.told(life))
    truth = {
        "synthetic": True,
        "seed": seed,
        "years": years,
        "end": END.isoformat(),
        "topics": TOPICS,
        "people": told,
        "videos": {
            video.id: {"topic": video.topic, "subtopic": video.subtopic} for video in catalogue.videos
        },
        "adverts": [video.id for video in catalogue.adverts],
        "sequels": _sequels(catalogue),
    }
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return out


def _write(
    out: Path,
    person: Person,
    history: Sequence[Watch],
    queries: Sequence[tuple[datetime, str]],
    visits: Sequence[takeout.Visit],
    life: lives.Life,
    made: datetime,
    as_html: bool,
    seed: int,
) -> str:
    """One archive; its name."""
    more = lives.files(life, person, made)
    made = made + timedelta(seconds=person.number)
    render, suffix = (takeout.activity_html, "html") if as_html else (takeout.activity_json, "json")
    youtube = [takeout.HISTORY + f"watch-history.{suffix}", takeout.HISTORY + f"search-history.{suffix}"]
    chrome = "Takeout/Chrome/" + ("BrowserHistory.json" if person.number % 3 == 0 else "History.json")
    services = {"YouTube and YouTube Music": youtube, "Chrome": [chrome]}
    for member in more:
        services.setdefault(member.split("/")[1], []).append(member)
    job = f"00000000-0000-4000-8000-{person.number:012d}"
    mark = {"synthetic": True, "seed": seed, "person": person.name, "note": "Invented by examples.generator."}
    files = {
        "Takeout/archive_browser.html": takeout.archive_browser(person.email, made, services, job),
        youtube[0]: render(takeout.watches(history), WATCH_CONTROL),
        youtube[1]: render(takeout.searches(queries), SEARCH_CONTROL),
        chrome: takeout.chrome_json(visits, client=f"synthetic-{person.name}"),
        **more,
        "Takeout/forge-synthetic.json": json.dumps(mark, indent=1) + "\n",
    }
    name = made.strftime("takeout-%Y%m%dT%H%M%SZ-001.zip")
    takeout.write_zip(out / name, files, made)
    return name


def _queries(seed: int, person: Person, history: Sequence[Watch]) -> list[tuple[datetime, str]]:
    """Some watches were searched for, a minute before, by topic."""
    rng = np.random.default_rng([seed, person.number, 2])
    found = []
    for watch in history:
        if watch.video is None or watch.advert or rng.random() > 0.15:
            continue
        words = TOPICS[watch.video.topic].lower()
        more = ("", " for beginners", " at home", " & tools")[rng.integers(4)]
        found.append((watch.time - timedelta(seconds=int(rng.integers(20, 90))), f"synthetic {words}{more}"))
    return sorted(found)


def _visits(seed: int, person: Person, history: Sequence[Watch]) -> list[takeout.Visit]:
    """Pages about the topics a person watches, some minutes after; invented hosts only."""
    rng = np.random.default_rng([seed, person.number, 3])
    found = []
    for watch in history:
        if watch.video is None or watch.advert or rng.random() > 0.5:
            continue
        topic = TOPICS[watch.video.topic]
        page = int(rng.zipf(1.6)) % 60
        host = topic.lower().replace(" ", "-") + ".example.test"
        time = watch.time + timedelta(
            seconds=int(rng.integers(120, 2400)), microseconds=int(rng.integers(1000))
        )
        kind = ("LINK", "TYPED", "RELOAD")[int(rng.choice(3, p=[0.75, 0.2, 0.05]))]
        if time < END:
            found.append(
                takeout.Visit(time, f"Synthetic page {page} about {topic}", f"https://{host}/{page}", kind)
            )
    return sorted(found, key=lambda visit: visit.time)


def _truth(
    person: Person, history: Sequence[Watch], queries: int, visits: int, archives: Sequence[str]
) -> dict[str, object]:
    return {
        "person": person.name,
        "email": person.email,
        "archives": archives,
        "format": "html" if person.html else "json",
        "age_group": person.age_group,
        "hour": person.hour,
        "weekend": round(person.weekend, 3),
        "loyalty": round(person.loyalty, 3),
        "taste": {TOPICS[t]: round(float(person.taste[t]), 3) for t in np.argsort(-person.taste)[:4]},
        "watches": sum(watch.video is not None and not watch.advert for watch in history),
        "removed": sum(watch.video is None for watch in history),
        "adverts": sum(watch.advert for watch in history),
        "searches": queries,
        "visits": visits,
    }


def _sequels(catalogue: Catalogue) -> dict[str, str]:
    videos = catalogue.videos
    return {videos[n].id: videos[after].id for n, after in enumerate(catalogue.sequel) if after >= 0}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="examples.generator", description="Make synthetic Takeout archives."
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=120)
    parser.add_argument("--years", type=float, default=1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--overlap", type=int, default=0, help="people who also have an older export")
    parser.add_argument("--gigabytes", type=float, help="one large export of all formats, not a cohort")
    parser.add_argument("--parts", type=int, default=1, help="zips of the large export")
    parser.add_argument("--stored", action="store_true", help="zip the large export without packing it")
    chosen = parser.parse_args(arguments)
    if chosen.gigabytes:
        from examples.large import generate_large

        truth = generate_large(chosen.out, chosen.gigabytes, chosen.parts, chosen.seed, chosen.stored)
        print(json.dumps({name: truth[name] for name in ("archives", "bytes", "kinds")}, indent=1))
        return
    folder = generate(chosen.out, chosen.people, chosen.years, chosen.seed, chosen.overlap)
    print(f"{chosen.people} synthetic archives and truth.json in {folder}")


if __name__ == "__main__":
    main()
