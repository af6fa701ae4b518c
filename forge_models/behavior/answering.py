"""What is said to one person, in words: what comes next, tomorrow's load with its band, the busiest hours, and what
changed. Hours are UTC, as in all feature tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from forge_core.errors import UsageError
from forge_models.behavior import changes, telling
from forge_models.behavior.description import events_of, loads_of
from forge_models.behavior.evidence import evidence
from forge_models.behavior.instants import micros
from forge_models.behavior.series import Load
from forge_models.family import Answer, Reason, Said

TASKS = ("next_place", "next_activity", "load_hourly", "load_daily", "changes")
UNITS = {"events": "events", "calendar_minutes": "minutes in calendar entries"}
BUSIEST = 3  # hours
LATEST = 5  # changes
LEARNING = "learning mode: too little is known yet for {}; it needs 14 days, and more for load."


def answer(models: Mapping[str, Any], tables: Mapping[str, pa.Table], **asked: Any) -> Answer:
    """``tables`` are one subject's; ``task``: one of ``TASKS`` instead of all; ``k``: answers about what is next, 3."""
    wanted = asked.get("task")
    if wanted is not None and wanted not in TASKS:
        raise UsageError("FORGE-BEHAVIOR-TASK", "There is no such task.", "", f"Tasks: {', '.join(TASKS)}.")
    k = int(asked.get("k", 3))
    said: list[Said] = []
    silent: list[str] = []
    for task in TASKS if wanted is None else (wanted,):
        if task == "changes":
            said += _changes(tables)
        elif task not in models:
            silent.append(task)
        elif task == "load_hourly":
            said += [one for load in loads_of(task, tables) for one in _hours(models[task], load)]
        elif task == "load_daily":
            said += [one for load in loads_of(task, tables) for one in _tomorrow(models[task], load)]
        else:
            said += _next(task, models[task], tables, k)
    return Answer(said, LEARNING.format(", ".join(silent)) if silent else "")


def _next(task: str, model: Any, tables: Mapping[str, pa.Table], k: int) -> list[Said]:
    events = events_of(task, tables)
    sources = sorted(set(events["source"].to_pylist()))
    found = []
    for line in telling.lines_of(events, model.vocabulary):
        for code, chance, why in telling.likely(model, line, k):
            what = f"next: {line.name(code, model.vocabulary)} {chance:.0%}, {why.words}"
            all_of = evidence(line, code, model.vocabulary)
            because = [Reason(one.words, one.share) for one in all_of]
            found.append(Said(task, what, chance, None, None, because, sources, len(line)))
        if hasattr(model, "exploration"):
            new = model.exploration(line)
            found.append(
                Said(task, f"next: something new {new:.0%}", new, None, None, (), sources, len(line))
            )
    return found


def _tomorrow(model: Any, load: Load) -> list[Said]:
    found = telling.coming(model, load)
    if found is None:
        return []
    value, low, high = (float(figures[0]) for figures in found)
    day = _day(int(load.at(len(load))))
    unit = UNITS[load.measure]
    what = f"{day} ({load.source}): {value:.0f} {unit}, {low:.0f} to {high:.0f} in nine days of ten"
    lately = load.values[load.known][-28:]
    because = [
        Reason(f"a day of the last four weeks had {lately.mean():.0f} on average", float(lately.mean()))
    ]
    return [Said("load_daily", what, value, low, high, because, [load.source], int((load.values > 0).sum()))]


def _hours(model: Any, load: Load) -> list[Said]:
    found = telling.coming(model, load)
    if found is None:
        return []
    value, low, high = found
    day = _day(int(load.at(len(load))))
    out = []
    for at in np.argsort(-value, kind="stable")[:BUSIEST]:
        if value[at] <= 0:
            continue
        hour, figure = int(at) % 24, float(value[at])
        same = load.values[hour::24][-28:]
        because = [
            Reason(
                f"busy at this hour on {int((same > 0).sum())} of the last {len(same)} days",
                float(same.mean()),
            )
        ]
        span = f"{hour:02d}:00 to {(hour + 1) % 24:02d}:00 UTC"
        what = f"{day} ({load.source}), {span}: {figure:.0f} {UNITS[load.measure]}"
        bounds = (float(low[at]), float(high[at]))
        out.append(Said("load_hourly", what, figure, *bounds, because, [load.source], int((same > 0).sum())))
    return out


def _changes(tables: Mapping[str, pa.Table]) -> list[Said]:
    events = events_of("next_place", tables)
    names = sorted(set(events["label"].to_pylist()))
    found: list[tuple[changes.Change, Sequence[str], int]] = []
    for line in telling.lines_of(events, names):
        sources = sorted(set(events["source"].to_pylist()))
        found += [(one, sources, len(line)) for one in changes.of_places(line, names)]
    for table in (events, events_of("next_activity", tables)):
        if table.num_rows:
            source, time = np.array(table["source"].to_pylist(), str), micros(table["time"])
            start = {str(name): int(time[source == name].min()) for name in set(source)}
            end = {str(name): int(time[source == name].max()) for name in set(source)}
            found += [(one, sorted(start), table.num_rows) for one in changes.of_sources(start, end)]
    for load in loads_of("load_daily", tables):
        found += [(one, [load.source], int((load.values > 0).sum())) for one in changes.of_load(load)]
    found.sort(key=lambda one: one[0].at)
    return [
        Said("changes", one.words, None, None, None, (), sources, n) for one, sources, n in found[-LATEST:]
    ]


def _day(time: int) -> str:
    return datetime.fromtimestamp(time / 1e6, UTC).strftime("%A %Y-%m-%d")
