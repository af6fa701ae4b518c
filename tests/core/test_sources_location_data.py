"""Location histories that others published: every variant of the JSON Schemas, and fixtures of other libraries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.core.readers import data, read_all
from tests.core.test_sources_location import NOON, places


def variants(schema: dict[str, Any], definitions: dict[str, Any], turn: int) -> Any:
    """A document with all properties of a JSON Schema; of alternatives, the one whose turn it is."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for alternatives in (schema.get("oneOf"), schema.get("anyOf")):
        if alternatives:
            return variants(alternatives[turn % len(alternatives)], definitions, turn)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][turn % len(schema["enum"])]
    if schema.get("type") == "object":
        inside = schema.get("properties", {})
        return {
            name: variants(inner, definitions, turn) for name, inner in inside.items()
            if name not in ("inferredLocation", "childVisits", "editActionMetadata")  # they hold themselves
        }  # fmt: skip
    if schema.get("type") == "array":
        return [variants(schema["items"], definitions, turn + number) for number in range(2)]
    if schema.get("examples"):
        return schema["examples"][0]
    return {"integer": 7, "number": 0.5, "boolean": True}.get(
        schema["type"], NOON if schema.get("format") == "date-time" else "text"
    )


def generated(name: str, turns: int) -> tuple[str, list[Any]]:
    schema = json.loads((data("takeout-location-schemas") / f"{name}.schema.json").read_text())
    [(key, inside)] = schema["properties"].items()
    found = [variants(inside["items"], schema["$defs"], turn) for turn in range(turns)]
    return json.dumps({key: found}), found


@pytest.mark.data
def test_every_variant_of_the_published_schema_of_records_is_read(tmp_path):
    content, documents = generated("Records", 40)

    found, rows = places(tmp_path, content)

    assert len(rows) == len(documents) == 40
    assert not found.quarantined
    types = {
        inner["type"].lower() for one in documents for outer in one["activity"] for inner in outer["activity"]
    }
    assert len(types) == 15
    assert {row["activity"] for row in rows} == types


@pytest.mark.data
def test_every_variant_of_the_published_schema_of_months_is_read(tmp_path):
    content, documents = generated("Semantic", 80)
    journeys = [one["activitySegment"] for one in documents if "activitySegment" in one]
    visits = [one["placeVisit"] for one in documents if "placeVisit" in one]

    found, rows = places(tmp_path, content)

    points = sum(len(one["simplifiedRawPath"]["points"]) for one in (*journeys, *visits))
    assert len(visits) == len(journeys) == 40
    assert len(rows) == len(visits) + 3 * len(journeys) + points
    assert not found.quarantined
    assert {row["item"] for row in rows if row["end_time"]} == {
        f"place:{one['location']['placeId']}" for one in visits
    }
    kinds = {one["activityType"].lower().removesuffix("_activity_type") for one in journeys}
    assert kinds | {None} == {row["activity"] for row in rows}


@pytest.mark.data
def test_every_variant_of_the_published_schema_of_edits_is_read(tmp_path):
    content, documents = generated("TimelineEdits", 4)

    found, rows = places(tmp_path, content)

    assert [claim.reader for claim in found.survey.claims] == ["timeline_edits"]
    assert len(rows) == len([one for one in documents if "position" in one["rawSignal"]["signal"]]) == 4
    assert {row["accuracy"] for row in rows} == {100}  # exported in millimetres


@pytest.mark.data
def test_settings_of_the_published_schema_are_skipped(tmp_path):
    schema = json.loads((data("takeout-location-schemas") / "Settings.schema.json").read_text())

    found, rows = places(tmp_path, json.dumps(schema["examples"][0]), "Settings.json")

    assert not rows
    assert [member.status for member in found.report.members.values()] == ["skipped"]


@pytest.mark.data
def test_histories_of_other_peoples_tests_are_read():
    root = data("takeout-gtp-fixtures") / "from_tests"
    for name in ("Location History", "Location History (Timeline)"):
        found = read_all(root / name)
        expected = 0
        for path in (root / name).rglob("*.json"):
            told = json.loads(path.read_text())
            expected += len(told.get("locations", []))
            for one in told.get("timelineObjects", []):
                expected += (
                    1
                    if "placeVisit" in one
                    else 3 + len(one["activitySegment"]["simplifiedRawPath"]["points"])
                )
        assert len(found.rows["place"]) == expected
        assert not found.quarantined
    dogsheep = read_all(data("takeout-promnesia-dogsheep") / "dogsheep" / "Takeout" / "Location History")
    assert [row["time"] for row in dogsheep.rows["place"]] == [
        datetime.fromtimestamp(int(ms) // 1000, UTC).replace(microsecond=int(ms) % 1000 * 1000)
        for ms in ("1437263846012", "1437263905529")
    ]


@pytest.mark.data
def test_the_replayed_records_are_read_each_once():
    root = data("takeout-replay-derived/user_405/Takeout/Location History (Timeline)")
    told = json.loads((root / "Records.json").read_text())["locations"]

    found = read_all(root)

    assert len(found.rows["place"]) == len(told) == 4000
    assert not found.quarantined
