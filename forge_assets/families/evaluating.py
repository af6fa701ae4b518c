"""``evaluation``: every candidate and the incumbent on events that nothing was fitted on, and what that says."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
)

from forge_assets import pictures
from forge_assets.automation import fresh
from forge_assets.compute import HEAVY
from forge_assets.families import card as cards
from forge_assets.families.bundle import Bundle
from forge_assets.families.promoting import INCUMBENT, verdict
from forge_assets.outcome import built, digest, key, shown
from forge_core import keys
from forge_models.family import Evaluation, Splits, Task
from forge_resources.registry import CHALLENGER
from forge_resources.stores import Stores


@dataclass(frozen=True)
class Judged:
    """One model on the test part: a candidate of this generation, or the incumbent champion."""

    name: str
    is_baseline: bool
    chosen: bool
    evaluation: Evaluation


def evaluation(bundle: Bundle) -> AssetsDefinition:
    family, asset_key = bundle.family, bundle.key("evaluation")
    depends_on = [bundle.key("training_set"), bundle.key("model"), keys.SUBJECTS]

    @asset(
        **bundle.declared("evaluation", depends_on),
        kinds={"mlflow"},
        description="Every candidate and the incumbent on the test part, which nothing was fitted on, with intervals.",
        check_specs=[
            AssetCheckSpec(
                "beats_baseline",
                asset=key(asset_key),
                description="Better than every baseline on average, surely than one.",
            ),
            AssetCheckSpec(
                "bias", asset=key(asset_key), description="The metric by subject group, with intervals."
            ),
        ],
        op_tags=HEAVY,
        automation_condition=fresh(bundle.key("model")),
    )
    def build(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
        provenance = bundle.provenance(stores, "evaluation", depends_on, context.run.run_id)
        splits = bundle.splits(stores).refit()
        task = family.tasks[0]
        judged = [_judge(stores, bundle, row, task, splits) for row in _trained(stores, bundle)]
        judged += _incumbent(stores, bundle, task, splits)
        _write(stores, bundle, task, judged)
        chosen = next(j for j in judged if j.chosen)
        comparisons = _compare(stores, bundle, task, judged, chosen)
        run = stores.tracking.run(family.name, context.run.run_id)
        stores.tracking.log(run, {f"test_{m}": i.value for m, i in chosen.evaluation.metrics.items()})
        bars = [
            (j.name, i.value, i.low, i.high, j.is_baseline)
            for j in judged
            for i in [j.evaluation.metrics[task.metric]]
        ]
        # the last bits of a sum may differ from run to run; what is equal to nine digits is the same result
        version = digest(
            [(j.name, m, round(i.value, 9)) for j in judged for m, i in j.evaluation.metrics.items()]
        )
        metadata: dict[str, Any] = {
            f"{task.metric}": chosen.evaluation.metrics[task.metric].value,
            "split": splits.strategy,
            "evaluated_subjects": len(chosen.evaluation.subjects),
            "metrics": MetadataValue.md(
                cards.metrics_table(cards.metric_rows(stores, bundle), intervals=False)
            ),
            "score_against_baselines": shown(
                stores, pictures.against_baselines(bars, task.metric, chosen.name)
            ),
        }
        checks = [_beats_baseline(task, comparisons), _bias(stores, task, chosen, metadata)]
        return built(stores, provenance, version, metadata, checks)

    return build


def _trained(stores: Stores, bundle: Bundle) -> list[tuple]:
    return stores.database.rows(
        f"select candidate, generation, is_baseline, chosen from {bundle.table('model')} order by is_baseline, 1"
    )


def _judge(stores: Stores, bundle: Bundle, row: tuple, task: Task, splits: Splits) -> Judged:
    name, generation, baseline, chosen = row
    model = bundle.family.load(bundle.artifacts(stores, generation) / name)
    return Judged(name, baseline, chosen, bundle.family.evaluate(task, model, splits, "test"))


def _incumbent(stores: Stores, bundle: Bundle, task: Task, splits: Splits) -> list[Judged]:
    """The champion in service, unless it is the very challenger being judged."""
    registry, name = stores.registry, bundle.family.name
    champion = registry.champion(name)
    if champion is None or champion[0] == registry.version(name, CHALLENGER):
        return []
    model = bundle.family.load(champion[1])
    return [Judged(INCUMBENT, False, False, bundle.family.evaluate(task, model, splits, "test"))]


def _write(stores: Stores, bundle: Bundle, task: Task, judged: list[Judged]) -> None:
    rows = [
        {
            "candidate": j.name,
            "task": task.name,
            "metric": metric,
            "value": i.value,
            "low": i.low,
            "high": i.high,
            "n": i.n,
            "is_baseline": j.is_baseline,
            "chosen": j.chosen,
        }
        for j in judged
        for metric, i in j.evaluation.metrics.items()
    ]
    stores.database.write(bundle.table("evaluation"), pa.Table.from_pylist(rows))


def _compare(stores: Stores, bundle: Bundle, task: Task, judged: list[Judged], chosen: Judged) -> list[dict]:
    """The chosen model against each other one, subject by subject: positive is better."""
    from forge_core.evaluation.intervals import paired_difference

    sign = 1.0 if task.higher_is_better else -1.0
    rows = []
    for other in judged:
        if other is not chosen:
            ours, theirs = (j.evaluation.per_subject[task.metric] for j in (chosen, other))
            better = paired_difference(sign * ours, sign * theirs)
            rows.append(
                {
                    "against": other.name,
                    "is_baseline": other.is_baseline,
                    "better_by": better.value,
                    "low": better.low,
                    "high": better.high,
                    "n": better.n,
                }
            )
    stores.database.write(bundle.table("comparison"), pa.Table.from_pylist(rows))
    return rows


def _beats_baseline(task: Task, comparisons: list[dict]) -> AssetCheckResult:
    baselines = [c for c in comparisons if c["is_baseline"]]
    lost = verdict(baselines)
    sure = [c["against"] for c in baselines if c["low"] > 0]
    return AssetCheckResult(
        check_name="beats_baseline",
        passed=not lost,
        severity=AssetCheckSeverity.WARN,
        description="; ".join(lost) or f"Better than every baseline, surely so than {', '.join(sure)}.",
        metadata={
            f"{task.metric}_over_{c['against']}": f"{c['better_by']:+.4f} [{c['low']:+.4f}, {c['high']:+.4f}]"
            for c in baselines
        },
    )


def _bias(stores: Stores, task: Task, chosen: Judged, metadata: dict[str, Any]) -> AssetCheckResult:
    """The metric by every attribute of subjects; adds the picture to ``metadata``."""
    from forge_core.evaluation import bias

    groups: dict[str, dict[str, str]] = {}
    for subject, attribute, value in stores.database.rows(
        "select subject, attribute, value from features.subjects"
    ):
        groups.setdefault(attribute, {})[subject] = value
    values = chosen.evaluation.per_subject[task.metric]
    reports = [
        bias.by_group(values, [of.get(s) for s in chosen.evaluation.subjects], task.metric, attribute)
        for attribute, of in sorted(groups.items())
        if any(s in of for s in chosen.evaluation.subjects)
    ]
    points = [
        (f"{r.attribute}: {g.name}", g.interval.value, g.interval.low, g.interval.high, g.interval.n)
        for r in reports
        for g in r.groups
        if not g.too_few
    ]
    if points:
        metadata["metric_by_group"] = shown(stores, pictures.groups(points, task.metric))
    apart = [r for r in reports if r.apart]
    calm = (
        "No two groups differ beyond their intervals." if reports else "No attributes of subjects are known."
    )
    return AssetCheckResult(
        check_name="bias",
        passed=not apart,
        severity=AssetCheckSeverity.WARN,
        description="; ".join(f"{r.attribute}: {r.words}" for r in apart) or calm,
        metadata={r.attribute: r.words for r in reports},
    )
