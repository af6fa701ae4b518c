"""``embeddings/<what>``: vectors of encoders and closed forms, and their index in pgvector."""

from collections.abc import Iterator, Sequence

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    ResourceParam,
    asset,
)

from forge_assets.automation import FRESH
from forge_assets.compute import HEAVY, RETRIES
from forge_assets.outcome import Provenance, built, key, not_asked, refused
from forge_assets.outcome import keys as as_keys
from forge_core import keys
from forge_resources.consent import allowed
from forge_resources.stores import Stores
from forge_resources.vectors import EF_CONSTRUCTION, M

VERSION = "1"
DIMENSIONS = 64  # enough for a few thousand items; recall and build time are reported beside it
LEAST_ITEMS = 20
RECALL_TARGET = 0.95
_PURPOSE = "recommend"


@asset(
    key=key(keys.ITEM_VECTORS),
    deps=as_keys([keys.INTERACTIONS, keys.consent(_PURPOSE)]),
    group_name="embeddings",
    code_version=VERSION,
    kinds={"postgres"},
    tags={"layer": "embeddings"},
    description="Items by what is watched together: a truncated SVD of the co-occurrence, for “more like this”.",
    output_required=False,
    check_specs=[
        AssetCheckSpec("enough_items", asset=key(keys.ITEM_VECTORS), description="Items enough for a space."),
        AssetCheckSpec("recall", asset=key(keys.ITEM_VECTORS), description="The index against exact search."),
    ],
    op_tags=HEAVY,
    retry_policy=RETRIES,
    automation_condition=FRESH,
)
def item_vectors(
    context: AssetExecutionContext, stores: ResourceParam[Stores]
) -> Iterator[MaterializeResult | AssetCheckResult]:
    """Vectors of all items that two consenting people know, and their HNSW index."""
    from forge_models.recommender.vectors import co_occurrence_vectors

    depends_on = [keys.INTERACTIONS, keys.consent(_PURPOSE)]
    provenance = Provenance.now(stores, keys.ITEM_VECTORS, VERSION, depends_on, context.run.run_id)
    interactions = stores.database.read(
        f"select * from features.interactions t where {allowed('t.subject', 't.source', _PURPOSE)} order by 1, 2"
    )
    items, vectors = co_occurrence_vectors(interactions, dim=DIMENSIONS, seed=stores.settings.seed)
    if len(items) < LEAST_ITEMS:
        reason = (
            f"Learning mode: not enough items are watched by several people ({len(items)} of {LEAST_ITEMS})."
        )
        yield refused(stores, provenance, "enough_items", reason, {"items": len(items)})
        yield not_asked(keys.ITEM_VECTORS, "recall")
        return
    stores.vectors.write("items", items, vectors)
    recall = stores.vectors.recall("items", k=10)
    checks = [
        AssetCheckResult(check_name="enough_items", passed=True, metadata={"items": len(items)}),
        AssetCheckResult(
            check_name="recall",
            passed=recall >= RECALL_TARGET,
            severity=AssetCheckSeverity.WARN,
            description=f"recall@10 {recall:.3f} of exact search, target {RECALL_TARGET}.",
            metadata={"recall_at_10": recall},
        ),
    ]
    metadata = {
        "dagster/row_count": len(items),
        "dagster/table_name": keys.table(keys.ITEM_VECTORS),
        "dimensions": int(vectors.shape[1]),
        "recall_at_10": recall,
        "index": f"hnsw (m = {M}, ef_construction = {EF_CONSTRUCTION}), cosine",
    }
    yield built(
        stores, provenance, stores.database.content_version(keys.table(keys.ITEM_VECTORS)), metadata, checks
    )


def embedding_assets() -> Sequence[AssetsDefinition]:
    return [item_vectors]
