"""``training_set``: the consented rows of a family, split by time or order; or the reason why there is none."""

from collections.abc import Iterator, Mapping
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    ResourceParam,
    asset,
)

from forge_assets.automation import FRESH
from forge_assets.compute import LIGHT
from forge_assets.families.bundle import Bundle
from forge_assets.outcome import built, digest, key, not_asked, refused
from forge_assets.schema import table_metadata
from forge_core import keys
from forge_models.family import Task
from forge_resources.family_tables import consented, personal
from forge_resources.stores import Stores


def training_set(bundle: Bundle) -> AssetsDefinition:
    family, asset_key = bundle.family, bundle.key("training_set")
    depends_on = [*family.inputs, bundle.consent]

    @asset(
        **bundle.declared("training_set", depends_on),
        kinds={"postgres"},
        description=f"The rows that consent to {family.purpose} allows, split so that nothing sees its future.",
        output_required=False,
        check_specs=[
            AssetCheckSpec(
                "ready", asset=key(asset_key), description="Consent is there, and data enough to learn."
            ),
            AssetCheckSpec("no_leakage", asset=key(asset_key), blocking=True, description="The split holds."),
        ],
        op_tags=LIGHT,
        automation_condition=FRESH,
    )
    def build(
        context: AssetExecutionContext, stores: ResourceParam[Stores]
    ) -> Iterator[MaterializeResult | AssetCheckResult]:
        provenance = bundle.provenance(stores, "training_set", depends_on, context.run.run_id)
        tables = consented(stores, family)
        own = [k for k in tables if personal(stores, k)]
        everything = sum(stores.database.count(keys.table(k)) for k in own)
        rows = sum(tables[k].num_rows for k in own)
        granted = any(state == "granted" for _, _, state, _ in stores.consent.rows(family.purpose))
        if not granted or (everything and not rows):
            reason = f"No consent for the purpose '{family.purpose}': grant it with `forge ingest … --consent all`."
            yield refused(stores, provenance, "ready", reason, {"rows_without_consent": everything})
            yield not_asked(asset_key, "no_leakage")
            return
        ready, short, sizes, leaks = [], [], dict[str, Any](), dict[str, int]()
        for lane in bundle.lanes:
            splits = family.split(lane.task, tables)
            size = dict(family.size(lane.task, splits))
            sizes |= {lane.labelled(name): count for name, count in size.items()}
            if lacking := missing(lane.task, size):
                lane.drop(stores)
                short.append(lacking if lane.sole else f"{lane.task.name}: {lacking}")
                continue
            lane.write(stores, splits)
            ready.append((lane, splits))
            leaks |= {lane.labelled(rule): n for rule, n in family.leakage(lane.task, splits).items()}
        lacking = f"not enough data yet ({'; '.join(short)})"
        if not ready:
            reason = f"Learning mode: {lacking}. Nothing is trained until there is."
            yield refused(stores, provenance, "ready", reason, {**sizes, "learning_mode": True})
            yield not_asked(asset_key, "no_leakage")
            return
        broken = [rule for rule, count in leaks.items() if count]
        checks = [
            AssetCheckResult(
                check_name="no_leakage",
                passed=not broken,
                description=f"Broken: {', '.join(broken)}." if broken else f"{len(leaks)} rules hold.",
                metadata=leaks,
            ),
            AssetCheckResult(
                check_name="ready",
                passed=True,
                description=f"Learning mode for a part: {lacking}." if short else "Consented, and enough.",
                metadata=sizes,
            ),
        ]
        version = digest(
            *(stores.database.content_version(lane.training_table) for lane, _ in ready),
            [provenance.inputs.get(k) for k in family.inputs if k not in own],
        )
        metadata = {
            **table_metadata(stores.database, ready[0][0].training_table),
            **sizes,
            "split": ", ".join(dict.fromkeys(splits.strategy for _, splits in ready)),
            "purpose": family.purpose,
            "without_consent": everything - rows,
        }
        if short:
            metadata["learning_mode"] = "; ".join(short)
        yield built(stores, provenance, version, metadata, checks)

    return build


def missing(task: Task, size: Mapping[str, int]) -> str:
    """What a task has too little of, in words; empty where it has enough."""
    return ", ".join(
        f"{name}: {size.get(name, 0)} of {least}"
        for name, least in task.minimum.items()
        if size.get(name, 0) < least
    )
