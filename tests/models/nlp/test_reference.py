"""The public sets: those that ship are whole, small and licensed; others are read by path or refused clearly."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_core.errors import ForgeError, UsageError
from forge_models.nlp import reference
from forge_models.nlp.spans import spans


def test_the_sets_that_ship_are_whole() -> None:
    sentiment = reference.joined("sentiment", reference.shipped())
    assert sentiment.num_rows == 3_000 + 10_662
    assert set(sentiment["label"].to_pylist()) == {"positive", "negative"}
    names = reference.reference_set("wnut17")
    assert [names["split"].to_pylist().count(part) for part in reference.PARTS] == [3_394, 1_009, 1_287]
    assert sum(len(spans(tags)) for tags in names["tags"].to_pylist()) == 1_975 + 836 + 1_079
    assert all(
        len(a) == len(b) for a, b in zip(names["tokens"].to_pylist(), names["tags"].to_pylist(), strict=True)
    )


def test_they_are_small_and_their_licences_are_told() -> None:
    files = list(reference.HERE.glob("*.gz"))
    notice = (reference.HERE / "NOTICE.md").read_text()
    assert sum(file.stat().st_size for file in files) < 2_000_000
    assert all(file.name in notice for file in files)
    assert {one.licence for one in reference.SETS.values() if one.ships} == {"CC BY 4.0"}


def test_a_set_by_path_takes_the_place_of_the_one_it_overlaps(tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        (tmp_path / f"{part}.tsv").write_text("a fine film\t1\na poor film\t0\n")
    given = {"reference/sst2": reference.reference_set("sst2", tmp_path)}
    found = reference.joined("sentiment", reference.shipped() | given)
    assert set(found["set"].to_pylist()) == {"uci_sentences", "sst2"}


@pytest.mark.parametrize(
    ("name", "content", "code", "kind"),
    [
        ("nothing", None, "FORGE-REFERENCE-UNKNOWN", UsageError),
        ("sst2", None, "FORGE-REFERENCE-MISSING", ForgeError),
        ("sst2", "no label here\n", "FORGE-REFERENCE-BROKEN", ForgeError),
        ("sst2", "text\t7\n", "FORGE-REFERENCE-BROKEN", ForgeError),
    ],
)
def test_what_cannot_be_read_is_said(
    tmp_path: Path, name: str, content: str | None, code: str, kind: type[ForgeError]
) -> None:
    if content is not None:
        (tmp_path / "train.tsv").write_text(content)
    with pytest.raises(kind) as caught:
        reference.reference_set(name, tmp_path if content else None)
    assert caught.value.code == code
    assert str(tmp_path) not in str(caught.value)


def test_conll_becomes_bio_with_a_validation_part(tmp_path: Path) -> None:
    first = "-DOCSTART- -X- O O\n\nJohn NNP I-NP I-PER\nSmith NNP I-NP I-PER\n\n"
    text = first + "Paris NNP I-NP I-LOC\nOslo NNP I-NP B-LOC\n"
    (tmp_path / "eng.train").write_text(text * 10)
    (tmp_path / "eng.testa").write_text(text)
    rows = reference.reference_set("conll2003", tmp_path).to_pylist()
    assert rows[0]["tags"] == ["B-PER", "I-PER"]
    assert rows[1]["tags"] == ["B-LOC", "B-LOC"]
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
