"""What is said to one person of themselves: statements with their chances, why, and from how many events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from forge_core.errors import UsageError
from forge_models.family import Answer, Said
from forge_models.profile.splitting import KINDS
from forge_models.profile.telling import HELD, tell
from forge_models.profile.words import because

LEARNING = (
    "learning mode: too little is known yet for {}; it needs six weeks, and something that comes again."
)
NOTHING = "Nothing came in two weeks or more: there is nothing to state yet."
MEANS = (
    "A figure is the chance that it comes in the next week with activity of its kind; ids: `forge profile`."
)


def answer(models: Mapping[str, Any], tables: Mapping[str, pa.Table], **asked: Any) -> Answer:
    """``tables`` are one subject's; ``task``: one of them instead of all; ``k``: statements of each, the likeliest."""
    wanted = asked.get("task")
    if wanted is not None and wanted not in KINDS:
        raise UsageError("FORGE-PROFILE-TASK", "There is no such task.", "", f"Tasks: {', '.join(KINDS)}.")
    k = int(asked.get("k", 8))
    tasks = tuple(KINDS) if wanted is None else (wanted,)
    told = tell({task: model for task, model in models.items() if task in tasks}, tables)
    rows = sorted(told.to_pylist(), key=lambda row: (-row["probability"], row["statement"]))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:  # one statement may rest on several sources: the likeliest of them speaks
        found.setdefault(row["statement"], []).append(row)
    said = []
    for task in tasks:
        for own in [own for own in found.values() if own[0]["task"] == task][:k]:
            best = own[0]
            figures = (best["probability"], best["low"], best["high"])
            sources, events = sorted({row["source"] for row in own}), sum(row["events"] for row in own)
            said.append(Said(task, best["what"], *figures, because(best), sources, events))
    silent = [task for task in tasks if task not in models]
    notes = [LEARNING.format(", ".join(silent))] if silent else []
    notes += [MEANS] if said else [NOTHING] if len(silent) < len(tasks) else []
    if count := int((told.schema.metadata or {}).get(HELD, b"0")):
        notes.append(f"{count} denied.")
    return Answer(said, " ".join(notes))
