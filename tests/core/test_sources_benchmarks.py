"""Public benchmark sets by the same door: each layout, what is broken in it, and the sets themselves."""

from __future__ import annotations

import collections
import csv
import gzip
import io
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_core.archives import open_archive
from forge_core.errors import ForgeError
from forge_core.sources import read, reader_named, survey
from forge_core.sources.base import MemberReport, Sink
from forge_core.sources.checkins import header
from tests.core.readers import data, folder, history, read_all, record

PAIRS = "0 7066 1\n0 12075 1\n1 5475 1\n"
SEQUENCES = "1 1 2 3 4 5\n2 4 5 6 7 8\n"
POSITIONS = (
    "lat,lng,datetime,uid\n39.984094,116.319236,2008-10-23 05:53:05,001\n40.1,116.3,2008-10-23 05:53:06,005\n"
)
ACTIVITIES = (
    "Start time          \tEnd time            \tActivity\n--------------------\t--------------------\t--------\n"
    "2012-11-11 21:14:00\t\t2012-11-12 00:22:59\t\tSpare_Time/TV\n2012-11-12 00:48:00 \t2012-11-12 00:49:59\tGrooming\n"
)
ID = "{L8M7-V7ET84OU-4794LATU}"
LOGONS = f"id,date,user,pc,activity\n{ID},01/04/2010 19:08:00,SDM2550,PC-5977,Logoff\n"


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=array.dtype == object)
    return stream.getvalue()


VISITS = npy(np.array([[1, 7, 99366], [1, 8, 5], [2, 9, 6]], dtype=np.int32))
PLACES = npy(np.array([[7, 40.7, -74.0], [8, 40.8, -73.9]], dtype=np.float64))


def test_pairs_of_user_and_item(tmp_path):
    found = read_all(
        folder(tmp_path, {"train.txt": PAIRS, "test.txt": PAIRS.replace("\n", "\r\n") + "1 x 1\n"})
    )

    rows = [row for row in found.rows["watch"] if row["member"] == "test.txt"]
    assert [(row["subject"], row["item"], row["sequence"]) for row in rows] == [
        ("interactions:0", "interactions:7066", 0),
        ("interactions:0", "interactions:12075", 1),
        ("interactions:1", "interactions:5475", 2),
    ]
    assert {(row["time"], row["time_flag"]) for row in rows} == {(None, "unknown")}
    assert found.quarantined == {"malformed": 1}
    assert found.survey.population == "benchmark:interactions"


def test_sequences_with_attributes(tmp_path):
    members: dict[str, bytes | str] = {
        "Toys_and_Games.txt": SEQUENCES + "3 x\n",
        "Toys_and_Games_item2attributes.json": '{"4": [1, 2], "8": [3]}',
    }

    found = read_all(folder(tmp_path, members))

    assert [(r["subject"], r["item"], r["sequence"], r["categories"]) for r in found.rows["watch"]][3:6] == [
        ("toys-and-games:1", "toys-and-games:4", 3, ["1", "2"]),
        ("toys-and-games:1", "toys-and-games:5", 4, None),
        ("toys-and-games:2", "toys-and-games:4", 0, ["1", "2"]),
    ]
    assert found.quarantined == {"malformed": 1}
    assert found.passed_over == {"attributes of items": 2}
    assert found.survey.population == "benchmark:sequences"


def test_check_ins_without_a_known_beginning_have_no_time(tmp_path):
    found = read_all(folder(tmp_path, {"NYC.npy": VISITS, "NYC_POI.npy": PLACES}))

    assert [
        (r["subject"], r["item"], r["sequence"], r["latitude"], r["longitude"], r["time_flag"])
        for r in found.rows["place"]
    ] == [
        ("checkins-nyc:1", "checkins-nyc:7", 99366, 40.7, -74.0, "unknown"),
        ("checkins-nyc:1", "checkins-nyc:8", 5, 40.8, -73.9, "unknown"),
        ("checkins-nyc:2", "checkins-nyc:9", 6, None, None, "unknown"),
    ]
    assert found.survey.population == "benchmark:checkins-nyc"


def test_check_ins_a_header_that_lies_and_numbers_that_cannot_be(tmp_path):
    long = VISITS.replace(b"(3, 3)", b"(9, 3)")
    places = npy(np.array([[7, 91.0, 0], [8, np.nan, 0], [9, 1, np.inf], [np.nan, 1, 1]]))
    visits = npy(np.array([[1, 7, -1], [1, 7, 2**31 - 1], [1, 7, 5]], dtype=np.int32))

    found = read_all(
        folder(tmp_path, {"a.npy": long, "a_POI.npy": PLACES, "b.npy": visits, "b_POI.npy": places})
    )

    assert collections.Counter(row["member"] for row in found.rows["place"]) == {"a.npy": 3, "b.npy": 1}
    assert found.quarantined == {"truncated": 1, "unknown date": 2, "no such position": 4}


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    class Canary:
        def __reduce__(self):
            return open, (str(tmp_path / "canary"), "w")

    array = np.empty((1, 3), dtype=object)
    array[:] = "x"
    head = npy(array)
    evil = head[: head.index(b"\n") + 1] + pickle.dumps(Canary())

    found = read_all(folder(tmp_path, {"a.npy": evil, "a_POI.npy": PLACES}))

    assert not found.rows
    assert not (tmp_path / "canary").exists()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_header_of_an_array_is_one_or_none(noise):
    header(b"\x93NUMPY" + noise)
    header(VISITS[:20] + noise)


def test_positions_of_several_people(tmp_path):
    at = "2008-10-23 05:53:05"
    text = POSITIONS + f"91,0,{at},001\n1,1,yesterday,001\nx,1,{at},001\n1,1,{at},\n"

    found = read_all(folder(tmp_path, {"geolife_sample.txt": text}))

    first, second = sorted(found.rows["place"], key=lambda row: row["subject"])
    assert (first["subject"], first["latitude"], first["longitude"]) == (
        "geolife-sample:001",
        39.984094,
        116.319236,
    )
    assert (first["time"].isoformat(), first["time_flag"]) == ("2008-10-23T05:53:05+00:00", "no_zone")
    assert second["subject"] == "geolife-sample:005"
    assert found.survey.population == "benchmark:geolife-sample"
    assert found.quarantined == {
        "coordinates out of range": 1, "unknown date": 1, "malformed": 1, "no subject": 1,
    }  # fmt: skip


def test_activities_of_daily_living(tmp_path):
    later, sooner = "2012-11-12 00:50:00", "2012-11-11 00:50:00"
    text = ACTIVITIES + f"{later}\t{sooner}\tSleeping\n2012-13-12 00:50:00\t{later}\tx\ny\n"

    found = read_all(folder(tmp_path, {"OrdonezB_ADLs.txt": text}))

    first, second = found.rows["calendar"]
    assert (first["subject"], first["title"]) == ("daily-activities:ordonezb", "Spare_Time/TV")
    assert (second["item"], second["time_flag"]) == ("daily-activities:grooming", "no_zone")
    assert first["end_time"].isoformat() == "2012-11-12T00:22:59+00:00"
    assert found.quarantined == {"ends before it begins": 1, "unknown date": 1, "malformed": 1}


def test_cert_kinds_are_told_apart_by_columns(tmp_path):
    members: dict[str, bytes | str] = {
        "a.csv": LOGONS + f"{ID},13/04/2010 19:08:00,A,B,Logon\n{ID},01/04/2010 19:08:00,,B,Logon\n",
        "b.csv": f"id,date,user,pc,filename,activity\n{ID},01/05/2010 15:02:48,SRS0129,PC-7008,C:\\x.doc,File Open\n",
        "c.csv": "id,date,user,pc,url,activity,content\n"
        f'{ID},01/02/2010 14:02:33,LCC1963,PC-1,http://a.example/b,WWW Visit,"x\ny"\n',
        "d.csv": "id,date,user,pc,to,cc,bcc,from,activity,size,attachments,content\n"
        f"{ID},01/04/2010 09:59:12,CRP1915,PC-9070,a@x.example;b@x.example,,c@x.example,d@x.example,Send,1,"
        'f.doc(9),"a ""b"""\n',
        "e.csv": "employee_name,user_id,email,role,projects,business_unit\n"
        "A Name,SCD3192,a@x.example,Mathematician,,1\n",
    }  # fmt: skip

    found = read_all(folder(tmp_path, members))

    assert {(r["subject"], r["item"]) for r in found.rows["security"]} == {
        ("cert:SDM2550", "cert:logoff"), ("cert:SRS0129", "cert:file-open"),
    }  # fmt: skip
    assert {row["time_flag"] for row in found.rows["security"]} == {"no_zone"}
    [page], [mail] = found.rows["browse"], found.rows["message"]
    assert (page["item"], page["domain"]) == ("http://a.example/b", "a.example")
    assert mail["recipients"] == ["a@x.example", "b@x.example", "c@x.example"]
    assert (mail["body"], mail["attachments"], mail["labels"]) == ('a "b"', ["f.doc(9)"], ["Send"])
    assert {(r["item"], r["value"]) for r in found.rows["preference"]} == {
        ("attribute:role", "Mathematician"), ("attribute:business-unit", "1"),
    }  # fmt: skip
    assert found.quarantined == {"unknown date": 1, "no subject": 1}
    assert found.survey.population == "benchmark:cert"


@pytest.mark.parametrize("text", [PAIRS, SEQUENCES, POSITIONS, ACTIVITIES, LOGONS])
def test_a_public_set_and_a_person_do_not_share_an_archive(tmp_path, text):
    with pytest.raises(ForgeError, match="FORGE-SOURCE-MIXED"):
        read_all(folder(tmp_path, {"set.txt": text, "watch-history.json": history(record())}))


@pytest.mark.parametrize(
    "text",
    [
        "1 2\n3 4\n", "1 1 2\n2 3\n", "2 1 2 3 4\n3 1 2 3 4\n", "1 2 3\n" * 9, "lat,lng\n1,2\n",
        "Start time\tEnd time\tActivity\n",
    ],
)  # fmt: skip
def test_what_only_looks_alike_is_taken_by_no_reader_of_sets(tmp_path, text):
    found = read_all(folder(tmp_path, {"notes.txt": text}))

    assert found.survey.population == "personal"


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([
        ("interactions", PAIRS), ("trajectories", POSITIONS),
        ("daily_activities", ACTIVITIES), ("cert_insider", LOGONS),
    ]),
    st.binary(max_size=300),
)  # fmt: skip
def test_any_bytes_are_rows_or_a_reason(start, noise):
    name, text = start
    reader: Any = reader_named(name)
    into = Sink(MemberReport("member"), "me")

    for part in reader.split(io.BytesIO(text.encode() + noise), into):
        for batch in reader.parse(part, into):
            batch.rows.validate(full=True)


def subjects(rows):
    return len({row["subject"] for row in rows})


def test_citeulike_whole():
    root = data("rec-citeulike-lightgcnpp")
    pairs = {name: (root / f"{name}.txt").read_text().split("\n") for name in ("train", "valid", "test")}

    rows = read_all(root).rows["watch"]

    assert (
        len(rows)
        == sum(len([line for line in lines if line]) for lines in pairs.values())
        == 151_918 + 18_727 + 39_883
    )
    assert subjects(rows) == len({line.split(" ")[0] for lines in pairs.values() for line in lines if line})


def test_s3rec_whole():
    with open_archive(data("rec-s3rec-5core")) as archive:
        table = pa.Table.from_batches([batch.rows for batch in read(archive, survey(archive))])

    by_set = collections.Counter(pc.replace_substring_regex(table["item"], ":.*", "").to_pylist())
    assert by_set == {"sports-and-outdoors": 296_337, "toys-and-games": 167_597}  # as published
    assert pc.count_distinct(table["subject"]).as_py() == 35_598 + 19_412
    assert pc.count_distinct(table["item"]).as_py() == 18_357 + 11_924
    assert not table["categories"].null_count


def test_foursquare_whole():
    root = data("behaviour-foursquare-nyc-stan")
    visits = np.load(root / "NYC.npy", allow_pickle=False)

    rows = read_all(root).rows["place"]

    assert len(rows) == len(visits) == 147_938
    assert (subjects(rows), len({row["item"] for row in rows})) == (1083, len(np.unique(visits[:, 1])))
    assert all(40 < row["latitude"] < 41.5 for row in rows)


def test_geolife_whole(tmp_path):
    packed = data("behaviour-geolife-skmob") / "geolife_sample.txt.gz"
    path = tmp_path / "geolife_sample.txt"
    path.write_bytes(gzip.decompress(packed.read_bytes()))

    rows = read_all(path).rows["place"]

    assert len(rows) == path.read_text().count("\n") - 1 == 217_653
    assert subjects(rows) == 2
    times = [row["time"] for row in rows]
    assert (min(times).isoformat(), max(times).isoformat()) == (
        "2008-10-23T05:53:05+00:00",
        "2009-03-19T05:46:37+00:00",
    )


def test_ordonez_whole():
    found = read_all(data("behaviour-uci-adl-ordonez"))

    assert len(found.rows["calendar"]) == 493  # as its notice states
    assert not found.quarantined


def test_cert_whole():
    root = data("anomaly-cert-sample")

    def count(name):
        with (root / name).open(newline="") as stream:
            return sum(1 for _ in csv.DictReader(stream))

    found = read_all(root)

    members = collections.Counter(
        row["member"] for kind in ("security", "browse", "message") for row in found.rows[kind]
    )
    assert members == {
        name: count(name) for name in ("logon.csv", "device.csv", "file.csv", "http.csv", "email_sample.csv")
    }
    assert set(members.values()) == {500}
    assert sum(row["item"] == "attribute:role" for row in found.rows["preference"]) == 500
    assert not found.quarantined
