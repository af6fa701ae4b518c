"""``evaluation``: every candidate and the incumbent on events that nothing was fitted on, and what that says."""

from collections.abc import Mapping, Sequence
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

from forge_assets import figures, pictures
from forge_assets.automation import fresh
from forge_assets.compute import HEAVY
from forge_assets.families import card as cards
from forge_assets.families.bundle import Bundle, Lane
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
        run = stores.tracking.run(family.name, context.run.run_id)
        judgements = [_judgement(stores, bundle, lane) for lane in bundle.ready(stores)]
        _write(stores, bundle, judgements)
        metadata: dict[str, Any] = {}
        for found in judgements:
            lane, metric, chosen = found.lane, found.lane.task.metric, found.chosen.evaluation
            stores.tracking.log(run, {f"test_{lane.labelled(m)}": i.value for m, i in chosen.metrics.items()})
            bars = [
                (j.name, i.value, i.low, i.high, j.is_baseline)
                for j in found.judged
                for i in [j.evaluation.metrics[metric]]
            ]
            metadata |= {
                lane.labelled(metric): chosen.metrics[metric].value,
                lane.labelled("split"): found.strategy,
                lane.labelled("evaluated_subjects"): len(set(chosen.subjects)),
                lane.labelled("metrics"): MetadataValue.md(
                    cards.metrics_table(cards.metric_rows(stores, bundle, lane.task), intervals=False)
                ),
                lane.labelled("score_against_baselines"): shown(
                    stores, pictures.against_baselines(bars, metric, found.chosen.name)
                ),
                **{
                    lane.labelled(name): shown(stores, figures.drawn(picture))
                    for name, picture in found.pictures.items()
                },
            }
        # the last bits of a sum may differ from run to run; what is equal to nine digits is the same result
        version = digest(
            [
                (found.lane.task.name, j.name, m, round(i.value, 9))
                for found in judgements
                for j in found.judged
                for m, i in j.evaluation.metrics.items()
            ]
        )
        checks = [_beats_baseline(judgements), _bias(stores, judgements, metadata)]
        return built(stores, provenance, version, metadata, checks)

    return build


@dataclass(frozen=True)
class Judgement:
    """All models of one task on its test part, and the chosen one against each other one."""

    lane: Lane
    strategy: str
    judged: Sequence[Judged]
    comparisons: Sequence[dict[str, Any]]
    pictures: Mapping[str, Any]

    @property
    def chosen(self) -> Judged:
        return next(j for j in self.judged if j.chosen)


def _judgement(stores: Stores, bundle: Bundle, lane: Lane) -> Judgement:
    splits = lane.splits(stores).refit()
    rows = stores.database.rows(
        f"select candidate, generation, is_baseline, chosen from {bundle.table('model')} where task = %s"
        " order by is_baseline, 1",
        (lane.task.name,),
    )
    judged, seen = [], dict[str, Any]()
    for name, generation, baseline, chosen in rows:
        model = lane.load(lane.artifact(stores, generation, name))
        judged.append(Judged(name, baseline, chosen, _evaluated(lane, model, splits)))
        if chosen:
            seen = dict(lane.family.pictures(lane.task, model, splits))
    judged += _incumbent(stores, lane, splits)
    return Judgement(lane, splits.strategy, judged, _compare(lane.task, judged), seen)


def _evaluated(lane: Lane, model: Any, splits: Splits) -> Evaluation:
    return lane.family.evaluate(lane.task, model, splits, "test")


def _incumbent(stores: Stores, lane: Lane, splits: Splits) -> list[Judged]:
    """The champion in service, unless it is the very challenger being judged."""
    champion = stores.registry.champion(lane.name)
    if champion is None or champion[0] == stores.registry.version(lane.name, CHALLENGER):
        return []
    return [Judged(INCUMBENT, False, False, _evaluated(lane, lane.load(champion[1]), splits))]


def _write(stores: Stores, bundle: Bundle, judgements: Sequence[Judgement]) -> None:
    rows = [
        {
            "candidate": j.name,
            "task": found.lane.task.name,
            "metric": metric,
            "value": i.value,
            "low": i.low,
            "high": i.high,
            "n": i.n,
            "is_baseline": j.is_baseline,
            "chosen": j.chosen,
        }
        for found in judgements
        for j in found.judged
        for metric, i in j.evaluation.metrics.items()
    ]
    stores.database.write(bundle.table("evaluation"), pa.Table.from_pylist(rows))
    compared = [
        {"task": found.lane.task.name, **comparison}
        for found in judgements
        for comparison in found.comparisons
    ]
    stores.database.write(bundle.table("comparison"), pa.Table.from_pylist(compared))


def _compare(task: Task, judged: Sequence[Judged]) -> list[dict]:
    """The chosen model against each other one, unit by unit: positive is better."""
    from forge_core.evaluation.intervals import paired_difference

    sign = 1.0 if task.higher_is_better else -1.0
    chosen = next(j for j in judged if j.chosen)
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
    return rows


def _beats_baseline(judgements: Sequence[Judgement]) -> AssetCheckResult:
    said, figures_said, passed = [], dict[str, str](), True
    for found in judgements:
        baselines = [c for c in found.comparisons if c["is_baseline"]]
        lost = verdict(baselines)
        passed &= not lost
        sure = [c["against"] for c in baselines if c["low"] > 0]
        words = "; ".join(lost) or f"Better than every baseline, surely so than {', '.join(sure)}."
        said.append(words if found.lane.sole else f"{found.lane.task.name}: {words}")
        for c in baselines:
            label = found.lane.labelled(f"{found.lane.task.metric}_over_{c['against']}")
            figures_said[label] = f"{c['better_by']:+.4f} [{c['low']:+.4f}, {c['high']:+.4f}]"
    return AssetCheckResult(
        check_name="beats_baseline",
        passed=passed,
        severity=AssetCheckSeverity.WARN,
        description="\n".join(said),
        metadata=figures_said,
    )


def _bias(stores: Stores, judgements: Sequence[Judgement], metadata: dict[str, Any]) -> AssetCheckResult:
    """The metric of each task by every attribute of subjects; adds the pictures to ``metadata``."""
    from forge_core.evaluation import bias

    groups: dict[str, dict[str, str]] = {}
    for subject, attribute, value in stores.database.rows(
        "select subject, attribute, value from features.subjects"
    ):
        groups.setdefault(attribute, {})[subject] = value
    said, words = [], dict[str, str]()
    for found in judgements:
        task, evaluation = found.lane.task, found.chosen.evaluation
        reports = [
            bias.by_group(
                evaluation.per_subject[task.metric],
                [of.get(s) for s in evaluation.subjects],
                task.metric,
                attribute,
            )
            for attribute, of in sorted(groups.items())
            if any(s in of for s in evaluation.subjects)
        ]
        points = [
            (f"{r.attribute}: {g.name}", g.interval.value, g.interval.low, g.interval.high, g.interval.n)
            for r in reports
            for g in r.groups
            if not g.too_few
        ]
        if points:
            metadata[found.lane.labelled("metric_by_group")] = shown(
                stores, pictures.groups(points, task.metric)
            )
        said += [f"{found.lane.labelled(r.attribute)}: {r.words}" for r in reports if r.apart]
        words |= {found.lane.labelled(r.attribute): r.words for r in reports}
    calm = "No two groups differ beyond their intervals." if words else "No attributes of subjects are known."
    return AssetCheckResult(
        check_name="bias",
        passed=not said,
        severity=AssetCheckSeverity.WARN,
        description="; ".join(said) or calm,
        metadata=words,
    )
