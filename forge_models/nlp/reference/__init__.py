"""Public labelled text: what a person's own data has no labels for is learned here.

Three small sets ship with the project (see NOTICE.md beside this file). Others, which may not be copied, are read from
a folder that the settings name. None is personal, and none is needed: without a folder a set is absent, which is said.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forge_core import keys
from forge_core.errors import ForgeError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

HERE = Path(__file__).parent
PARTS = ("train", "validation", "test")
MAX_BYTES = 64 << 20  # of one file, read or unpacked
LABELS = ("negative", "positive")
Lines = Callable[[Path], Iterator[dict[str, Any]]]


@dataclass(frozen=True)
class ReferenceSet:
    """``kind`` is what it teaches: sentiment, entities or summaries. ``ships``: it lies in this folder."""

    name: str
    kind: str
    licence: str
    rows: Lines
    ships: bool = False
    instead_of: str = ""  # a set that shares sentences with it; the two are never used together


def reference_set(name: str, folder: Path | str | None = None) -> pa.Table:
    """The set called ``name``; ``folder`` is where it lies, for a set that does not ship.

    Columns: ``set``, ``number`` (int64), ``split`` (train, validation, test, or null where the set has no parts),
    and by kind ``text``, ``label`` (sentiment); ``tokens``, ``tags`` (lists; entities); ``text``, ``reference``
    (summaries).

    Raises UsageError FORGE-REFERENCE-UNKNOWN for another name, ForgeError FORGE-REFERENCE-MISSING where its files are
    not there, FORGE-REFERENCE-BROKEN where they are not what they should be.
    """
    import pyarrow as pa

    if name not in SETS:
        raise UsageError(
            "FORGE-REFERENCE-UNKNOWN",
            "There is no reference set of that name.",
            f"Known are {', '.join(SETS)}.",
        )
    known = SETS[name]
    place = HERE if known.ships else Path(folder).expanduser() if folder else None
    if place is None or not place.is_dir():
        raise ForgeError(
            "FORGE-REFERENCE-MISSING",
            f"The reference set {name} does not ship with Forge, and no folder with it is set.",
            f"Its licence: {known.licence}.",
            "Set its folder, or leave it out: the sets that ship are enough.",
        )
    try:
        rows = [{"set": name, "number": number} | row for number, row in enumerate(known.rows(place))]
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise ForgeError(
            "FORGE-REFERENCE-BROKEN",
            f"The reference set {name} could not be read.",
            f"{type(error).__name__} in its folder.",
            "Fetch the set again.",
        ) from error
    return pa.Table.from_pylist(rows, schema=schema(known.kind))


def schema(kind: str) -> pa.Schema:
    """The columns of a set of this kind."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    own = {
        "sentiment": [("text", text), ("label", text)],
        "entities": [("tokens", texts), ("tags", texts)],
        "summaries": [("text", text), ("reference", text)],
    }[kind]
    return pa.schema([("set", text), ("number", pa.int64()), ("split", text), *own])


def joined(kind: str, tables: Mapping[str, pa.Table]) -> pa.Table:
    """All sets of a kind that have rows, one below the other; ``tables`` by asset key (``keys.reference``).

    Of two sets that share sentences only one takes part.
    """
    import pyarrow as pa

    there = {one.name: tables.get(keys.reference(one.name)) for one in SETS.values() if one.kind == kind}
    found = {name: table for name, table in there.items() if table is not None and table.num_rows}
    out = {SETS[name].instead_of for name in found}
    rows = [table.select(schema(kind).names) for name, table in found.items() if name not in out]
    return pa.concat_tables(rows) if rows else schema(kind).empty_table()


def shipped() -> dict[str, pa.Table]:
    """The sets that lie in this folder, by asset key."""
    return {keys.reference(one.name): reference_set(one.name) for one in SETS.values() if one.ships}


def _packed(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError("too large")
    for line in data.decode("utf-8").splitlines():
        if line:
            yield line.split("\t")


def _sentences(name: str) -> Lines:
    def rows(folder: Path) -> Iterator[dict[str, Any]]:
        for _, label, text in _packed(folder / f"{name}.tsv.gz"):
            yield {"text": text, "label": LABELS[int(label)], "split": None}

    return rows


def _wnut(folder: Path) -> Iterator[dict[str, Any]]:
    for part, tokens, tags in _packed(folder / "wnut17.tsv.gz"):
        yield {"tokens": tokens.split(" "), "tags": tags.split(" "), "split": part}


def _read(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError("too large")
    return path.read_text("utf-8", "replace")


def _sst2(folder: Path) -> Iterator[dict[str, Any]]:
    for part, file in zip(PARTS, ("train", "dev", "test"), strict=True):
        for line in _read(folder / f"{file}.tsv").splitlines():
            text, label = line.rsplit("\t", 1)
            yield {"text": text, "label": LABELS[int(label)], "split": part}


def tweeteval(task: str) -> Lines:
    """One task of TweetEval (Barbieri et al. 2020); a part whose texts are absent is left out."""

    def rows(folder: Path) -> Iterator[dict[str, Any]]:
        names = dict(line.split("\t")[:2] for line in _read(folder / task / "mapping.txt").splitlines())
        for part, file in zip(PARTS, ("train", "val", "test"), strict=True):
            if (folder / task / f"{file}_text.txt").is_file():
                texts = _read(folder / task / f"{file}_text.txt").splitlines()
                labels = _read(folder / task / f"{file}_labels.txt").split()
                for text, label in zip(texts, labels, strict=True):
                    yield {"text": text, "label": names[label].strip(), "split": part}

    return rows


def _conll(folder: Path) -> Iterator[dict[str, Any]]:
    """CoNLL 2003; IOB becomes BIO. ``testa`` is the test, every tenth sentence of train the validation."""
    number = 0
    for part, file in (("train", "eng.train"), ("test", "eng.testa")):
        tokens: list[str] = []
        tags: list[str] = []
        for line in [*_read(folder / file).splitlines(), ""]:
            fields = line.split()
            if fields and fields[0] != "-DOCSTART-":
                tokens.append(fields[0])
                tags.append(_bio(fields[-1], tags[-1] if tags else "O"))
            elif tokens:
                number += 1
                which = "validation" if part == "train" and number % 10 == 0 else part
                yield {"tokens": tokens, "tags": tags, "split": which}
                tokens, tags = [], []


def _bio(tag: str, before: str) -> str:
    starts = tag.startswith("I-") and before[2:] != tag[2:]
    return f"B-{tag[2:]}" if starts else tag


def _dialogsum(folder: Path) -> Iterator[dict[str, Any]]:
    """DialogSum: the published dev part is split in train and validation, since its train part is rarely at hand."""
    for part, file in (("dev", "dialogsum.dev.jsonl"), ("test", "dialogsum.test.jsonl")):
        for number, line in enumerate(_read(folder / file).splitlines()):
            row = json.loads(line)
            which = part if part == "test" else "validation" if number % 5 == 4 else "train"
            reference = row.get("summary") or row["summary1"]
            yield {"text": row["dialogue"], "reference": reference, "split": which}


_BY_PATH = "research use, not to be copied"
SETS: dict[str, ReferenceSet] = {
    one.name: one
    for one in (
        ReferenceSet("uci_sentences", "sentiment", "CC BY 4.0", _sentences("uci_sentences"), True),
        ReferenceSet("sentence_polarity", "sentiment", "CC BY 4.0", _sentences("sentence_polarity"), True),
        ReferenceSet("wnut17", "entities", "CC BY 4.0", _wnut, True),
        ReferenceSet("sst2", "sentiment", _BY_PATH, _sst2, instead_of="sentence_polarity"),
        ReferenceSet("tweeteval", "sentiment", "Twitter's terms", tweeteval("sentiment")),
        ReferenceSet("conll2003", "entities", _BY_PATH, _conll, instead_of="wnut17"),
        ReferenceSet("dialogsum", "summaries", "CC BY-NC-SA 4.0", _dialogsum),
    )
}
