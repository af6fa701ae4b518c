"""``insights/profile``: a statement for each thing a subject may come back to, with its chance and its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_core import keys
from forge_models.profile import splitting
from forge_models.profile.asking import NAMES, Asked, asked
from forge_models.profile.evidence import TIME
from forge_models.profile.feedback import denied, statement_id
from forge_models.profile.lines import Line, lines
from forge_models.profile.words import statement

SCHEMA = pa.schema(
    [
        ("subject", pa.string()),
        ("statement", pa.string()),
        ("source", pa.string()),
        ("export", pa.string()),
        ("task", pa.string()),
        ("kind", pa.string()),
        ("thing", pa.string()),
        ("label", pa.string()),
        ("what", pa.string()),
        ("probability", pa.float64()),  # that it comes in the next week with activity of its facet
        ("low", pa.float64()),  # of a 90 % interval
        ("high", pa.float64()),
        ("trend", pa.string()),  # new, rising, steady or fading
        ("events", pa.int64()),
        ("weeks", pa.int64()),  # in which it came
        ("weeks_of", pa.int64()),  # with activity, since it came first
        ("first_seen", TIME),
        ("last_seen", TIME),
        ("half_life_weeks", pa.float64()),
        ("weight", pa.float64()),  # decayed weeks with it
        ("told_by", pa.list_(pa.string())),
        ("event_ids", pa.list_(pa.string())),  # the newest of those behind it
    ]
)
LEAST_WEEKS = 2  # once is no habit
LEAST = 0.02  # chance: below, it is not worth a word
PER_LINE = 50
SHOWN_EVENTS = 5
AT_ONCE = 500  # lines
SHORT, LONG = 2, 5  # half-lives whose rates are compared
SURE = 1.5  # standard errors that a trend is beyond chance
YOUNG = 4  # weeks
HELD = b"forge.denied"


def tell(models: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> pa.Table:
    """All statements, of everybody, but for those denied, whose number stands in the schema's metadata."""
    evidence = tables[keys.EVIDENCE]
    rows: list[dict[str, Any]] = []
    for task, model in models.items():
        if splitting.KINDS.get(task):
            known = lines(splitting.weekly(task, evidence))
            for start in range(0, len(known), AT_ONCE):
                rows += _of(task, model, known[start : start + AT_ONCE])
    refused = denied(tables.get(keys.FEEDBACK))
    kept = [row for row in rows if row["statement"] not in refused]
    _support(kept, evidence)
    kept.sort(key=lambda row: (row["subject"], row["statement"], row["source"]))
    table = pa.Table.from_pylist(kept, SCHEMA)
    return table.replace_schema_metadata(
        {HELD: str(len({row["statement"] for row in rows} & refused)).encode()}
    )


def _of(task: str, model: Any, known: Sequence[Line]) -> list[dict[str, Any]]:
    some = asked(known, None)
    if not len(some):
        return []
    chances = model.chances(some)
    low, high = model.interval(some, chances)
    seen, _ = model.decay.counts(some)
    weeks, since = _seen(some)
    keep = (weeks >= LEAST_WEEKS) & (chances >= LEAST)
    trends = trend(some, since)
    found = []
    for number, line in enumerate(some.lines):
        own = np.flatnonzero(keep & (some.line == number))
        own = own[np.argsort(-chances[own], kind="stable")][:PER_LINE]
        for row in own.tolist():
            thing = line.things[some.thing[row]]
            found.append({
                "subject": line.subject, "statement": statement_id(line.subject, line.kind, thing),
                "source": line.source, "export": line.export, "task": task, "kind": line.kind, "thing": thing,
                "probability": float(chances[row]), "low": float(low[row]), "high": float(high[row]),
                "trend": str(trends[row]), "weeks": int(weeks[row]), "weeks_of": int(since[row]),
                "half_life_weeks": model.decay.half_life(line.facet), "weight": float(seen[row]),
            })  # fmt: skip
    return found


def trend(some: Asked, since: np.ndarray) -> np.ndarray:
    """(n,) new, rising, steady or fading: the rate of the last weeks beside that of all weeks since it came first."""
    weeks = some.weeks[:, SHORT]
    lately = (some.seen[:, SHORT] + 0.2) / (weeks + 0.4)
    ever = (some.seen[:, LONG] + 0.2) / (some.weeks[:, LONG] + 0.4)
    # a decayed sum of weeks is worth about twice its size in weeks that count alike
    error = np.sqrt(ever * (1 - ever) / np.maximum(2 * weeks, 1.0))
    apart = (lately - ever) / np.maximum(error, 1e-6)
    found = np.where(apart > SURE, "rising", np.where(apart < -SURE, "fading", "steady"))
    return np.where(since <= YOUNG, "new", found)


def _seen(some: Asked) -> tuple[np.ndarray, np.ndarray]:
    """(n,) weeks in which each thing came, and weeks with activity since it came first."""
    times, age = (np.expm1(some.x[:, NAMES.index(name)]) for name in ("times", "age"))
    return np.round(times).astype(int), np.round(age).astype(int) + 1


def _support(rows: list[dict[str, Any]], evidence: pa.Table) -> None:
    """Fills in what the evidence of each statement is: label, events, first and last day, tellers, ids of events."""
    by = ["subject", "source", "kind", "thing"]
    wanted = {tuple(row[name] for name in by) for row in rows}
    things = pa.array(sorted({one[3] for one in wanted}), pa.string())
    some = evidence.filter(pc.is_in(evidence["thing"], things)).sort_by(
        [("time", "ascending"), ("told_by", "ascending")]
    )
    grouped = some.group_by(by, use_threads=False).aggregate(
        [("label", "last"), ("events", "sum"), ("time", "min"), ("time", "max"), ("told_by", "distinct"),
         ("event_id", "list")]
    )  # fmt: skip
    of = {}
    for row in grouped.to_pylist():
        key = tuple(row[name] for name in by)
        if key in wanted:
            of[key] = row
    for row in rows:
        told = of[tuple(row[name] for name in by)]
        row["label"], row["events"] = told["label_last"], told["events_sum"]
        row["first_seen"], row["last_seen"] = told["time_min"], told["time_max"]
        row["told_by"] = sorted(told["told_by_distinct"])
        row["event_ids"] = [one for one in told["event_id_list"] if one is not None][-SHOWN_EVENTS:]
        row["what"] = statement(row)
