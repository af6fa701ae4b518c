"""Which language a text is in: by its script, by counted letters, or by a small network on runs of letters.

``script`` says the most frequent language of the text's script: the baseline. ``counts`` is py3langid (Lui and Baldwin
2012), a naive Bayes on byte runs that comes trained; the shares of languages in the training rows go before it.
``network`` sums vectors of hashed runs of letters (Joulin et al. 2017) and is trained here.

What they are judged on is what is at hand without a download: the phrases of the Unicode CLDR in each language, as
babel carries them. The network learns from names of countries and languages; all are judged on other phrases (spans of
time, dates, units). Personal texts have no labels; nobody's text is in this task.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from forge_models.family import TrainingRun
from forge_models.nlp.classifying import Report
from forge_models.nlp.texts import has_words

LANGUAGES = (
    "ar", "bg", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he",
    "hi", "hr", "hu", "id", "is", "it", "ja", "ko", "lt", "lv", "mk", "nb", "nl", "pl",
    "pt", "ro", "ru", "sk", "sl", "sv", "th", "tr", "uk", "vi", "zh",
)  # fmt: skip
UNKNOWN = ""
BUCKETS, RUNS, READ = 16_384, (1, 2, 3, 4), 400
SAMPLES, WORDS = 60, (3, 9)  # texts a language and part, names in each
SAME = {"no": "nb", "nn": "nb"}  # Norwegian has several codes


@dataclass(frozen=True)
class LanguageModel:
    """``languages`` in the order of the columns of ``scores``, logarithms of shares."""

    languages: tuple[str, ...]
    config: Mapping[str, Any]
    report: Report = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    kind: ClassVar[str] = ""

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        raise NotImplementedError

    def languages_of(self, texts: Sequence[str]) -> list[str]:
        """ISO 639-1; empty where there are no words to tell by."""
        if not texts:
            return []
        best = self.scores(texts).argmax(axis=1)
        return [self.languages[i] if has_words(t) else UNKNOWN for i, t in zip(best, texts, strict=True)]


@dataclass(frozen=True, kw_only=True)
class ScriptModel(LanguageModel):
    """``by_script``: scripts and the shares of languages in each, (scripts, languages)."""

    scripts: tuple[str, ...]
    by_script: np.ndarray
    kind: ClassVar[str] = "script"

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        place = {name: row for row, name in enumerate(self.scripts)}
        even = self.by_script.mean(axis=0)
        rows = [place.get(script(text), -1) for text in texts]
        found: np.ndarray = np.log(np.stack([self.by_script[r] if r >= 0 else even for r in rows]) + 1e-9)
        return found


@dataclass(frozen=True, kw_only=True)
class CountModel(LanguageModel):
    """py3langid among ``languages``."""

    kind: ClassVar[str] = "counts"

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        identifier = _langid()
        found = np.full((len(texts), len(self.languages)), -1e9)
        place = {name: column for column, name in enumerate(self.languages)}
        for row, text in enumerate(texts):
            for name, value in identifier.rank(text[:READ]):
                name = SAME.get(name, name)
                if name in place:
                    found[row, place[name]] = max(found[row, place[name]], float(value))
        return found


@dataclass(frozen=True, kw_only=True)
class RunModel(LanguageModel):
    """``weights`` (BUCKETS, languages) float32: the sum over a text's runs of letters, each run once."""

    weights: np.ndarray
    bias: np.ndarray
    kind: ClassVar[str] = "network"

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        out = []
        for text in texts:
            places = runs(text)
            out.append(self.weights[places].mean(axis=0) if len(places) else np.zeros(len(self.languages)))
        found: np.ndarray = np.stack(out) + self.bias
        return found


def script(text: str) -> str:
    """The script of most letters, by the first word of their Unicode names: LATIN, CYRILLIC, CJK."""
    counts: Counter[str] = Counter()
    for c in text[:READ]:
        if c.isalpha():
            counts[unicodedata.name(c, "UNKNOWN").split(" ")[0]] += 1
    return min(counts, key=lambda name: (-counts[name], name)) if counts else UNKNOWN


def runs(text: str) -> np.ndarray:
    """Places of the runs of one to four letters, int64; words have their ends marked."""
    found = []
    for word in text[:READ].lower().split():
        letters = "".join(c for c in word if c.isalpha() or c in "'’-" or unicodedata.category(c)[0] == "M")
        if letters:
            marked = f"<{letters}>"
            found += [marked[i : i + n] for n in RUNS for i in range(len(marked) - n + 1)]
    return np.array([zlib.crc32(run.encode("utf-8", "replace")) % BUCKETS for run in found], np.int64)


def phrases(seed: int = 0) -> list[dict[str, Any]]:
    """Rows (set, number, split, text, label) of CLDR phrases; languages that babel lacks are left out."""
    return [dict(row) for row in _phrases(seed)]


@lru_cache(1)
def _phrases(seed: int) -> list[dict[str, Any]]:
    from babel import Locale, UnknownLocaleError

    rows: list[dict[str, Any]] = []
    for code in LANGUAGES:
        try:
            locale = Locale.parse(code)
        except (UnknownLocaleError, ValueError):
            continue
        rng = np.random.default_rng([seed, zlib.crc32(code.encode())])
        names = sorted(
            {
                n
                for n in [*locale.territories.values(), *locale.languages.values()]
                if len(n) > 2 and "," not in n
            }
        )
        cut = len(names) * 4 // 5
        order = rng.permutation(len(names))
        parts = {"train": [names[i] for i in order[:cut]], "validation": [names[i] for i in order[cut:]]}
        parts["test"] = _other_phrases(locale)
        for split, stock in parts.items():
            seen: set[str] = set()
            for _ in range(SAMPLES if split == "train" else SAMPLES // 3):
                count = int(rng.integers(*WORDS)) if split != "test" else int(rng.integers(2, 5))
                text = ", ".join(
                    stock[i] for i in rng.choice(len(stock), min(count, len(stock)), replace=False)
                )
                if text not in seen:
                    seen.add(text)
                    rows.append(
                        {"set": "cldr", "number": len(rows), "split": split, "text": text, "label": code}
                    )
    return rows


def _other_phrases(locale: Any) -> list[str]:
    """Spans of time, dates in words and units: none is a name of a country or a language."""
    from datetime import date, timedelta

    from babel.dates import format_date, format_timedelta
    from babel.units import format_unit

    said = [
        format_timedelta(timedelta(**{unit: n}), locale=locale, add_direction=direction)
        for unit in ("seconds", "minutes", "hours", "days", "weeks")
        for n in (3, -5)
        for direction in (True, False)
    ]
    said += [format_date(date(2024, month, 3 + month), "full", locale=locale) for month in range(1, 13)]
    said += [format_unit(7, unit, "long", locale=locale) for unit in ("length-kilometer", "mass-gram")]
    return sorted(set(said))


def fit_script(rows: Sequence[tuple[str, str]], config: Mapping[str, Any]) -> ScriptModel:
    """``rows`` are (text, language)."""
    languages = tuple(sorted({label for _, label in rows}))
    place = {name: column for column, name in enumerate(languages)}
    table: dict[str, np.ndarray] = {}
    for text, label in rows:
        table.setdefault(script(text), np.zeros(len(languages)))[place[label]] += 1
    names = tuple(sorted(table))
    shares = np.stack([table[name] / table[name].sum() for name in names])
    return ScriptModel(languages, config, scripts=names, by_script=shares)


def fit_counts(rows: Sequence[tuple[str, str]], config: Mapping[str, Any]) -> CountModel:
    return CountModel(tuple(sorted({label for _, label in rows})), config)


def fit_network(rows: Sequence[tuple[str, str]], config: Mapping[str, Any], run: TrainingRun) -> RunModel:
    """``config``: ``epochs``, ``learning_rate``."""
    from forge_models.nlp.language_net import learn

    languages = tuple(sorted({label for _, label in rows}))
    code = {name: number for number, name in enumerate(languages)}
    labels = np.array([code[label] for _, label in rows], np.int64)
    weights, bias, outcome = learn([runs(text) for text, _ in rows], labels, len(languages), config, run)
    report = {"training": [{"texts": len(rows), "steps": outcome.steps, "stopped": outcome.stopped}]}
    return RunModel(languages, config, report, outcome.history, weights=weights, bias=bias)


@lru_cache(1)
def _langid() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
