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
from forge_assets.families.bundle import Bundle
from forge_assets.families.training import Training
from forge_assets.outcome import built, digest, shown
from forge_core.errors import ForgeError
from forge_models.family import Splits, history, report
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
        splits = bundle.splits(stores)
        curves: Curves = {}
        with Training(bundle, stores, context, "tuning", data_version) as training:
            rows = [
                row
                for task in family.tasks
                for row in _search(context, stores, bundle, splits, task, training, curves)
            ]
            stores.database.write(bundle.table("tuning"), pa.Table.from_pylist(rows))
        training.done()
        run = stores.tracking.run(family.name, context.run.run_id, {"training_set": data_version})
        best = {r["candidate"]: r for r in rows if r["best"]}
        stores.tracking.log(
            run,
            {f"validation_{name}_{r['metric']}": r["value"] for name, r in best.items()},
            {f"{name}_{k}": v for name, r in best.items() for k, v in json.loads(r["config"]).items()},
        )
        metric = family.tasks[0].metric
        tried = {
            name: [(_words(r["config"]), r["value"]) for r in rows if r["candidate"] == name]
            for name in best
            if sum(r["candidate"] == name for r in rows) > 1
        }
        metadata: dict[str, Any] = {
            "tried": len(rows),
            "preset": stores.settings.preset,
            "best": MetadataValue.md(
                f"| candidate | config | validation {metric} |\n|---|---|---|\n"
                + "\n".join(f"| {n} | {_words(r['config'])} | {r['value']:.4f} |" for n, r in best.items())
            ),
        }
        if tried:
            metadata["score_by_hyperparameter"] = shown(stores, pictures.by_hyperparameter(tried, metric))
        metadata |= _drawn(stores, curves)
        # not how long it took: the same data gives the same version
        version = digest([{**r, "value": round(r["value"], 9), "seconds": None} for r in rows])
        return built(stores, provenance, version, metadata)

    return build


def _search(
    context: Any,
    stores: Stores,
    bundle: Bundle,
    splits: Splits,
    task: Any,
    training: Training,
    curves: Curves,
) -> list[dict]:
    """One row per configuration tried; the best of each candidate is marked. What was trained adds its curves."""
    rows: list[dict] = []
    fits = [(c, config) for c in bundle.family.candidates for config in c.configs(stores.settings.preset)]
    later = [candidate for candidate, _ in fits]
    for candidate in bundle.family.candidates:
        scored = []
        for config in candidate.configs(stores.settings.preset):
            began = time.monotonic()
            later.pop(0)
            model = candidate.fit(splits, config, training.run(candidate, config, later))
            training.cancellation.raise_if_asked()
            if trained := history(model):
                curves.setdefault(candidate.name, {})[_words(json.dumps(dict(config)))] = trained
            value = bundle.family.evaluate(task, model, splits, "validation").metrics[task.metric].value
            seconds = time.monotonic() - began
            context.log.info(
                f"{candidate.name} {_words(json.dumps(dict(config)))}: {task.metric} {value:.4f}, {seconds:.1f} s"
            )
            scored.append(
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
        pick(scored, key=lambda row: row["value"])["best"] = True
        rows += scored
    return rows


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
    family = bundle.family
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
        from forge_models import artifact

        provenance = bundle.provenance(stores, "model", depends_on, context.run.run_id)
        generation = digest(provenance.inputs)
        folder = bundle.artifacts(stores, generation)
        splits = bundle.splits(stores).refit()
        best = {
            name: (json.loads(config), value, baseline)
            for name, config, value, baseline in stores.database.rows(
                f"select candidate, config, value, is_baseline from {bundle.table('tuning')} where best"
            )
        }
        sign = 1 if family.tasks[0].higher_is_better else -1
        chosen = max((n for n, b in best.items() if not b[2]), key=lambda n: sign * best[n][1])
        rows = []
        reports: dict[str, MetadataValue] = {}
        curves: Curves = {}
        with Training(bundle, stores, context, "model", generation) as training:
            for place, candidate in enumerate(family.candidates):
                config, _, baseline = best[candidate.name]
                began = time.monotonic()
                run = training.run(candidate, config, family.candidates[place + 1 :])
                fitted = candidate.fit(splits, config, run)
                training.cancellation.raise_if_asked()
                family.save(fitted, folder / candidate.name)
                if trained := history(fitted):
                    curves[candidate.name] = {_words(json.dumps(config)): trained}
                reports |= {
                    f"{candidate.name}_{name}": MetadataValue.md(_table(shown_rows))
                    for name, shown_rows in report(fitted).items()
                }
                rows.append(
                    {
                        "candidate": candidate.name,
                        "config": json.dumps(config, sort_keys=True),
                        "generation": generation,
                        "digest": artifact.digest(folder / candidate.name),
                        "seconds": time.monotonic() - began,
                        "bytes": sum(f.stat().st_size for f in (folder / candidate.name).iterdir()),
                        "is_baseline": baseline,
                        "chosen": candidate.name == chosen,
                    }
                )
        stores.database.write(bundle.table("model"), pa.Table.from_pylist(rows))
        training.done()
        mine = next(r for r in rows if r["chosen"])
        version = _register(stores, bundle, mine, context.run.run_id, provenance.inputs[depends_on[0]])
        listed = "\n".join(
            f"| {r['candidate']}{' **(chosen)**' if r['chosen'] else ''} | {r['seconds']:.1f} s"
            f" | {r['bytes'] / 1e6:.1f} MB | {_words(r['config'])} |"
            for r in rows
        )
        return built(
            stores,
            provenance,
            digest([r["digest"] for r in rows]),
            {
                "challenger": f"{family.name} v{version} ({chosen})",
                "digest": mine["digest"],
                "candidates": MetadataValue.md(
                    f"| candidate | fitted in | size | config |\n|---|---|---|---|\n{listed}"
                ),
                **reports,
                **_drawn(stores, curves),
            },
        )

    return build


def _register(stores: Stores, bundle: Bundle, chosen: dict, run_id: str, data_version: str) -> str:
    """The registry version of this artifact; the very same artifact is not registered twice."""
    family, registry = bundle.family, stores.registry
    for alias in (CHALLENGER, CHAMPION):
        version = registry.version(family.name, alias)
        if version and registry.tags(family.name, version).get("digest") == chosen["digest"]:
            return version
    folder = bundle.artifacts(stores, chosen["generation"]) / chosen["candidate"]
    if not folder.is_dir():
        raise ForgeError("FORGE-MODEL-GONE", "The artifact that was just written is not there.")
    run = stores.tracking.run(family.name, run_id)
    tags = {
        "digest": chosen["digest"],
        "candidate": chosen["candidate"],
        "config": chosen["config"],
        "training_set": data_version,
        "consent": f"{bundle.consent}@{stores.consent.version(family.purpose)}",
        "dagster_run_id": run_id,
    }
    return registry.register(family.name, folder, run, tags)
