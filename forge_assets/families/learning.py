"""``tuning`` and ``model``: which configuration of each candidate, and the candidates fitted with it."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
)

from forge_assets import pictures
from forge_assets.automation import FRESH
from forge_assets.compute import HEAVY
from forge_assets.families.bundle import Bundle, Lane
from forge_assets.families.training import Training
from forge_assets.outcome import built, digest, shown
from forge_core import keys
from forge_core.errors import ForgeError
from forge_models.family import Candidate, history, report
from forge_resources.registry import CHALLENGER, CHAMPION
from forge_resources.stores import Stores

# candidate -> configuration -> the history of its training
Curves = dict[str, dict[str, Sequence[Mapping[str, float]]]]


def tuning(bundle: Bundle) -> AssetsDefinition:
    family = bundle.family
    depends_on = [bundle.key("training_set")]

    @asset(
        **bundle.declared("tuning", depends_on),
        kinds={"mlflow"},
        description="Every candidate's configurations, fitted on the train part and scored on the validation part.",
        op_tags=HEAVY,
        automation_condition=FRESH,
    )
    def build(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
        provenance = bundle.provenance(stores, "tuning", depends_on, context.run.run_id)
        data_version = provenance.inputs[depends_on[0]]
        lanes = bundle.ready(stores)
        curves: Curves = {}
        with Training(bundle, stores, context, "tuning", data_version) as training:
            plan = [(ln, one, cfg) for ln in lanes for one, cfg in _tries(ln, stores)]
            rows = [row for lane in lanes for row in _search(context, stores, lane, plan, training, curves)]
            stores.database.write(bundle.table("tuning"), pa.Table.from_pylist(rows))
        training.done()
        run = stores.tracking.run(family.name, context.run.run_id, {"training_set": data_version})
        best = [r for r in rows if r["best"]]
        named = {lane.task.name: lane.labelled for lane in lanes}
        stores.tracking.log(
            run,
            {f"validation_{named[r['task']](r['candidate'])}_{r['metric']}": r["value"] for r in best},
            {
                f"{named[r['task']](r['candidate'])}_{k}": v
                for r in best
                for k, v in json.loads(r["config"]).items()
            },
        )
        metadata: dict[str, Any] = {"tried": len(rows), "preset": stores.settings.preset}
        for lane in lanes:
            mine = [r for r in rows if r["task"] == lane.task.name]
            metadata |= _tuned(stores, lane, mine)
        metadata |= _drawn(stores, curves)
        # not how long it took: the same data gives the same version
        version = digest([{**r, "value": round(r["value"], 9), "seconds": None} for r in rows])
        return built(stores, provenance, version, metadata)

    return build


def _tries(lane: Lane, stores: Stores) -> list[tuple[Candidate, Mapping[str, Any]]]:
    preset = stores.settings.preset
    return [(one, config) for one in lane.candidates(stores) for config in one.configs(preset)]


def _search(
    context: Any, stores: Stores, lane: Lane, plan: list[Any], training: Training, curves: Curves
) -> list[dict]:
    """One row per configuration tried; the best of each candidate is marked. What was trained adds its curves.

    ``plan``: all fits that are still to come, of other tasks too; those done here leave it.
    """
    task, splits = lane.task, lane.splits(stores)
    rows: list[dict] = []
    for candidate, config in _tries(lane, stores):
        began = time.monotonic()
        plan.pop(0)
        run = training.run(lane, candidate, config, [later for _, later, _ in plan])
        model = candidate.fit(splits, config, run)
        training.cancellation.raise_if_asked()
        if trained := history(model):
            label = lane.labelled(candidate.name)
            curves.setdefault(label, {})[_words(json.dumps(dict(config)))] = trained
        value = lane.family.evaluate(task, model, splits, "validation").metrics[task.metric].value
        seconds = time.monotonic() - began
        context.log.info(
            f"{task.name}: {candidate.name} {_words(json.dumps(dict(config)))}: {task.metric} {value:.4f},"
            f" {seconds:.1f} s"
        )
        rows.append(
            {
                "task": task.name,
                "candidate": candidate.name,
                "config": json.dumps(dict(config), sort_keys=True),
                "metric": task.metric,
                "value": float(value),
                "seconds": seconds,
                "is_baseline": candidate.is_baseline,
                "best": False,
            }
        )
    pick = max if task.higher_is_better else min
    for name in dict.fromkeys(row["candidate"] for row in rows):
        pick((row for row in rows if row["candidate"] == name), key=lambda row: row["value"])["best"] = True
    return rows


def _tuned(stores: Stores, lane: Lane, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What tuning shows of one task."""
    best, metric = [r for r in rows if r["best"]], lane.task.metric
    listed = "\n".join(f"| {r['candidate']} | {_words(r['config'])} | {r['value']:.4f} |" for r in best)
    found: dict[str, Any] = {
        lane.labelled("best"): MetadataValue.md(
            f"| candidate | config | validation {metric} |\n|---|---|---|\n{listed}"
        )
    }
    by_name: dict[str, list[tuple[str, float]]] = {}
    for r in rows:
        by_name.setdefault(r["candidate"], []).append((_words(r["config"]), r["value"]))
    tried = {name: scores for name, scores in by_name.items() if len(scores) > 1}
    if tried:
        picture = pictures.by_hyperparameter(tried, metric)
        found[lane.labelled("score_by_hyperparameter")] = shown(stores, picture)
    return found


def _drawn(stores: Stores, curves: Curves) -> dict[str, Any]:
    """A picture for each candidate that was trained."""
    return {
        f"{name}_training": shown(stores, pictures.training(histories)) for name, histories in curves.items()
    }


def _words(config: str) -> str:
    """``{"lambda": 400.0}`` as ``lambda=400``."""
    return (
        ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in json.loads(config).items())
        or "–"
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of a model's report as a table; figures to four digits."""
    if not rows:
        return "–"

    def cell(value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:.4f}" if isinstance(value, float) else str(value)

    columns = list(rows[0])
    lines = [[c.replace("_", " ") for c in columns], ["---"] * len(columns)]
    lines += [[cell(row[c]) for c in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def model(bundle: Bundle) -> AssetsDefinition:
    depends_on = [bundle.key("training_set"), bundle.key("tuning")]

    @asset(
        **bundle.declared("model", depends_on),
        kinds={"mlflow", "safetensors"},
        description="Each candidate fitted once more with its best configuration, on train and validation rows;"
        " the best one that is no baseline is registered as challenger.",
        op_tags=HEAVY,
        automation_condition=FRESH,
    )
    def build(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
        provenance = bundle.provenance(stores, "model", depends_on, context.run.run_id)
        generation, data_version = digest(provenance.inputs), provenance.inputs[depends_on[0]]
        lanes = bundle.ready(stores)
        rows: list[dict] = []
        metadata: dict[str, Any] = {}
        curves: Curves = {}
        with Training(bundle, stores, context, "model", generation) as training:
            plan = [candidate for lane in lanes for candidate in lane.candidates(stores)]
            for lane in lanes:
                mine, reports = _fit(stores, lane, generation, plan, training, curves)
                rows += mine
                metadata |= reports
        stores.database.write(bundle.table("model"), pa.Table.from_pylist(rows))
        training.done()
        for lane in lanes:
            mine = [r for r in rows if r["task"] == lane.task.name]
            chosen = next(r for r in mine if r["chosen"])
            version = _register(stores, bundle, lane, chosen, context.run.run_id, data_version)
            listed = "\n".join(
                f"| {r['candidate']}{' **(chosen)**' if r['chosen'] else ''} | {r['seconds']:.1f} s"
                f" | {r['bytes'] / 1e6:.1f} MB | {_words(r['config'])} |"
                for r in mine
            )
            metadata |= {
                lane.labelled("challenger"): f"{lane.name} v{version} ({chosen['candidate']})",
                lane.labelled("digest"): chosen["digest"],
                lane.labelled("candidates"): MetadataValue.md(
                    f"| candidate | fitted in | size | config |\n|---|---|---|---|\n{listed}"
                ),
            }
        metadata |= _drawn(stores, curves)
        return built(stores, provenance, digest([r["digest"] for r in rows]), metadata)

    return build


def _fit(
    stores: Stores, lane: Lane, generation: str, plan: list[Candidate], training: Training, curves: Curves
) -> tuple[list[dict], dict[str, Any]]:
    """One task's candidates, fitted and saved: a row for each, and what they report of their fit."""
    from forge_models import artifact

    task, splits = lane.task, lane.splits(stores).refit()
    best = {
        name: (json.loads(config), value)
        for name, config, value in stores.database.rows(
            f"select candidate, config, value from {keys.table(keys.family(lane.family.name, 'tuning'))}"
            " where best and task = %s",
            (task.name,),
        )
    }
    sign = 1 if task.higher_is_better else -1
    candidates = lane.candidates(stores)
    able = [candidate.name for candidate in candidates if not candidate.is_baseline]
    chosen = max(able, key=lambda name: sign * best[name][1])
    rows: list[dict] = []
    reports: dict[str, Any] = {}
    for candidate in candidates:
        config, _ = best[candidate.name]
        began = time.monotonic()
        plan.pop(0)
        fitted = candidate.fit(splits, config, training.run(lane, candidate, config, plan))
        training.cancellation.raise_if_asked()
        folder = lane.artifact(stores, generation, candidate.name)
        lane.family.save(task, fitted, folder)
        label = lane.labelled(candidate.name)
        if trained := history(fitted):
            curves[label] = {_words(json.dumps(config)): trained}
        for name, shown_rows in report(fitted).items():
            reports[f"{label}_{name}"] = MetadataValue.md(_table(shown_rows))
        rows.append(
            {
                "task": task.name,
                "candidate": candidate.name,
                "config": json.dumps(config, sort_keys=True),
                "generation": generation,
                "digest": artifact.digest(folder),
                "seconds": time.monotonic() - began,
                "bytes": sum(f.stat().st_size for f in folder.iterdir()),
                "is_baseline": candidate.is_baseline,
                "chosen": candidate.name == chosen,
            }
        )
    return rows, reports


def _register(
    stores: Stores, bundle: Bundle, lane: Lane, chosen: dict, run_id: str, data_version: str
) -> str:
    """The registry version of this artifact; the very same artifact is not registered twice."""
    family, registry = lane.family, stores.registry
    for alias in (CHALLENGER, CHAMPION):
        version = registry.version(lane.name, alias)
        if version and registry.tags(lane.name, version).get("digest") == chosen["digest"]:
            return version
    folder = lane.artifact(stores, chosen["generation"], chosen["candidate"])
    if not folder.is_dir():
        raise ForgeError("FORGE-MODEL-GONE", "The artifact that was just written is not there.")
    run = stores.tracking.run(family.name, run_id)
    tags = {
        "digest": chosen["digest"],
        "candidate": chosen["candidate"],
        "config": chosen["config"],
        "task": lane.task.name,
        "training_set": data_version,
        "consent": f"{bundle.consent}@{stores.consent.version(family.purpose)}",
        "dagster_run_id": run_id,
    }
    return registry.register(lane.name, folder, run, tags)
