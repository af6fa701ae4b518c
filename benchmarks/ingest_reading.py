"""The sections of the ingest benchmark that read files; nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.harness import Arm, Result

MB = 1_000_000
PEER_MEMORY = 12 << 30  # a peer that wants more is reported as out of memory, before the machine is
OURS = ("ours, 2 workers", "ours, 1 process")
NAMES = {  # as Takeout calls them
    "watch_html": "watch-history.html",
    "watch_json": "watch-history.json",
    "search_html": "MyActivity.html",
    "records": "Records.json",
    "mbox": "All mail Including Spam and Trash.mbox",
    "ics": "Synthetic.ics",
}


class Skipped(Exception):
    """A section that cannot be run here, and why."""


@dataclass(frozen=True)
class Setup:
    """Where inputs are made, how large, how often they are read."""

    scratch: Path
    home: Path
    scale: float
    repeat: int
    full: bool

    def file(self, stream: str, megabytes: float) -> tuple[Path, int, int]:
        """An input, its bytes and the events in it."""
        from examples.large import write_member

        path = self.scratch / f"{stream}-{megabytes:g}" / NAMES[stream]
        path.parent.mkdir(exist_ok=True)
        told = write_member(stream, path, megabytes * MB * self.scale)
        return path, told.pop("bytes"), sum(told.values())


def compare(
    setup: Setup, stream: str, megabytes: float, peers: dict[str, Callable[[Path], Arm]], check: str = ""
) -> dict[str, Any]:
    """Ours beside peers on one file. ``check`` is the kind whose fields must be the same for all peers."""
    path, size, events = setup.file(stream, megabytes)
    arms = {name: Arm("ours", (path, workers)) for name, workers in zip(OURS, (2, 0), strict=True)}
    arms |= {name: make(path) for name, make in peers.items()}
    arms["scan"] = Arm("scan", (path,), more={"note": "one thread: read, count lines"})
    found = harness.in_turn(arms, setup.repeat, setup.home, size)
    ours = found[OURS[0]]
    if "failed" in ours:
        raise Skipped(ours["failed"])
    if ours["rows"] == 0:
        raise Skipped("no reader takes this file yet")
    answer: dict[str, Any] = {"bytes": size, "events_written": events, "arms": found}
    answer["all_events_read"] = ours["rows"] == events == found[OURS[1]]["rows"]
    if check:
        answer["same_fields"] = same_fields(setup, path, arms, peers, check)
    answer["times_faster_than"] = {name: harness.ratio(found[name], ours) for name in peers}
    answer["times_less_cpu_than"] = {name: harness.ratio(found[name], ours, "cpu_seconds") for name in peers}
    answer["times_slower_than_scan"] = harness.ratio(ours, found["scan"])
    path.unlink()
    return answer


def same_fields(setup: Setup, path: Path, arms: dict[str, Arm], peers: Any, kind: str) -> dict[str, Any]:
    """Digests of the fields of every row, ours and the peers'; they must be one."""
    ours = harness.run(Arm("ours", (path, 2, "--check", kind)), setup.home)
    digests = {"ours": ours.get("digest")}
    for name in peers:
        if arms[name].module != "takeout_parser":
            arm = Arm(arms[name].module, (*arms[name].arguments, "--check"), arms[name].peer)
            digests[name] = harness.run(arm, setup.home).get("digest")
    if len(set(digests.values())) != 1 or None in digests.values():
        raise SystemExit(f"{path.name}: the fields differ: {digests}")
    return {"rows": ours["rows"], "digest": ours["digest"], "of": list(digests)}


def takeout_parser(layout: str, once: bool = False) -> Callable[[Path], Arm]:
    more = {"options": "0.1.13 with lxml and orjson, no cache"}
    return lambda path: Arm(
        "takeout_parser", (path, layout), "google_takeout_parser", once, PEER_MEMORY, more
    )


def watch_html(setup: Setup) -> dict[str, Any]:
    return compare(setup, "watch_html", 100, {"google_takeout_parser": takeout_parser("html", once=True)})


def watch_json(setup: Setup) -> dict[str, Any]:
    return compare(setup, "watch_json", 100, {"google_takeout_parser": takeout_parser("json")})


def my_activity_html(setup: Setup) -> dict[str, Any]:
    """lxml on a long file, and google_takeout_parser on a shorter one, for it reads about 1 MB/s."""
    lxml = Arm(
        "lxml_cells",
        peer="parsers",
        more={"options": "6.1.3, etree.parse with huge_tree, one compiled XPath"},
    )
    long = compare(
        setup,
        "search_html",
        400,
        {"lxml": lambda path: Arm(lxml.module, (path,), lxml.peer, more=lxml.more)},
        check="search",
    )
    short = compare(setup, "search_html", 100, {"google_takeout_parser": takeout_parser("html", once=True)})
    both = ("times_faster_than", "times_less_cpu_than")
    return long | {"shorter_file": short} | {name: short[name] | long[name] for name in both}


def records(setup: Setup) -> dict[str, Any]:
    options = {"options": "3.6.0, yajl2_c, use_float, buffer of 1 MiB; times stay text"}
    peers = {
        "ijson": lambda path: Arm("ijson_points", (path,), "parsers", more=options),
        "google_takeout_parser": takeout_parser("locations", once=True),
    }
    return compare(setup, "records", 1600, peers, check="place")


def mbox(setup: Setup) -> dict[str, Any]:
    options = {"options": "standard library, compat32 messages, headers decoded only where they are encoded"}
    peers = {"mailbox": lambda path: Arm("mailbox_letters", (path,), more=options)}
    return compare(setup, "mbox", 1000, peers, check="message")


def ics(setup: Setup) -> dict[str, Any]:
    """Ours expands recurrences, the peer does not."""
    options = {"options": "7.3.0, from_ical of the whole file and walk; no expansion"}
    peers = {"icalendar": lambda path: Arm("icalendar_walk", (path,), "parsers", more=options)}
    return compare(setup, "ics", 20, peers)


def memory(setup: Setup) -> dict[str, Any]:
    """A whole export of all formats, and one of ten times its size: the sum over our processes."""
    from examples.large import generate_large

    answer: dict[str, Any] = {"goal": "all our processes together, PostgreSQL apart"}
    size = (0.5 if setup.full else 0.1) * setup.scale
    for name, times in (("once", 1), ("ten_times", 10)):
        folder = setup.scratch / f"export-{times}"
        truth = generate_large(folder, size * times, stored=True)
        path = folder / truth["archives"][0]
        found = harness.in_turn({"ours": Arm("ours", (path, 2))}, 1, setup.home, truth["bytes"])["ours"]
        written: Result = {"bytes": truth["bytes"], "events_written": sum(truth["kinds"].values())}
        answer[name] = written | found
        path.unlink()
    if "failed" not in answer["once"]:
        answer["kinds_written"] = json.loads((folder / "truth.json").read_text())["kinds"]
    return answer


SECTIONS: dict[str, Callable[[Setup], dict[str, Any]]] = {
    "watch_html": watch_html,
    "watch_json": watch_json,
    "my_activity_html": my_activity_html,
    "records": records,
    "mbox": mbox,
    "ics": ics,
    "memory": memory,
}
