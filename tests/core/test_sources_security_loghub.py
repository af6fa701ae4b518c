"""Loghub's samples: every line an event, labels apart, agreement with what is published of them."""

from __future__ import annotations

import collections
import csv

from forge_core.archives import open_archive
from forge_core.sources import ReadReport, read, survey
from tests.core.readers import data, read_all


def loghub():
    return data("anomaly-loghub")


def test_loghub_every_line_of_every_log_is_an_event():
    root = loghub()
    lines = {
        str(path.relative_to(root)): sum(1 for line in path.read_bytes().split(b"\n") if line.strip())
        for path in root.glob("*/*_2k.log")
    }

    found = read_all(root)

    assert collections.Counter(row["member"] for row in found.rows["security"]) == lines
    assert set(lines.values()) == {2000}
    assert found.survey.population == "benchmark:loghub"
    assert not found.quarantined


def test_loghub_labels_are_apart_from_the_events():
    root = loghub() / "BGL"
    with open_archive(root) as archive:
        batches = list(read(archive, survey(archive), report=ReadReport()))
        labels = [label for batch in batches for label in batch.labels or ()]
        messages = [m for batch in batches for m in batch.rows.column("message").to_pylist()]

    told = [line.split(" ")[0] for line in (root / "BGL_2k.log").read_text().splitlines()]
    assert [label.as_py() for label in labels] == ["normal" if label == "-" else label for label in told]
    assert sum(label.as_py() != "normal" for label in labels) == 143
    assert not any(message.startswith(("- ", "KERN", "APP")) for message in messages)


def test_loghub_sshd_agrees_with_the_published_templates():
    root = loghub() / "OpenSSH"
    with (root / "OpenSSH_2k.log_structured.csv").open(newline="") as stream:
        templates = [row["EventTemplate"] for row in csv.DictReader(stream)]

    rows = read_all(root).rows["security"]

    failed = [row for row in rows if (row["item"], row["outcome"]) == ("sshd:login", "failure")]
    assert len(failed) == sum("Failed " in template for template in templates)
    accepted = [row for row in rows if (row["item"], row["outcome"]) == ("sshd:login", "success")]
    assert len(accepted) == sum("Accepted " in template for template in templates)
    assert all(row["address"] for row in failed + accepted if "repeated" not in row["message"])
    assert {row["time_flag"] for row in rows} == {"unknown"}
