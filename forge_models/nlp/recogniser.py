"""The name recogniser by itself: a NER that Forge trains on public text alone, for whoever needs names before nlp does.

``reference/name_recogniser`` is made of ``train``; ``clean`` may use ``find`` without any personal row having been
learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forge_models.family import Candidate, Splits, TrainingRun
from forge_models.nlp import texts

if TYPE_CHECKING:
    from forge_models.nlp.tagging import Tagger


@dataclass(frozen=True)
class Name:
    """``text[start:end]`` is a name of this ``kind``."""

    start: int
    end: int
    kind: str


def chosen(run: TrainingRun) -> Candidate:
    """Who is asked: the network, or at the preset quick the closed form."""
    from forge_models.nlp.candidates import ENTITIES

    name = "linear" if run.preset == "quick" else "network"
    return next(one for one in ENTITIES if one.name == name)


def train(run: TrainingRun, splits: Splits, way: Candidate) -> Tagger:
    """A tagger that learned from the train and validation parts of public ``splits`` (see ``splitting.split``)."""
    tagger: Tagger = way.fit(splits.refit(), way.configs(run.preset)[0], run)
    return tagger


def find(tagger: Tagger, whole: Sequence[str]) -> list[list[Name]]:
    """The names in each text, in order; of a long text, in what is looked at of it (``texts.LIMIT`` characters)."""
    from forge_models.nlp.spans import spans

    places = [texts.token_places(text) for text in whole]
    said = tagger.tags([texts.tokens(text) for text in whole])
    return [
        [Name(own[start][0], own[end - 1][1], kind) for start, end, kind in spans(tags)]
        for own, tags in zip(places, said, strict=True)
    ]


def folder(home: Path) -> Path:
    """Where the one in use lies."""
    return home / "models" / "reference" / "name_recogniser"


def save(tagger: Tagger, folder: Path) -> None:
    from forge_models.nlp import storing

    storing.save("entities", tagger, folder)


def load(folder: Path) -> Any:
    """The tagger, verified before it is used."""
    from forge_models.nlp import storing

    return storing.load("entities", folder)
