"""``raw/<kind>``: events as exported, typed, one table per kind, partitioned by export.

One multi-asset reads an archive once and materializes every kind for it, empty ones too. A bad export
publishes zero rows and its reason and still materializes, so that one bad archive blocks no other.
"""

import hashlib
import time
from collections.abc import Callable, Iterator

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetSpec,
    BackfillPolicy,
    DataVersion,
    Failure,
    MaterializeResult,
    ResourceParam,
    multi_asset,
)

from forge_assets.compute import LIGHT, RETRIES
from forge_assets.outcome import key
from forge_assets.partitions import EXPORTS
from forge_assets.raw.showing import Showing
from forge_assets.schema import column_schema
from forge_core import events, keys
from forge_core.errors import ForgeError
from forge_resources.exports import check_partition_key
from forge_resources.publishing import Progress, Published, publish
from forge_resources.rhythm import note_reaches
from forge_resources.stores import Stores

VERSION = "1"
READABLE = "every_export_readable"
SAY_EVERY = 3.0  # seconds


@multi_asset(
    name="raw_export",
    specs=[
        AssetSpec(
            key(keys.raw(kind)),
            description=f"{events.KINDS[kind].about.capitalize()}: as exported, typed, once.",
            group_name="raw",
            code_version=VERSION,
            partitions_def=EXPORTS,
            kinds={"postgres"},
            tags={"layer": "raw"},
            metadata={
                "dagster/table_name": keys.table(keys.raw(kind)),
                "dagster/column_schema": column_schema(kind),
            },
        )
        for kind in keys.KINDS
    ],
    check_specs=[
        AssetCheckSpec(
            READABLE, asset=key(keys.raw(keys.KINDS[0])), description="No export of this run was refused."
        )
    ],
    partitions_def=EXPORTS,
    backfill_policy=BackfillPolicy.single_run(),
    op_tags=LIGHT,
    retry_policy=RETRIES,
)
def raw_export(
    context: AssetExecutionContext, stores: ResourceParam[Stores]
) -> Iterator[MaterializeResult | AssetCheckResult]:
    """Publish the registered exports of this run, one transaction each."""
    stores.database.ensure()
    done: list[Published] = []
    for number, partition in enumerate(context.partition_keys, start=1):
        telling = _Telling(context.log.info)
        published = publish(stores.database, stores.exports, _registered(stores, partition), telling)
        done.append(published)
        new = sum(p.new_rows for p in published.kinds.values())
        rows = sum(p.rows for p in published.kinds.values())
        context.log.info(
            f"{number}/{len(context.partition_keys)} {partition}: {rows} rows, {new} new, "
            f"{published.quarantined} quarantined"
            + (f", refused: {published.error.code}" if published.error else "")
        )
    note_reaches(stores.database, [p.export for p in done if not p.error])
    showing = Showing(stores, done)
    for kind in keys.KINDS:
        told = showing.exports(kind)
        for partition, metadata in told.items():
            context.add_asset_metadata(metadata, key(keys.raw(kind)), partition)
        digests = [p.kinds[kind].digest if kind in p.kinds else "refused" for p in done]
        yield MaterializeResult(
            asset_key=key(keys.raw(kind)),
            data_version=DataVersion(hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]),
            metadata={"dagster/partition_row_count": 0, **showing.table(kind)},
        )
    bad = [p for p in done if p.error]
    yield AssetCheckResult(
        asset_key=key(keys.raw(keys.KINDS[0])),
        check_name=READABLE,
        passed=not bad,
        severity=AssetCheckSeverity.WARN,
        description="; ".join(f"{p.export.partition}: {p.error}" for p in bad)
        or f"{len(done)} exports read.",
        metadata={"exports": len(done), "refused": len(bad)},
    )


class _Telling:
    """Says how far reading is, every few seconds, in the run's log: the command shows it as it comes."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._next = say, time.monotonic() + SAY_EVERY

    def __call__(self, now: Progress) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SAY_EVERY
            self._say(str(now))


def _registered(stores: Stores, partition: str):
    """The export of a key, or the reason why there is none: the UI can make keys up."""
    try:
        export = stores.exports.get(check_partition_key(partition))
    except ForgeError as error:
        raise Failure(str(error), allow_retries=False) from None
    if export is None:
        raise Failure(
            "[FORGE-EXPORT-UNREGISTERED] No export is registered under this key. Keys are made by Forge, not by"
            " hand. Register the archive with `forge ingest PATH`.",
            allow_retries=False,
        )
    return export
