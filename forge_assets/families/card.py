"""The model card (Mitchell et al. 2019), made from lineage and numbers alone: nobody writes it by hand."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from forge_assets.outcome import Provenance
from forge_models.family import Task
from forge_resources.registry import CHALLENGER
from forge_resources.stores import Stores

if TYPE_CHECKING:
    from forge_assets.families.bundle import Bundle, Lane


def metric_rows(stores: Stores, bundle: "Bundle", task: Task) -> list[dict[str, Any]]:
    """The evaluation table of one task, chosen model first."""
    names = ("candidate", "metric", "value", "low", "high", "n", "is_baseline", "chosen")
    rows = stores.database.rows(
        f"select {', '.join(names)} from {bundle.table('evaluation')} where task = %s"
        " order by chosen desc, is_baseline, candidate",
        (task.name,),
    )
    return [dict(zip(names, row, strict=True)) for row in rows]


def metrics_table(rows: list[dict[str, Any]], intervals: bool = True) -> str:
    """One line per metric, one column per model, the chosen one first."""
    models = list(dict.fromkeys(r["candidate"] for r in rows))
    about = {r["candidate"]: r for r in rows}
    heads = [
        f"**{m}**" if about[m]["chosen"] else m + " (baseline)" * about[m]["is_baseline"] for m in models
    ]
    cells = {
        (r["metric"], r["candidate"]): f"{r['value']:.3f}" + f" [{r['low']:.3f}, {r['high']:.3f}]" * intervals
        for r in rows
    }
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(models) + 1) + "|"]
    for metric in dict.fromkeys(r["metric"] for r in rows):
        lines.append(f"| {metric} | {' | '.join(cells.get((metric, m), '–') for m in models)} |")
    return "\n".join(lines)


def document(stores: Stores, bundle: "Bundle", provenance: Provenance) -> dict[str, Any]:
    """The card as JSON."""
    import importlib.metadata

    family = bundle.family
    lanes = bundle.ready(stores)
    return {
        "family": family.name,
        "serves": family.serves,
        "limits": family.limits,
        "purpose": family.purpose,
        "population": stores.exports.population(),
        "consent": {
            "version": provenance.inputs.get(bundle.consent),
            "words": [list(row) for row in stores.consent.rows(family.purpose) if row[0] == "*"],
        },
        "data": {
            "exports": _named(stores, lanes, "export"),
            "public": _named(stores, lanes, "set"),
            "versions": dict(sorted(stores.versions.current([*family.inputs]).items())),
        },
        "tasks": [_task(stores, bundle, lane) for lane in lanes],
        "seed": stores.settings.seed,
        "preset": stores.settings.preset,
        "learning": [lane.task.name for lane in bundle.lanes if lane not in lanes],
        "code": {
            "forge": importlib.metadata.version("datapunk-forge"),
            "asset_code_version": provenance.code_version,
        },
        "lineage": dict(sorted(provenance.inputs.items())),
    }


def _named(stores: Stores, lanes: Sequence["Lane"], column: str) -> list[str]:
    """The exports, or the public sets, that training rows are of."""
    tables = [lane.training_table for lane in lanes if column in stores.database.columns(lane.training_table)]
    query = " union ".join(f'select distinct "{column}" from {table}' for table in tables)
    return sorted(name for (name,) in stores.database.rows(query)) if tables else []


def _task(stores: Stores, bundle: "Bundle", lane: "Lane") -> dict[str, Any]:
    """What the card tells of one task."""
    candidate, config, digest = stores.database.rows(
        f"select candidate, config, digest from {bundle.table('model')} where chosen and task = %s",
        (lane.task.name,),
    )[0]
    counts = f"select split, count(*) from {lane.training_table} group by 1 order by 1"
    return {
        "task": lane.task.name,
        "model": lane.name,
        "version": stores.registry.version(lane.name, CHALLENGER) or "–",
        "candidate": candidate,
        "config": config,
        "digest": digest,
        "rows": dict(stores.database.rows(counts)),
        "split": lane.strategy(stores),
        "metrics": metric_rows(stores, bundle, lane.task),
    }


def markdown(card: dict[str, Any]) -> str:
    """The card as a person reads it."""
    exports, tasks = card["data"]["exports"], card["tasks"]
    words = "; ".join(
        f"{state} for all sources ({by})"
        for _, source, state, by in card["consent"]["words"]
        if source == "*"
    )
    synthetic = (
        "**Synthetic data: no real person is behind these figures.**\n\n"
        if card["population"] == "synthetic"
        else ""
    )
    listed = ", ".join(f"`{e}`" for e in exports[:5]) + (
        f" and {len(exports) - 5} more" if len(exports) > 5 else ""
    )
    learned = "; ".join(
        [f"exports {listed}"] * bool(exports)
        + [f"public labelled text: {', '.join(card['data']['public'])}"] * bool(card["data"]["public"])
    )
    lineage = "\n".join(f"| `{asset}` | `{version}` |" for asset, version in card["lineage"].items())
    title = (
        f"{tasks[0]['model']} v{tasks[0]['version']}: {tasks[0]['candidate']}"
        if len(tasks) == 1
        else card["family"]
    )
    learning = (
        f"\n\n**Learning mode** (too little data yet): {', '.join(card['learning'])}."
        if card["learning"]
        else ""
    )
    return f"""# {title}

{synthetic}**What it is for.** Purpose `{card["purpose"]}`: {card["serves"]}

**What it learned from.** Population {card["population"]}; {learned}.

**Consent.** Version `{card["consent"]["version"]}`: {words or "given by single subjects"}.

**How good it is**, on what it has not seen; 95 % bootstrap intervals:

{chr(10).join(_told(task, len(tasks) == 1) for task in tasks)}{learning}

**What it does not do.** {card["limits"]}
Figures hold for this population and this split alone.

**Made again.** The same data, code, seed ({card["seed"]}) and preset ({card["preset"]}) give the same artifact on the
same kind of CPU with as many threads. On another, what is trained in steps may differ in its last digits, and its
figures within their intervals.

**Lineage.**

| input | content version |
|---|---|
{lineage}

Made by Forge {card["code"]["forge"]} from lineage and numbers.
"""


def _told(task: dict[str, Any], sole: bool) -> str:
    """One task of the card."""
    rows = ", ".join(f"{part} {n:,}" for part, n in task["rows"].items())
    head = (
        ""
        if sole
        else f"### {task['task'].replace('_', ' ')}: {task['model']} v{task['version']}, {task['candidate']}\n\n"
    )
    return (
        f"{head}{rows} rows, split {task['split'].replace('_', ' ')}; configuration `{task['config']}`,"
        f" artifact `{task['digest'][:16]}`.\n\n{metrics_table(task['metrics'])}\n"
    )
