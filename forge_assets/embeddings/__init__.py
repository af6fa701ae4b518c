"""``embeddings/<what>``: spaces of vectors in PostgreSQL with their index, and how well the index finds.

Text spaces rest on the encoder that the settings name: another one makes them stale, and until they are built again
a search is refused rather than answered from vectors of two encoders.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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

from forge_assets import pictures
from forge_assets.automation import FRESH
from forge_assets.compute import HEAVY, RETRIES
from forge_assets.embeddings import making, maps
from forge_assets.outcome import Provenance, built, key, not_asked, refused, shown
from forge_assets.outcome import keys as as_keys
from forge_core import keys
from forge_models.encoder import finding
from forge_resources.settings import load_settings
from forge_resources.stores import Stores
from forge_resources.vectors import Tuning

VERSION = "3"
RECALL, FILTERED_RECALL = 0.99, 0.95
SCANNED = 100_000  # vectors are compared one by one in some 40 ms
ENOUGH = "enough"


@dataclass(frozen=True)
class SpaceAsset:
    """One space: what it is of, what it reads, how many rows mean something, and what its map is coloured by."""

    asset: str
    about: str
    depends_on: Sequence[str]
    make: Callable[[Stores, making.Log], making.Made]
    things: str
    least: int
    colour: str | None = None
    of_text: bool = False

    @property
    def space(self) -> str:
        return self.asset.partition("/")[2]

    @property
    def code_version(self) -> str:
        return f"{VERSION} {finding.label(load_settings().text_encoder)}" if self.of_text else VERSION


SPACES = (
    SpaceAsset(
        keys.DOCUMENT_VECTORS,
        "Passages of mail, chats and documents by their meaning: what `forge search` asks.",
        [keys.CHUNKS, keys.consent("understand")],
        making.documents,
        "passages",
        1,
        "source",
        True,
    ),
    SpaceAsset(
        keys.PERSON_VECTORS,
        "Who wrote, by the mean of what they wrote, for those with three passages or more.",
        [keys.DOCUMENT_VECTORS, keys.CHUNKS],
        making.persons,
        "people who wrote enough",
        1,
        "language",
        True,
    ),
    SpaceAsset(
        keys.ITEM_VECTORS,
        "Items by what is watched together: a truncated SVD of the co-occurrence, for “more like this”.",
        [keys.INTERACTIONS, keys.consent("recommend")],
        making.items,
        "items that several people watched",
        20,
        maps.TOPIC,
    ),
    SpaceAsset(
        keys.ITEM_TEXT_VECTORS,
        "Items by their words: title, channel and categories.",
        [keys.ITEMS, keys.INTERACTIONS, keys.consent("recommend")],
        making.item_texts,
        "items with words",
        1,
        maps.TOPIC,
        True,
    ),
    SpaceAsset(
        keys.PLACE_VECTORS,
        "A person's places by the weeks in which they are visited.",
        [keys.feature("place_sequences"), keys.consent("forecast")],
        making.places,
        "places that were visited in several weeks",
        5,
    ),
)


def _embeddings(space: SpaceAsset) -> AssetsDefinition:
    @asset(
        key=key(space.asset),
        deps=as_keys(space.depends_on),
        group_name="embeddings",
        code_version=space.code_version,
        kinds={"postgres"},
        tags={"layer": "embeddings"},
        description=space.about,
        output_required=False,
        check_specs=[
            AssetCheckSpec(ENOUGH, asset=key(space.asset), description="Enough for a space."),
            AssetCheckSpec("recall", asset=key(space.asset), description="The index against exact search."),
        ],
        op_tags=HEAVY,
        retry_policy=RETRIES,
        automation_condition=FRESH,
    )
    def build(
        context: AssetExecutionContext, stores: ResourceParam[Stores]
    ) -> Iterator[MaterializeResult | AssetCheckResult]:
        provenance = Provenance.now(
            stores, space.asset, space.code_version, space.depends_on, context.run.run_id
        )
        made = space.make(stores, context.log.info)
        count = made.rows.num_rows
        if count < space.least:
            reason = f"Learning mode: {count} of at least {space.least} {space.things}."
            yield refused(stores, provenance, ENOUGH, reason, {"rows": count})
            yield not_asked(space.asset, "recall")
            return
        metadata = _written(stores, space, made) | made.metadata
        tuning = _tuned(stores, space, made)
        picture = maps.space_map(
            made.rows, made.vectors, space.colour, stores.settings.seed, stores.settings.preset == "quick"
        )
        metadata |= {"map": shown(stores, picture), **_found(stores, tuning)}
        enough = AssetCheckResult(
            asset_key=key(space.asset), check_name=ENOUGH, passed=True, metadata={"rows": count}
        )
        version = stores.vectors.space(space.space)
        assert version is not None
        yield built(stores, provenance, version.version, metadata, [enough, _recall(space, tuning)])

    return build


def _written(stores: Stores, space: SpaceAsset, made: making.Made) -> dict[str, Any]:
    """Bring the space up to date; one that another encoder made is never added to, but written anew."""
    old = stores.vectors.space(space.space)
    dimensions = int(made.vectors.shape[1])
    if old is None or (old.model, old.dimensions) != (made.model, dimensions):
        stores.vectors.write(space.space, made.rows, made.vectors, made.model)
        what = {"added": made.rows.num_rows, "removed": 0 if old is None else old.rows}
    else:
        merged = stores.vectors.merge(space.space, made.rows, made.vectors, made.model)
        what = {"added": merged.added, "removed": merged.removed}
    return {
        "dagster/row_count": made.rows.num_rows,
        "dagster/table_name": keys.table(space.asset),
        "dimensions": dimensions,
        **what,
    }


def _tuned(stores: Stores, space: SpaceAsset, made: making.Made) -> Tuning:
    """As many candidates as the target needs. A graph that never reaches it (texts that are there a hundred times fill
    each other's neighbourhoods) gives way to comparing all, where that is fast enough."""
    tuning = stores.vectors.tune(space.space, RECALL, FILTERED_RECALL)
    if tuning.reached or made.rows.num_rows > SCANNED:
        return tuning
    stores.vectors.write(space.space, made.rows, made.vectors, made.model, indexed="none")
    return stores.vectors.tune(space.space, RECALL, FILTERED_RECALL)


def _found(stores: Stores, tuning: Tuning) -> dict[str, Any]:
    kinds = {
        "none": "exact scan",
        "halfvec": "HNSW over half precision",
        "code": "HNSW over bits, ranked again",
    }
    metadata: dict[str, Any] = {
        "index": kinds.get(tuning.indexed, tuning.indexed),
        "recall_at_10": tuning.recall,
    }
    if len(tuning.curve) > 1:
        curve = [(point.rerank, point.recall) for point in tuning.curve]
        metadata |= {
            "candidates": tuning.rerank,
            "recall_curve": shown(stores, pictures.recall_curve(curve, tuning.target)),
        }
    return metadata


def _recall(space: SpaceAsset, tuning: Tuning) -> AssetCheckResult:
    words = ", ".join(f"{recall:.3f} where {share:.0%} is left" for share, recall in tuning.filtered.items())
    return AssetCheckResult(
        asset_key=key(space.asset),
        check_name="recall",
        passed=tuning.reached,
        severity=AssetCheckSeverity.WARN,
        description=f"recall@10 {tuning.recall:.3f} of exact search (target {RECALL}); {words} ({FILTERED_RECALL}).",
        metadata={
            "recall_at_10": tuning.recall,
            "asked": tuning.sample,
            **{f"recall_of_{share:.0%}": recall for share, recall in tuning.filtered.items()},
        },
    )


def embedding_assets() -> Sequence[AssetsDefinition]:
    return [_embeddings(space) for space in SPACES]
