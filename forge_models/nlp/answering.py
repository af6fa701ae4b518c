"""One subject's texts in, what is said of them out: each statement with its figure, its reasons and its sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from forge_core.errors import UsageError
from forge_models.family import Answer, Reason, Said
from forge_models.nlp import telling, texts
from forge_models.nlp.naming import names
from forge_models.nlp.reading import Read, read

FEW = 20  # texts: below, a share says little, and the answer says so
MOST = 5  # topics and summaries that are named
LATEST = 28  # days whose mood is held against what was before
RESAMPLES = 500


def answer(models: Mapping[str, Any], chunks: pa.Table | None, **asked: Any) -> Answer:
    """``asked``: ``task`` for one of them alone; ``text`` for a text of one's own in place of the subject's."""
    task, text = asked.get("task"), asked.get("text")
    known = ("topics", "sentiment", "entities", "language", "summaries")
    if task is not None and task not in known:
        raise UsageError("FORGE-NLP-TASK", "There is no such task.", f"Known are {', '.join(known)}.")
    chosen = {name: model for name, model in models.items() if task in (None, name)}
    if text is not None:
        return Answer(of_text(chosen, str(text)), "Said of the given text, which is not kept.")
    if not chosen or chunks is None:
        return Answer((), "Learning mode: there is no champion yet.")
    found = [one for one in read(chosen, chunks) if one.text]
    said: list[Said] = []
    for name, tellers in TELLERS.items():
        if name in chosen:
            said += tellers(chosen[name], found)
    note = (
        ""
        if len(found) >= FEW
        else f"Learning mode: there are {len(found)} texts; shares of so few say little."
    )
    return Answer(said, note)


def of_text(models: Mapping[str, Any], text: str) -> list[Said]:
    """What the models say of one text, whatever is in it; words that give orders are words."""
    own = texts.said(text)
    if not texts.has_words(own):
        return [Said("language", "There are no words to tell anything by.")]
    out = []
    if "sentiment" in models:
        chances = models["sentiment"].probabilities([own])[0]
        value = telling.mood(chances, models["sentiment"].classes)
        out.append(Said("sentiment", f"It sounds {_mood_word(value)}.", value))
    if "language" in models:
        code = models["language"].languages_of([own])[0]
        out.append(Said("language", f"It is in the language {code}."))
    if "entities" in models:
        from forge_models.nlp.spans import spans

        tokens = texts.tokens(own)
        for start, end, kind in spans(models["entities"].tags([tokens])[0]):
            out.append(Said("entities", f"{kind}: {' '.join(tokens[start:end])}"))
    if "topics" in models:
        rows, near = models["topics"].assign([own])
        if rows[0] >= 0:
            topic = models["topics"].ids[int(rows[0])]
            out.append(Said("topics", f"It is near topic {topic}.", float(near[0])))
    if "summaries" in models:
        from forge_models.nlp.summaries import units

        whole = units(own)
        for place in models["summaries"].chosen([whole])[0]:
            out.append(Said("summaries", whole[place]))
    return out


def _topics(model: Any, found: Sequence[Read]) -> list[Said]:
    told = [one for one in found if one.topic is not None]
    ids = np.array([one.topic for one in told], np.int64)
    named = names([one.text for one in told], ids)
    order = sorted(set(ids.tolist()), key=lambda t: (-int((ids == t).sum()), t))
    out = []
    for topic in order[:MOST]:
        own = [one for one in told if one.topic == topic]
        words = named.get(topic, ())
        share, low, high = _share((ids == topic).astype(float))
        because = [Reason(f"the word {word!r}", 1.0 / (rank + 1)) for rank, word in enumerate(words)]
        title = ", ".join(words[:3]) or f"topic {topic}"
        out.append(
            Said("topics", f"Texts about {title}.", share, low, high, because, _sources(own), len(own))
        )
    return out


def _sentiment(model: Any, found: Sequence[Read]) -> list[Said]:
    told = [one for one in found if one.chances is not None]
    if not told:
        return []
    moods = np.array([telling.mood(one.chances, model.classes) for one in told])
    value, low, high = _share(moods)
    because = [
        Reason(
            f"{int((moods > telling.MOOD).sum())} texts sound positive", float((moods > telling.MOOD).mean())
        ),
        Reason(
            f"{int((moods < -telling.MOOD).sum())} texts sound negative",
            float((moods < -telling.MOOD).mean()),
        ),
    ]
    said = [Said("sentiment", f"The texts sound {_mood_word(value)} on the whole.", value, low, high, because,
                 _sources(told), len(told))]  # fmt: skip
    timed = [
        (one.row["time"], m, one) for one, m in zip(told, moods.tolist(), strict=True) if one.row["time"]
    ]
    if timed:
        last = max(time for time, _, _ in timed)
        recent = np.array([(last - time).days < LATEST for time, _, _ in timed])
        if min(recent.sum(), (~recent).sum()) >= FEW:
            values = np.array([m for _, m, _ in timed])
            change, low, high = _difference(values[recent], values[~recent])
            if low > 0 or high < 0:
                way = "brighter" if change > 0 else "darker"
                own = [one for (_, _, one), yes in zip(timed, recent, strict=True) if yes]
                said.append(Said("sentiment", f"The last four weeks sound {way} than what was before.", change, low,
                                 high, because, _sources(own), len(own)))  # fmt: skip
    return said


def _entities(model: Any, found: Sequence[Read]) -> list[Said]:
    told = [one for one in found if one.names is not None]
    out = []
    for kind in sorted({kind for one in told for kind in (one.names or {})}):
        own = [one for one in told if kind in (one.names or {})]
        count = sum((one.names or {})[kind] for one in own)
        out.append(
            Said(
                "entities",
                f"Names of the type {kind}.",
                float(count),
                None,
                None,
                (),
                _sources(own),
                len(own),
            )
        )
    return sorted(out, key=lambda one: -(one.value or 0.0))


def _language(model: Any, found: Sequence[Read]) -> list[Said]:
    told = [one for one in found if one.language]
    out = []
    for code in sorted({str(one.language) for one in told}):
        own = [one for one in told if one.language == code]
        share, low, high = _share(np.array([one.language == code for one in told], float))
        out.append(
            Said("language", f"Texts in the language {code}.", share, low, high, (), _sources(own), len(own))
        )
    return sorted(out, key=lambda one: -(one.value or 0.0))[:MOST]


def _summaries(model: Any, found: Sequence[Read]) -> list[Said]:
    rows = telling.summaries(model, found)
    rows.sort(key=lambda row: (str(row["time"]), row["thread"]), reverse=True)
    return [
        Said("summaries", " ".join(row["sentences"]), None, None, None, (), [row["source"]], row["of"])
        for row in rows[:MOST]
    ]


def _share(values: np.ndarray) -> tuple[float, float, float]:
    """The mean with its 90 % bootstrap interval."""
    from forge_core.evaluation.intervals import mean_interval

    found = mean_interval(values, 0.9, RESAMPLES)
    return found.value, found.low, found.high


def _difference(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    rng = np.random.default_rng(0)
    drawn = [
        rng.choice(one, len(one)).mean() - rng.choice(other, len(other)).mean() for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.05, 0.95])
    return float(one.mean() - other.mean()), float(low), float(high)


def _mood_word(value: float) -> str:
    return "positive" if value > telling.MOOD else "negative" if value < -telling.MOOD else "neutral"


def _sources(own: Sequence[Read]) -> list[str]:
    return sorted({str(one.row["source"]) for one in own})


TELLERS = {
    "topics": _topics,
    "sentiment": _sentiment,
    "entities": _entities,
    "language": _language,
    "summaries": _summaries,
}
