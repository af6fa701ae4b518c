"""What the champions say of all subjects, as the tables of the insights: forecasts, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from forge_models.behavior.description import STEPS, events_of, loads_of
from forge_models.behavior.evidence import Evidence, evidence
from forge_models.behavior.instants import TIME
from forge_models.behavior.series import Load
from forge_models.behavior.timelines import Timeline, timelines

LIKELY = 5  # answers of a subject
LEAST = 0.005  # chance: below, it rounds to nothing and says nothing
OWNER = [("subject", pa.string()), ("source", pa.string()), ("export", pa.string())]
FORECAST_SCHEMA = pa.schema(
    [
        *OWNER, ("measure", pa.string()), ("step", pa.string()), ("time", TIME),
        ("value", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("made_at", TIME),
    ]
)  # fmt: skip
NEXT_SCHEMA = pa.schema(
    [
        *OWNER, ("task", pa.string()), ("rank", pa.int64()), ("label", pa.string()), ("probability", pa.float64()),
        ("after", pa.string()), ("because", pa.string()), ("times", pa.int64()), ("of", pa.int64()),
        ("events", pa.int64()), ("made_at", TIME),
    ]
)  # fmt: skip


def forecasts(models: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> pa.Table:
    """One row per series and hour or day to come; ``made_at`` is the end of what is known, from which it starts."""
    rows: list[dict[str, Any]] = []
    for task, step in STEPS.items():
        if task not in models:
            continue
        for load in loads_of(task, tables):
            said = coming(models[task], load)
            if said is None:
                continue
            value, low, high = said
            made = load.at(len(load))
            same = {"subject": load.subject, "source": load.source, "export": load.export}
            same |= {"measure": load.measure, "step": step, "made_at": made}
            for ahead in range(len(value)):
                figures = {"value": float(value[ahead]), "low": float(low[ahead]), "high": float(high[ahead])}
                rows.append(same | {"time": load.at(len(load) + ahead)} | figures)
    return _table(rows, FORECAST_SCHEMA)


def coming(model: Any, load: Load) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Value, low and high (horizon,) of what follows a series; None for one that fell silent weeks ago."""
    if not load.known[-1]:
        return None
    said = model.forecast(load, np.array([len(load)]))
    return said.point[0], said.low[0], said.high[0]


def next_ones(models: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> pa.Table:
    """The likeliest next places and activities of each subject, each with what of the past speaks for it."""
    rows: list[dict[str, Any]] = []
    for task in ("next_place", "next_activity"):
        if task not in models:
            continue
        events = events_of(task, tables)
        newest = _newest(events)
        for line in lines_of(events, models[task].vocabulary):
            source, export = newest[line.subject]
            for rank, (code, chance, why) in enumerate(likely(models[task], line, LIKELY), 1):
                names = models[task].vocabulary
                rows.append(
                    {
                        "subject": line.subject, "source": source, "export": export, "task": task, "rank": rank,
                        "label": line.name(code, names), "probability": chance,
                        "after": line.name(int(line.labels[-1]), names), "because": why.words, "times": why.times,
                        "of": why.of, "events": len(line), "made_at": int(line.end.max()),
                    }
                )  # fmt: skip
    return _table(rows, NEXT_SCHEMA)


def lines_of(events: pa.Table, vocabulary: Sequence[str]) -> list[Timeline]:
    """Timelines of events that no part was given to."""
    return timelines(
        events.append_column("split", pa.array(["train"] * events.num_rows, pa.string())), vocabulary
    )


def likely(model: Any, line: Timeline, k: int) -> list[tuple[int, float, Evidence]]:
    """The ``k`` likeliest of the subject's own labels after all events of ``line``, with their chances and evidence.

    A label that only others have is never named: where they go is not this subject's to know.
    """
    chances = model.probabilities(line, np.array([len(line)]))[0]
    own = np.zeros(line.size, bool)
    own[line.labels] = True
    chances = np.where(own, chances, 0.0)
    best = np.argsort(-chances, kind="stable")[:k]
    names = model.vocabulary
    return [
        (int(code), float(chances[code]), evidence(line, int(code), names)[0])
        for code in best
        if chances[code] >= LEAST
    ]


def _newest(events: pa.Table) -> dict[str, tuple[str, str]]:
    """Source and export of each subject's newest event: rows are in the order of subjects and time."""
    columns = [events[name].to_pylist() for name in ("subject", "source", "export")]
    return {subject: (source, export) for subject, source, export in zip(*columns, strict=True)}


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    columns = {
        name: pa.array([row[name] for row in rows], pa.int64() if type_ == TIME else type_).cast(type_)
        for name, type_ in zip(schema.names, schema.types, strict=True)
    }
    return pa.table(columns, schema=schema)
