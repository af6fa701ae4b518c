"""``card`` and ``champion``: what is written of a model, and whether it takes over."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
)

from forge_assets.automation import fresh
from forge_assets.compute import LIGHT
from forge_assets.families import card as cards
from forge_assets.families.bundle import Bundle, Lane
from forge_assets.outcome import built, digest, key, refused
from forge_resources.registry import CHALLENGER, CHAMPION
from forge_resources.stores import Stores

INCUMBENT = "incumbent"


def verdict(comparisons: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the chosen model may not take over; empty when it may. Pure.

    It must be better than every baseline on average and surely (interval above zero) than at least one, and
    not surely worse than the incumbent. Sure of each would ask a person's small test set to tell near twins
    apart, and leave them with no model at all.
    """
    baselines = [c for c in comparisons if c["is_baseline"]]
    against = [f"{words(c)}: not better" for c in baselines if not c["better_by"] > 0]
    if baselines and not any(c["low"] > 0 for c in baselines):
        against.append("not surely better than any baseline")
    worse = [c for c in comparisons if not c["is_baseline"] and c["against"] == INCUMBENT and c["high"] < 0]
    return against + [f"{words(c)}: surely worse" for c in worse]


def words(c: Mapping[str, Any]) -> str:
    return f"{c['against']} {c['better_by']:+.4f} [{c['low']:+.4f}, {c['high']:+.4f}]"


def card(bundle: Bundle) -> AssetsDefinition:
    depends_on = [bundle.key(stage) for stage in ("training_set", "tuning", "model", "evaluation")] + [
        bundle.consent
    ]

    @asset(
        **bundle.declared("card", depends_on),
        description="The model card: made from lineage and numbers, in Markdown and JSON.",
        op_tags=LIGHT,
        automation_condition=fresh(bundle.key("evaluation"), bundle.consent),
    )
    def build(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
        provenance = bundle.provenance(stores, "card", depends_on, context.run.run_id)
        document = cards.document(stores, bundle, provenance)
        markdown = cards.markdown(document)
        version = "/".join(task["version"] for task in document["tasks"])
        row = {"version": version, "markdown": markdown, "document": json.dumps(document)}
        stores.database.write(bundle.table("card"), pa.Table.from_pylist([row]))
        return built(
            stores, provenance, digest(document), {"card": MetadataValue.md(markdown), "json": document}
        )

    return build


def champion(bundle: Bundle) -> AssetsDefinition:
    family, asset_key = bundle.family, bundle.key("champion")
    depends_on = [bundle.key(stage) for stage in ("model", "evaluation", "card")]

    @asset(
        **bundle.declared("champion", depends_on),
        kinds={"mlflow"},
        description="The model in service for each task: the challenger if it is better than every baseline, surely"
        " than one, and not surely worse than the incumbent; else the incumbent stays.",
        output_required=False,
        check_specs=[
            AssetCheckSpec("promoted", asset=key(asset_key), description="The challenger took over.")
        ],
        op_tags=LIGHT,
        automation_condition=fresh(bundle.key("card")),
    )
    def build(
        context: AssetExecutionContext, stores: ResourceParam[Stores]
    ) -> Iterator[MaterializeResult | AssetCheckResult]:
        provenance = bundle.provenance(stores, "champion", depends_on, context.run.run_id)
        promoted, kept = [], dict[str, str]()
        for lane in bundle.ready(stores):
            lost = verdict(_comparisons(stores, bundle, lane))
            challenger, incumbent = (stores.registry.version(lane.name, a) for a in (CHALLENGER, CHAMPION))
            if lost or challenger is None:
                standing = f"Kept champion v{incumbent}" if incumbent else "No champion yet"
                against = f"the challenger against {'; '.join(lost)}" if lost else "no challenger"
                kept[lane.task.name] = f"{standing}: {against}."
                continue
            stores.registry.promote(lane.name, challenger)
            promoted.append((lane, challenger, incumbent))
        stores.tracking.finish(stores.tracking.run(family.name, context.run.run_id))
        why = " ".join(text if len(bundle.lanes) == 1 else f"{name}: {text}" for name, text in kept.items())
        if not promoted:
            yield refused(stores, provenance, "promoted", why, {"kept": len(kept)})
            return
        rows = [_in_service(stores, lane) for lane in bundle.ready(stores)]
        serving = [row for row in rows if row is not None]
        stores.database.write(bundle.table("champion"), pa.Table.from_pylist(serving, CHAMPIONS))
        now = ", ".join(f"{lane.name} v{version}" for lane, version, _ in promoted)
        check = AssetCheckResult(
            check_name="promoted", passed=True, description=f"In service: {now}. {why}".strip()
        )
        metadata: dict[str, Any] = {}
        for lane, version, incumbent in promoted:
            metadata |= {
                lane.labelled("champion"): f"{lane.name} v{version}",
                lane.labelled("candidate"): stores.registry.tags(lane.name, version)["candidate"],
                lane.labelled("was"): f"v{incumbent}" if incumbent else "none",
            }
        yield built(stores, provenance, digest([row["digest"] for row in serving]), metadata, [check])

    return build


CHAMPIONS = pa.schema(
    [
        ("task", pa.string()),
        ("model", pa.string()),
        ("version", pa.string()),
        ("candidate", pa.string()),
        ("digest", pa.string()),
        ("until", pa.timestamp("us", "UTC")),
    ]
)


def _comparisons(stores: Stores, bundle: Bundle, lane: Lane) -> list[dict[str, Any]]:
    names = ("against", "is_baseline", "better_by", "low", "high")
    rows = stores.database.rows(
        f"select {', '.join(names)} from {bundle.table('comparison')} where task = %s", (lane.task.name,)
    )
    return [dict(zip(names, row, strict=True)) for row in rows]


def _in_service(stores: Stores, lane: Lane) -> dict[str, Any] | None:
    """A task's champion as a row, with the end of its training window: drift is measured from there."""
    version = stores.registry.version(lane.name, CHAMPION)
    if version is None:
        return None
    rows = lane.splits(stores).refit().part("train")
    timed = next((c for c in ("last_time", "time") if c in rows.column_names), None)
    tags = stores.registry.tags(lane.name, version)
    return {
        "task": lane.task.name,
        "model": lane.name,
        "version": version,
        "candidate": tags["candidate"],
        "digest": tags["digest"],
        "until": pc.max(rows[timed]).as_py() if timed else None,
    }
