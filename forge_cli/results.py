"""The table of what is there: each asset with its state, rows, metric beside the baselines, and checks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from forge_cli.reports import SYNTHETIC, table
from forge_core import keys

if TYPE_CHECKING:
    from forge_core.staleness import Node
    from forge_resources.stores import Stores

MEASURED = ("evaluation", "champion")  # stages whose line shows the headline metric
COUNTED = ("training_set", "vectors")  # stages of a family whose rows mean something to a person


def assets(
    stores: Stores,
    graph: Mapping[str, Node],
    checks: Mapping[str, Sequence[Mapping[str, Any]]],
    only: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """One row per asset, in the order of the graph."""
    known = built_at(stores)
    counts = rows_of(stores, [key for key in graph if only is None or key in only])
    metrics: dict[str, list[dict[str, Any]]] = {}
    waiting: set[str] = set()  # rests on something refused
    found = []
    for key in ordered(graph):
        if only is not None and key not in only:
            continue
        state, note, when = known.get(key, ("missing", None, None))
        refused = {d for d in graph[key].dependencies if d in known and known[d][0] == "refused"}
        if not graph[key].forgiving and (refused or waiting & set(graph[key].dependencies)):
            waiting.add(key)
            state = "waiting" if state == "missing" else state
        if key.startswith("raw/"):
            state = "published" if counts.get(key) is not None else "missing"
        family, _, stage = key.partition("/")
        if stage in MEASURED and family not in metrics:
            metrics[family] = headlines(stores, family)
        words = [c for c in checks.get(key, ()) if c["passed"] is not None]
        found.append(
            {
                "asset": key,
                "state": state,
                "note": note,
                "built_at": when,
                "rows": counts.get(key),
                "metrics": metrics.get(family, []) if stage in MEASURED else [],
                "checks_passed": sum(1 for c in words if c["passed"]),
                "checks_failed": [c["name"] for c in words if not c["passed"]],
            }
        )
    return found


def ordered(graph: Mapping[str, Node]) -> list[str]:
    """Keys so that what an asset rests on stands above it."""
    from graphlib import TopologicalSorter

    sorter = TopologicalSorter({key: sorted(node.dependencies) for key, node in sorted(graph.items())})
    return [key for key in sorter.static_order() if key in graph]


def built_at(stores: Stores) -> dict[str, tuple[str, str | None, Any]]:
    """(state, note, when) of every asset that was ever built or refused."""
    rows = stores.database.rows("select asset, state, note, built_at from forge.versions")
    return {asset: (state, note, when) for asset, state, note, when in rows}


def rows_of(stores: Stores, wanted: Collection[str]) -> dict[str, int]:
    """Rows of the tables behind assets; an asset without a table, or whose rows say nothing, has none."""
    schemas_with_evaluation = families(stores)
    there = {
        f"{schema}.{name}"
        for schema, name in stores.database.rows("select schemaname, tablename from pg_tables")
    }
    found = {}
    for key in wanted:
        schema, _, rest = key.partition("/")
        if schema in schemas_with_evaluation and rest not in COUNTED:
            continue
        if keys.table(key) in there:
            found[key] = stores.database.count(keys.table(key))
    return found


def families(stores: Stores) -> list[str]:
    """The model families of this home: every schema with an evaluation table."""
    rows = stores.database.rows("select schemaname from pg_tables where tablename = 'evaluation' order by 1")
    return [schema for (schema,) in rows]


def headlines(stores: Stores, family: str) -> list[dict[str, Any]]:
    """The metric that each task is tuned by: the chosen model's value, the baselines' beside it."""
    if family not in families(stores):
        return []
    rows = stores.database.rows(
        "select e.task, candidate, e.metric, value, low, high, is_baseline, chosen"
        f" from {family}.evaluation e join (select distinct task, metric from {family}.tuning) t"
        " on t.task = e.task and t.metric = e.metric order by e.ctid"
    )
    found = []
    for task in dict.fromkeys(row[0] for row in rows):
        here = [row for row in rows if row[0] == task]
        _, candidate, metric, value, low, high, *_ = next(row for row in here if row[7])
        found.append(
            {
                "task": task,
                "name": metric,
                "candidate": candidate,
                "value": value,
                "low": low,
                "high": high,
                "baselines": {row[1]: row[3] for row in here if row[6]},
            }
        )
    return found


def show(rows: Sequence[Mapping[str, Any]], population: str | None) -> None:
    table(("asset", "state", "rows", "metric", "checks"), [_line(row) for row in rows], right=(2,))
    if population == "synthetic":
        click.echo(SYNTHETIC)


def _line(row: Mapping[str, Any]) -> tuple[Any, ...]:
    failed = row["checks_failed"]
    checks = f"{row['checks_passed']} passed" if row["checks_passed"] else ""
    if failed:
        checks = ", ".join(filter(None, [checks, f"{len(failed)} said no: {', '.join(failed)}"]))
    rows = "" if row["rows"] is None else row["rows"]
    return (row["asset"], row["state"], rows, _metric(row["metrics"]), checks)


def _metric(found: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(measured(one) for one in found)


def measured(found: Mapping[str, Any]) -> str:
    """One task's figure in words: ``ease ndcg@10 0.1234 (popularity 0.0987)``."""
    beside = ", ".join(f"{name} {value:.4f}" for name, value in found["baselines"].items())
    return f"{found['candidate']} {found['name']} {found['value']:.4f}" + (f" ({beside})" if beside else "")
