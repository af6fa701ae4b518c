"""The example exports: deterministic, in Google's formats, and with structure that can be found again."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from examples.generator import generate, main
from examples.large import generate_large
from examples.world import END, make_catalogue, make_person, make_watches
from forge_core import keys
from forge_core.archives import open_archive
from forge_core.events import KINDS
from forge_core.sources import ReadReport, read, survey
from forge_models.family import TrainingRun
from forge_models.recommender import NEXT_ITEMS, RECOMMENDER

PEOPLE, OVERLAP = 8, 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("examples"), people=PEOPLE, years=0.5, seed=7, overlap=OVERLAP)


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict:
    return json.loads((folder / "truth.json").read_text())


def rows_of(archive: Path) -> tuple[str | None, dict[str, pa.Table]]:
    """Whose archive it is, and what our readers find in it, by kind."""
    batches: dict[str, list[pa.RecordBatch]] = {}
    with open_archive(archive) as opened:
        found = survey(opened)
        for batch in read(opened, found, None, ReadReport()):
            batches.setdefault(batch.kind, []).append(batch.rows)
    return found.subject, {kind: pa.Table.from_batches(parts) for kind, parts in batches.items()}


def test_a_seed_gives_the_same_bytes_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    again = generate(tmp_path / "again", people=PEOPLE, years=0.5, seed=7, overlap=OVERLAP)
    other = generate(tmp_path / "other", people=1, years=0.5, seed=8)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in names)
    first = "takeout-20260101T000001Z-001.zip"
    assert (folder / first).read_bytes() != (other / first).read_bytes()


def test_a_person_is_the_same_in_a_cohort_of_any_size(folder: Path, tmp_path: Path) -> None:
    main([str(tmp_path), "--people", "2", "--years", "0.5", "--seed", "7"])
    name = "takeout-20260101T000002Z-001.zip"
    assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()


def test_our_readers_find_what_was_planted_in_json_and_html(folder: Path, truth: dict) -> None:
    assert {person["format"] for person in truth["people"]} == {"json", "html"}
    for person in truth["people"]:
        subject, rows = rows_of(folder / person["archives"][0])
        assert subject == person["email"]
        found = {kind: table.num_rows for kind, table in rows.items()}
        histories = {"watch": person["watches"], "search": person["searches"], "browse": person["visits"]}
        assert found == histories | person["kinds"]
        items = set(rows["watch"]["item"].to_pylist())
        assert items <= {f"youtube:{video}" for video in truth["videos"]}


def test_an_older_export_in_the_other_format_holds_the_same_events(folder: Path, truth: dict) -> None:
    def events(archive: str) -> set[tuple[str, int]]:
        watch = rows_of(folder / archive)[1]["watch"]
        seconds = [time.replace(microsecond=0) for time in watch["time"].to_pylist()]
        return set(zip(watch["item"].to_pylist(), seconds, strict=True))

    newer, older = truth["people"][0]["archives"]
    assert events(older) < events(newer)


def test_everything_is_invented_and_says_so(folder: Path, truth: dict) -> None:
    assert truth["synthetic"] is True
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{11}", video) for video in truth["videos"])
    assert len(truth["videos"]) == len(set(truth["videos"]))
    topics = {f"{topic.lower().replace(' ', '-')}.example.test" for topic in truth["topics"]}
    for archive in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(archive) as opened:
            assert json.loads(opened.read("Takeout/forge-synthetic.json"))["synthetic"] is True
            text = b"".join(opened.read(name) for name in opened.namelist()).decode()
        assert set(re.findall(r"@([\w.-]+)", text)) - {"xxx"} <= {"example.test"} | topics
        assert (
            set(re.findall(r"https://([^/\"]+)", text)) - {"www.youtube.com", "myaccount.google.com"}
            <= topics
        )


def test_a_person_has_habits_that_are_told(folder: Path, truth: dict) -> None:
    person = truth["people"][0]
    rows = rows_of(folder / person["archives"][0])[1]
    asked = set(rows["message"]["sender"].to_pylist()) & set(person["circle"])
    weekly = rows["calendar"]["title"].to_pylist().count("Synthetic weekly meeting")
    countries = Counter(rows["security"]["country"].to_pylist())

    assert asked
    assert weekly == 26
    assert countries["XA"] == 41
    assert person["odd_login"] is None


def test_a_large_export_holds_every_format_and_says_how_many_events(tmp_path: Path) -> None:
    told = generate_large(tmp_path, gigabytes=0.004, parts=2)
    kinds: Counter[str] = Counter()
    for name in told["archives"]:
        with open_archive(tmp_path / name) as archive:
            found, report = survey(archive), ReadReport()
            for batch in read(archive, found, None, report):
                kinds[batch.kind] += batch.rows.num_rows
            assert found.population == "synthetic"
            assert {reason for _, reason in found.skipped} == {"the mark of a synthetic export"}
            for member, count in told["members"].items():
                if member in report.members:
                    count = {kind: number for kind, number in count.items() if kind != "bytes"}
                    assert dict(report.members[member].rows) == count, member

    assert told["archives"] == ["takeout-20260101T000000Z-001.zip", "takeout-20260101T000000Z-002.zip"]
    assert dict(kinds) == told["kinds"]
    assert kinds.keys() == set(KINDS) - {"feedback"}
    assert json.loads((tmp_path / "truth.json").read_text()) == told


def test_a_large_export_is_the_same_bytes_again_and_packing_is_a_choice(tmp_path: Path) -> None:
    size = ["--gigabytes", "0.002", "--seed", "3"]
    for name, more in (("one", []), ("two", []), ("three", ["--stored"])):
        main([str(tmp_path / name), *size, *more])
    archives = [tmp_path / name / "takeout-20260101T000000Z-001.zip" for name in ("one", "two", "three")]

    packed = archives[0].read_bytes()
    with zipfile.ZipFile(archives[0]) as first, zipfile.ZipFile(archives[2]) as stored:
        assert first.namelist() == stored.namelist()
        assert all(first.read(name) == stored.read(name) for name in first.namelist())
    assert packed == archives[1].read_bytes()
    assert len(packed) < archives[2].stat().st_size / 2


def test_histories_end_before_the_fixed_date_and_show_the_planted_habits() -> None:
    catalogue = make_catalogue(7, 1)
    for number in range(1, 6):
        person = make_person(7, number)
        history = make_watches(7, person, catalogue, 1)
        assert 140 <= len(history) <= 450
        assert max(watch.time for watch in history) < END
        hours = np.array([watch.time.hour + watch.time.minute / 60 for watch in history])
        angle = np.angle(np.exp(2j * np.pi * hours / 24).mean()) * 24 / (2 * np.pi) % 24
        assert min(abs(angle - person.hour), 24 - abs(angle - person.hour)) < 0.5
        topics = Counter(watch.video.topic for watch in history if watch.video and not watch.advert)
        assert topics.most_common(1)[0][0] in np.argsort(-person.taste)[:2]


def test_ease_finds_the_planted_tastes_half_again_better_than_popularity() -> None:
    catalogue = make_catalogue(7, 1)
    seen: dict[tuple[str, str], tuple[int, object]] = {}
    for number in range(1, 121):
        person = make_person(7, number)
        for position, watch in enumerate(make_watches(7, person, catalogue, 1)):
            if watch.video is not None and not watch.advert:
                seen.setdefault((person.name, watch.video.id), (position, watch.time))
    rows = pa.table(
        {
            "subject": [subject for subject, _ in seen],
            "item": [item for _, item in seen],
            "first_time": pa.array([time for _, time in seen.values()], pa.timestamp("us", tz="UTC")),
            "position": [position for position, _ in seen.values()],
            "ordered_only": [False] * len(seen),
        }
    )
    splits = RECOMMENDER.split(NEXT_ITEMS, {keys.INTERACTIONS: rows}).refit()
    assert splits.strategy == "temporal"
    value = {}
    for candidate in NEXT_ITEMS.candidates:
        model = candidate.fit(splits, candidate.configs("quick")[0], TrainingRun(Path("/nonexistent")))
        evaluation = RECOMMENDER.evaluate(NEXT_ITEMS, model, splits, "test")
        value[candidate.name] = evaluation.metrics["ndcg@10"].value
    assert value["ease"] >= 1.5 * value["popularity"]
