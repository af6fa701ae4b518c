"""GPX and KML: what has a time is read; what is malicious, broken or without a time is not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_core.errors import ForgeError
from tests.core.readers import folder, read_all
from tests.core.test_sources_location import at


def trkpt(number: int = 0, latitude: object = None, longitude: object = 2.5, when: str | None = None) -> str:
    latitude = f"{41 + number / 1000:.3f}" if latitude is None else latitude
    when = f"<time>2021-05-01T10:{number // 60 % 60:02d}:{number % 60:02d}Z</time>" if when is None else when
    return f'<trkpt lat="{latitude}" lon="{longitude}"><ele>5</ele>{when}</trkpt>\n'


def gpx(*points: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>\n', rest: str = "") -> str:
    return (
        f'{head}<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><metadata><time>2000-01-01T00:00:00Z'
        f"</time></metadata>{rest}<trk><name>A walk</name><type>Walking</type><trkseg>{''.join(points)}"
        "</trkseg></trk></gpx>"
    )


def kml(*inside: str, head: str = '<?xml version="1.0"?>\n') -> str:
    spaces = 'xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"'
    return f"{head}<kml {spaces}><Document><name>Location history</name>{''.join(inside)}</Document></kml>"


SPAN = "<TimeSpan><begin>2017-05-01T08:00:00.026Z</begin><end>2017-05-01T09:00:00Z</end></TimeSpan>"
VISIT = (
    f"<Placemark><name>A Café</name><address>x</address>{SPAN}"
    "<Point><coordinates>2.5,41.5,0</coordinates></Point></Placemark>"
)
JOURNEY = (
    f'<Placemark><ExtendedData><Data name="Category"><value>Driving</value></Data></ExtendedData>{SPAN}'
    "<LineString><coordinates>2.5,41.5,0 2.6,41.6,0\n2.7,41.7,0</coordinates></LineString></Placemark>"
)
TRACK = (
    "<Placemark><gx:Track><altitudeMode>clampToGround</altitudeMode><when>2014-05-01T08:00:00.026-07:00</when>"
    "<gx:coord>2.5 41.5 0</gx:coord><when>2014-05-01T08:01:00Z</when><gx:coord>2.6 41.6 0</gx:coord>"
    "</gx:Track></Placemark>"
)


def places(tmp_path, content: bytes | str, name: str = "a.xml"):
    found = read_all(folder(tmp_path, {name: content}))
    return found, found.rows.get("place", [])


def test_points_of_a_track_have_time_place_and_the_kind_of_movement(tmp_path):
    found, rows = places(tmp_path, gpx(trkpt(1), trkpt(2)))

    assert [claim.reader for claim in found.survey.claims] == ["gps_tracks"]
    assert found.survey.source == "gps"
    assert [row["item"] for row in rows] == ["point:41.00100,2.50000", "point:41.00200,2.50000"]
    assert [row["time"] for row in rows] == [at("2021-05-01T10:00:01Z"), at("2021-05-01T10:00:02Z")]
    assert {(row["activity"], row["end_time"], row["zone"], row["source"]) for row in rows} == {
        ("walking", None, "UTC", "gps")
    }


def test_a_waypoint_with_a_time_is_a_named_point_and_without_one_a_saved_place(tmp_path):
    way = '<wpt lat="41" lon="2"><time>2021-05-01T10:00:00Z</time><name>Spring</name></wpt><wpt lat="42" lon="2"/>'
    plan = '<rte><rtept lat="41" lon="2"><time>2021-05-01T10:00:00Z</time></rtept></rte>'

    found, [row] = places(tmp_path, gpx(trkpt(when=""), rest=way + plan))

    assert (row["item"], row["place_name"], row["activity"]) == ("point:41.00000,2.00000", "Spring", None)
    assert found.passed_over == {"no time": 2, "a planned route": 1}


def test_placemarks_of_a_map_are_visits_journeys_and_tracks(tmp_path):
    found, rows = places(tmp_path, kml(VISIT, JOURNEY, TRACK))

    assert [(row["item"], row["time"].isoformat()[:16], row["activity"]) for row in rows] == [
        ("place:41.5000,2.5000", "2017-05-01T08:00", None),
        ("point:41.50000,2.50000", "2017-05-01T08:00", "driving"),
        ("point:41.70000,2.70000", "2017-05-01T09:00", "driving"),
        ("point:41.50000,2.50000", "2014-05-01T15:00", None),
        ("point:41.60000,2.60000", "2014-05-01T08:01", None),
    ]
    assert (rows[0]["end_time"], rows[0]["place_name"]) == (at("2017-05-01T09:00:00Z"), "A Café")
    assert [row["zone"] for row in rows[2:]] == ["UTC", "-07:00", "UTC"]
    assert not found.quarantined


def test_a_track_whose_times_all_come_first_is_the_same(tmp_path):
    whens = "".join(f"<when>2014-05-01T08:{number:02d}:00Z</when>" for number in range(50))
    coords = "".join(f"<gx:coord>2.5 41.{number + 10} 0</gx:coord>" for number in range(49))

    found, rows = places(tmp_path, kml(f"<Placemark><gx:Track>{whens}{coords}</gx:Track></Placemark>"))

    assert [(row["time"].minute, round(row["latitude"] * 100) - 4110) for row in rows] == [
        (n, n) for n in range(49)
    ]
    assert found.quarantined == {"half a coordinate": 1}


def test_placemarks_without_a_time_are_passed_over_and_a_view_has_none(tmp_path):
    view = "<LookAt><gx:TimeStamp><when>2014-05-01T08:00:00Z</when></gx:TimeStamp></LookAt>"
    saved = f"<Placemark><name>x</name>{view}<Point><coordinates>2,41</coordinates></Point></Placemark>"
    stamped = saved.replace(view, "<TimeStamp><when>2014-05-01T08:00:00Z</when></TimeStamp>")

    found, [row] = places(tmp_path, kml(saved, stamped, "<Placemark><name>y</name></Placemark>"))

    assert (row["item"], row["place_name"], row["end_time"]) == ("point:41.00000,2.00000", "x", None)
    assert found.passed_over == {"no time": 1, "no coordinates": 1}


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-be", "iso-8859-1", "windows-1252", "shift_jis"]
)
def test_any_declared_encoding_is_read(tmp_path, encoding):
    name = "駅" if encoding == "shift_jis" else "Café"
    declared = encoding.removesuffix("-be").removesuffix("-sig")
    content = kml(VISIT.replace("A Café", name), head=f'<?xml version="1.0" encoding="{declared}"?>').encode(
        encoding
    )

    _, [row] = places(tmp_path, content)

    assert row["place_name"] == name


@pytest.mark.parametrize(
    "head",
    [
        "<gpx:gpx xmlns:gpx='x'>",
        "<!-- a --><!-- b - c --><gpx>",
        '<?xml version="1.0"?>\n<!DOCTYPE gpx>\n<gpx\nversion="1.0">',
    ],
)
def test_a_root_is_found_behind_prefixes_comments_and_a_doctype(tmp_path, head):
    tail = "</gpx:gpx>" if "gpx:gpx" in head else "</gpx>"

    _, rows = places(tmp_path, head + trkpt(1) + tail)

    assert len(rows) == 1


@pytest.mark.parametrize(
    "content", ["<html><gpx>", "<!--<gpx>-->", "gpx", "<gpxx/>", "<?xml version='1.0'?><svg/>"]
)
def test_other_markup_is_not_taken(tmp_path, content):
    found, _ = places(tmp_path, content)

    assert "gps_tracks" not in [claim.reader for claim in found.survey.claims]


def test_F_P5_many_comments_before_another_root_are_looked_through_at_once(tmp_path):
    started = time.monotonic()

    found, _ = places(tmp_path, "<!--a-->" * 500 + "<svg/>")

    assert time.monotonic() - started < 5
    assert not found.survey.claims


LAUGHS = "".join(f'<!ENTITY a{number + 1} "{f"&a{number};" * 10}">' for number in range(9))


@pytest.mark.parametrize(
    "doctype",
    [
        f'<!DOCTYPE gpx [<!ENTITY a0 "ha">{LAUGHS}]>',
        '<!DOCTYPE gpx [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE gpx [<!ENTITY % a SYSTEM "http://example.test/x.dtd"> %a;]>',
        '<!DOCTYPE gpx [<!ENTITY a9 "a short one">]>',
    ],
)
def test_F_P5_declared_entities_are_refused_and_nothing_is_fetched(tmp_path, doctype):
    started = time.monotonic()

    found, rows = places(
        tmp_path, gpx(trkpt(1), head=doctype, rest='<wpt lat="1" lon="1"><name>&a9;</name></wpt>')
    )

    assert time.monotonic() - started < 5
    assert rows == []
    assert found.quarantined == {"entity declaration": 1}
    assert [member.status for member in found.report.members.values()] == ["quarantined"]


def test_F_P5_an_external_document_type_is_not_fetched(tmp_path):
    doctype = '<!DOCTYPE gpx SYSTEM "file:///etc/passwd">'

    _, rows = places(tmp_path, gpx(trkpt(1), head=doctype))

    assert len(rows) == 1


HOSTILE = """
import json, sys, time
from pathlib import Path
from forge_core.archives import open_archive
from forge_core.sources import ReadReport, read, survey
begun, report = time.monotonic(), ReadReport()
with open_archive(Path(sys.argv[1])) as archive:
    rows = sum(batch.rows.num_rows for batch in read(archive, survey(archive), report=report))
peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])  # KB; maxrss has the parent's too
print(json.dumps([rows, dict(report.total("quarantined")), peak, time.monotonic() - begun]))
"""


@pytest.mark.parametrize(
    ("middle", "reason"),
    [
        ("<a>" * 5_000_000, "too deep"),
        ('<a x="' + "y" * 70_000_000, "too long"),
        ("<!--" + "y" * 70_000_000, "too long"),
        ("<name>" + "y" * 70_000_000 + "</name>", None),
        ("&" * 1_000_000, "malformed"),
    ],
)
def test_F_P5_hostile_markup_takes_bounded_time_and_memory(tmp_path, middle, reason):
    root = folder(tmp_path, {"a.gpx": gpx(trkpt(1), middle, trkpt(3))})
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE, str(root)], capture_output=True, text=True, check=True
    )
    rows, quarantined, peak, seconds = json.loads(done.stdout)

    assert rows == (1 if reason in ("too deep", "too long") else 2)
    assert set(quarantined) == ({reason} if reason else set())
    assert peak < 300_000
    assert seconds < 5


@pytest.mark.parametrize(
    "middle",
    [
        '<trkpt lat="41" lon="2"><name>A & B</name></trkpt>',
        '<trkpt lat="41" lon="2">',
        '<trkpt lat=41 lon="2"></trkpt>',
        "</trkseg>",
        '<trkpt lat="41" lon="2"><name>\x00</name></trkpt>',
        "<trkpt lat='41' lon='2'><time>2021-05-01T10:00:02Z</wrong></trkpt>",
    ],
)
def test_a_break_in_the_markup_leaves_the_other_points_alone(tmp_path, middle):
    found, rows = places(tmp_path, gpx(trkpt(1), middle, *map(trkpt, range(3, 4000))))

    assert [row["item"] for row in rows] == [
        f"point:{41 + n / 1000:.5f},2.50000" for n in (1, *range(3, 4000))
    ]
    assert sum(found.quarantined.values()) >= 1


def test_a_truncated_track_keeps_what_came(tmp_path):
    whole = gpx(*map(trkpt, range(50)))

    for number, cut in enumerate(range(len(whole) - 3000, len(whole) - 1, 501)):
        found, rows = places(tmp_path / str(number), whole[:cut])
        assert 10 < len(rows) <= 50
        assert found.quarantined == {"truncated": 1}


@pytest.mark.parametrize(
    ("latitude", "longitude", "reason"),
    [
        ("NaN", "2.5", "unknown coordinates"),
        ("inf", "2.5", "unknown coordinates"),
        ("41,5", "2.5", "unknown coordinates"),
        ("", "2.5", "unknown coordinates"),
        ("116.3", "39.9", "coordinates out of range"),
        ("415000000", "25000000", "coordinates out of range"),
        ("-90.1", "0", "coordinates out of range"),
        ("0", "-0.0", "no position (0, 0)"),
        ("1e400", "2.5", "coordinates out of range"),
    ],
)
def test_F_P10_positions_of_a_receiver_that_cannot_be_are_set_aside(tmp_path, latitude, longitude, reason):
    found, rows = places(tmp_path, gpx(trkpt(1), trkpt(2, latitude, longitude), trkpt(3)))

    assert [row["latitude"] for row in rows] == [41.001, 41.003]
    assert found.quarantined == {reason: 1}


@pytest.mark.parametrize(
    ("when", "told", "flag"),
    [
        ("2021-05-01T10:00:00", "2021-05-01T10:00:00Z", "no_zone"),
        ("2021-05-01T12:00:00+02:00", "2021-05-01T10:00:00Z", None),
        ("1970-01-01T00:00:00Z", None, "implausible"),
        ("2099-01-01T00:00:00Z", None, "implausible"),
    ],
)
def test_F_P9_times_of_a_receiver_are_normalised_or_flagged(tmp_path, when, told, flag):
    _, rows = places(tmp_path, gpx(trkpt(1), trkpt(2, when=f"<time>{when}</time>")))

    assert (rows[1]["time"], rows[1]["time_flag"]) == (at(told) if told else None, flag)


def test_F_P9_a_date_without_a_time_of_day_sets_its_point_aside(tmp_path):
    found, rows = places(tmp_path, gpx(trkpt(1), trkpt(2, when="<time>2021-05-01</time>")))

    assert len(rows) == 1
    assert found.quarantined == {"unknown date": 1}


SEEDS = [gpx(trkpt(1), trkpt(2), rest='<wpt lat="1" lon="2"/>').encode(), kml(VISIT, JOURNEY, TRACK).encode()]
numbers = count()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(
    seed=st.sampled_from(SEEDS),
    cut=st.integers(0, 1500),
    junk=st.binary(max_size=30),
    gone=st.integers(0, 30),
)
def test_any_bytes_are_rows_or_a_quarantine(tmp_path, seed, cut, junk, gone):
    try:
        found = read_all(
            folder(tmp_path / str(next(numbers)), {"x.gpx": seed[:cut] + junk + seed[cut + gone :]})
        )
    except ForgeError:
        return
    for row in found.rows.get("place", []):
        assert abs(row["latitude"]) <= 90
        assert abs(row["longitude"]) <= 180
