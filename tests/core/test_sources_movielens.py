"""MovieLens in both layouts, against the files themselves."""

from __future__ import annotations

import collections

import pytest

from forge_core.errors import ForgeError
from tests.core.readers import data, folder, history, read_all, record

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
ATOMIC = {
    "ml-100k.inter": INTER + "196\t242\t3\t881250949\n186\t302\t2.5\t891717742\n196\t302\t1\t0\n",
    "ml-100k.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "242\tKolya\t1996\tComedy\n302\tL.A. Confidential\tV\tCrime Film-Noir\n",
    "ml-100k.user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    "196\t49\tM\twriter\t55105\n",
}
SEQUENTIAL = {
    "ml-1m.txt": "1 1\n1 2\n2 2\n2 1\n",
    "sas_to_original_items.txt": "1 1198\n2 3552\n",
    "sas_to_original_users.txt": "1 5988\n2 5989\n",
    "movies.dat": "1198::Raiders of the Lost Ark (1981)::Action|Adventure\n3552::Caf\xe9 (1980)::Comedy\n",
    "users.dat": "5988::F::1::10::48067\n5989::M::56::16::70072\n",
    "README": "about the set\n",
}


def test_atomic_files(tmp_path):
    found = read_all(folder(tmp_path, ATOMIC))

    assert (found.survey.source, found.survey.population) == ("movielens", "benchmark:ml-100k")
    first, second, third = found.rows["watch"]
    assert (first["subject"], first["item"], first["rating"]) == ("ml-100k:196", "ml-100k:242", 3.0)
    assert (first["title"], first["categories"]) == ("Kolya (1996)", ["Comedy"])
    assert first["time"].isoformat() == "1997-12-04T15:55:49+00:00"
    assert (second["title"], second["categories"]) == ("L.A. Confidential", ["Crime", "Film-Noir"])
    assert (third["time"], third["time_flag"], third["sequence"]) == (None, "implausible", 2)
    told = {(row["subject"], row["item"], row["value"]) for row in found.rows["preference"]}
    assert told == {
        ("ml-100k:196", "attribute:age", "49"),
        ("ml-100k:196", "attribute:gender", "M"),
        ("ml-100k:196", "attribute:occupation", "writer"),
    }


def test_sequential_files_keep_the_order_and_invent_no_time(tmp_path):
    members = {name: text.encode("latin-1") for name, text in SEQUENTIAL.items()}

    found = read_all(folder(tmp_path, members))

    assert found.survey.population == "benchmark:ml-1m"
    assert [(row["subject"], row["item"], row["sequence"]) for row in found.rows["watch"]] == [
        ("ml-1m:5988", "ml-1m:1198", 0),
        ("ml-1m:5988", "ml-1m:3552", 1),
        ("ml-1m:5989", "ml-1m:3552", 0),
        ("ml-1m:5989", "ml-1m:1198", 1),
    ]
    assert {(row["time"], row["time_flag"]) for row in found.rows["watch"]} == {(None, "unknown")}
    assert found.rows["watch"][1]["title"] == "Café (1980)"
    assert ("ml-1m:5988", "under 18") in {(row["subject"], row["value"]) for row in found.rows["preference"]}
    assert found.survey.skipped == [("README", "no reader for it")]


def test_no_zip_code_is_read(tmp_path):
    rows = read_all(folder(tmp_path, ATOMIC)).rows["preference"]

    assert not any("55105" in str(row) for row in rows)


def test_the_subject_asked_for_is_not_put_on_a_cohort(tmp_path):
    assert {row["subject"] for row in read_all(folder(tmp_path, ATOMIC), "me").rows["watch"]} == {
        "ml-100k:196",
        "ml-100k:186",
    }


@pytest.mark.parametrize(
    "line",
    ["x", "1\t2\t3", "1\t2\tfive\t881250949", "1\t2\t3\tnever", "1\t2\t3\t4\t5", "\t\t\t",
     "\xff\t2\t3\t881250949", "1\t2\tnan\t881250949"],
)  # fmt: skip
def test_a_broken_line_is_quarantined_and_its_neighbours_intact(tmp_path, line):
    content = ATOMIC["ml-100k.inter"].encode() + line.encode("latin-1") + b"\n7\t242\t5\t881250949\n"

    found = read_all(folder(tmp_path, ATOMIC | {"ml-100k.inter": content}))

    assert len(found.rows["watch"]) == 4
    assert found.quarantined == {"malformed": 1}


def test_a_public_set_beside_personal_data_is_refused(tmp_path):
    with pytest.raises(ForgeError) as caught:
        read_all(folder(tmp_path, ATOMIC | {"h.json": history(record(1))}))

    assert caught.value.code == "FORGE-SOURCE-MIXED"


@pytest.mark.data
def test_ml_100k_is_whole():
    root = data("rec-ml-100k")

    found = read_all(root)

    assert {kind: len(rows) for kind, rows in found.rows.items()} == {"watch": 100_000, "preference": 3 * 943}
    assert len({row["item"] for row in found.rows["watch"]}) == 1682
    assert found.quarantined == {}
    lines = (line.split("\t") for line in (root / "ml-100k.inter").read_text().splitlines()[1:])
    assert collections.Counter(
        (row["subject"], row["item"], row["rating"], row["time"].timestamp()) for row in found.rows["watch"]
    ) == collections.Counter((f"ml-100k:{u}", f"ml-100k:{i}", float(r), float(t)) for u, i, r, t in lines)
    assert all(row["title"] and row["categories"] for row in found.rows["watch"])
    assert set(dict(found.survey.skipped)) == {"NOTICE.md", "widedeep/items.csv", "widedeep/users.csv"}


@pytest.mark.data
def test_ml_1m_is_whole():
    root = data("rec-ml-1m")
    from forge_core.archives import open_archive
    from forge_core.sources import ReadReport, read, survey

    report, heads = ReadReport(), []
    with open_archive(root) as archive:
        for batch in read(archive, survey(archive), None, report):
            if batch.kind == "watch":
                heads.append(batch.rows.slice(0, 3).to_pylist())
                assert batch.rows["title"].null_count == 0

    assert report.total("rows") == {"watch": 999_611, "preference": 3 * 6040}
    assert report.total("quarantined") == {}
    users = dict(line.split() for line in (root / "sas_to_original_users.txt").read_text().splitlines())
    items = dict(line.split() for line in (root / "sas_to_original_items.txt").read_text().splitlines())
    first = [line.split() for line in (root / "ml-1m.txt").open().readlines()[:3]]
    assert [(row["subject"], row["item"], row["sequence"]) for row in heads[0]] == [
        (f"ml-1m:{users[user]}", f"ml-1m:{items[item]}", number) for number, (user, item) in enumerate(first)
    ]
