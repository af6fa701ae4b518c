"""``reference/…``: public labelled text, and the name recogniser that learns from it alone. Nobody is behind it.

It stands left of everything personal: a set is a table of its own, empty where it neither ships nor has a folder in
the settings.
"""

from collections.abc import Iterator, Sequence

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
    multi_asset,
)

from forge_assets import pictures
from forge_assets.automation import FRESH
from forge_assets.compute import HEAVY, LIGHT, RETRIES
from forge_assets.outcome import Provenance, built, digest, key, shown
from forge_assets.outcome import keys as as_keys
from forge_assets.schema import table_metadata
from forge_core import keys
from forge_models.family import TrainingRun
from forge_models.nlp import reference
from forge_resources import public_sets
from forge_resources.stores import Stores

VERSION = "1"
NAMED_BY = [keys.reference(one.name) for one in reference.SETS.values() if one.kind == "entities"]


@multi_asset(
    name="reference_sets",
    specs=[
        AssetSpec(
            key=key(keys.reference(one.name)),
            group_name="reference",
            code_version=VERSION,
            kinds={"postgres"},
            tags={"layer": "reference"},
            description=f"Public text that teaches {one.kind}; licence: {one.licence}."
            + ("" if one.ships else " Does not ship: empty unless `reference_sets` names its folder."),
        )
        for one in reference.SETS.values()
    ],
    can_subset=True,
    op_tags=LIGHT,
    retry_policy=RETRIES,
)
def reference_sets(
    context: AssetExecutionContext, stores: ResourceParam[Stores]
) -> Iterator[MaterializeResult]:
    stores.database.ensure()
    for name, known in reference.SETS.items():
        asset_key = keys.reference(name)
        if key(asset_key) not in context.selected_asset_keys:
            continue
        provenance = Provenance.now(stores, asset_key, VERSION, [], context.run.run_id)
        version = public_sets.version(stores.settings, name)
        rows = public_sets.rows(stores.settings, name)
        stores.database.write(keys.table(asset_key), rows)
        metadata = {
            **table_metadata(stores.database, keys.table(asset_key)),
            "at_hand": version != public_sets.ABSENT,
            "teaches": known.kind,
            "licence": known.licence,
        }
        yield built(stores, provenance, version, metadata)


@asset(
    key=key(keys.NAME_RECOGNISER),
    deps=as_keys(NAMED_BY),
    group_name="reference",
    code_version=VERSION,
    kinds={"safetensors"},
    tags={"layer": "reference"},
    description="Finds names in texts: learned from public text alone, so that it may be used before consent is asked.",
    op_tags=HEAVY,
    retry_policy=RETRIES,
    automation_condition=FRESH,
)
def name_recogniser(context: AssetExecutionContext, stores: ResourceParam[Stores]) -> MaterializeResult:
    from forge_models import artifact
    from forge_models.family import history
    from forge_models.nlp import NLP, recogniser

    provenance = Provenance.now(stores, keys.NAME_RECOGNISER, VERSION, NAMED_BY, context.run.run_id)
    settings, task = stores.settings, next(one for one in NLP.tasks if one.name == "entities")
    splits = NLP.split(task, {one: stores.database.table(keys.table(one)) for one in NAMED_BY})
    run = TrainingRun(
        settings.home / "checkpoints" / "reference" / digest(provenance.inputs),
        device=settings.training_device,
        precision=settings.training_precision,
        time_budget_s=settings.training_timeout_s,
        preset=settings.preset,
        seed=settings.seed,
        text_encoder=settings.text_encoder,
        progress=context.log.info,
    )
    way = recogniser.chosen(run)
    tagger = recogniser.train(run, splits, way)
    folder = recogniser.folder(settings.home)
    recogniser.save(tagger, folder)
    judged = NLP.evaluate(task, tagger, splits, "test").metrics
    metadata = {
        "candidate": way.name,
        "learned_from": ", ".join(sorted(set(splits.rows["set"].to_pylist()))),
        "sentences": splits.refit().part("train").num_rows,
        "bytes": sum(file.stat().st_size for file in folder.iterdir()),
        **{f"test_{name}": one.value for name, one in judged.items()},
        "f1": MetadataValue.md(
            f"{judged['f1'].value:.3f} [{judged['f1'].low:.3f}, {judged['f1'].high:.3f}] strict, on test"
        ),
    }
    if trained := history(tagger):
        metadata["training"] = shown(stores, pictures.training({way.name: trained}))
    return built(stores, provenance, artifact.digest(folder), metadata)


def reference_assets() -> Sequence[AssetsDefinition]:
    return [reference_sets, name_recogniser]
