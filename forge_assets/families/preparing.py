"""``training_set``: the consented rows of a family, split by time or order; or the reason why there is none."""

from collections.abc import Iterator

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
        tables = bundle.consented_inputs(stores)
        everything = stores.database.count(family.inputs[0].replace("/", "."))
        splits = family.split(tables)
        size = dict(family.size(splits))
        short = {
            name: f"{size.get(name, 0)} of {least}"
            for task in family.tasks
            for name, least in task.minimum.items()
            if size.get(name, 0) < least
        }
        granted = any(state == "granted" for _, _, state, _ in stores.consent.rows(family.purpose))
        if not granted or (everything and not splits.rows.num_rows):
            reason = f"No consent for the purpose '{family.purpose}': grant it with `forge ingest … --consent all`."
            yield refused(stores, provenance, "ready", reason, {"rows_without_consent": everything})
            yield not_asked(asset_key, "no_leakage")
            return
        if short:
            needed = ", ".join(f"{what}: {have}" for what, have in short.items())
            reason = f"Learning mode: not enough data yet ({needed}). Nothing is trained until there is."
            yield refused(stores, provenance, "ready", reason, {**size, "learning_mode": True})
            yield not_asked(asset_key, "no_leakage")
            return
        bundle.write_splits(stores, splits)
        leaks = dict(family.leakage(splits))
        broken = [rule for rule, count in leaks.items() if count]
        checks = [
            AssetCheckResult(
                check_name="no_leakage",
                passed=not broken,
                description=f"Broken: {', '.join(broken)}." if broken else f"{len(leaks)} rules hold.",
                metadata=leaks,
            ),
            AssetCheckResult(
                check_name="ready", passed=True, description="Consented, and enough.", metadata=size
            ),
        ]
        version = digest(
            stores.database.content_version(bundle.table("training_set")),
            [provenance.inputs.get(side) for side in family.inputs[1:]],
        )
        metadata = {
            **table_metadata(stores.database, bundle.table("training_set")),
            **size,
            "split": splits.strategy,
            "purpose": family.purpose,
            "without_consent": everything - splits.rows.num_rows,
        }
        yield built(stores, provenance, version, metadata, checks)

    return build
