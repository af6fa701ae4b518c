"""The two ends an asset can come to: built, with versions and numbers on record, or refused, with the reason.

A refusal (no consent, too little data, not better than the baseline) is a state, not a failure: the asset
yields no output and one failed check that does not block; downstream is skipped and the run is green.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    DataVersion,
    MarkdownMetadataValue,
    MaterializeResult,
    MetadataValue,
)

from forge_resources.stores import Stores
from forge_resources.versions import BUILT, REFUSED, Version

PROVENANCE = "forge/"


@dataclass(frozen=True)
class Provenance:
    """What one execution of an asset is made of, read before its work begins."""

    asset: str
    code_version: str
    inputs: Mapping[str, str]
    run_id: str

    @classmethod
    def now(
        cls, stores: Stores, asset: str, code_version: str, depends_on: Sequence[str], run_id: str
    ) -> "Provenance":
        return cls(asset, code_version, stores.versions.current(depends_on), run_id)


def built(
    stores: Stores,
    provenance: Provenance,
    data_version: str,
    metadata: Mapping[str, Any],
    checks: Sequence[AssetCheckResult] = (),
) -> MaterializeResult:
    """Record the versions and return the materialization that carries them."""
    stores.versions.record(
        provenance.asset,
        Version(BUILT, data_version, provenance.code_version, provenance.inputs),
        provenance.run_id,
    )
    lineage = {f"{PROVENANCE}{asset}": version for asset, version in sorted(provenance.inputs.items())}
    return MaterializeResult(
        asset_key=key(provenance.asset),
        data_version=DataVersion(data_version),
        metadata={**metadata, **lineage},
        check_results=list(checks),
    )


def refused(
    stores: Stores, provenance: Provenance, check: str, reason: str, metadata: Mapping[str, Any] | None = None
) -> AssetCheckResult:
    """Record the refusal and return the failed, non-blocking check that says why."""
    version = Version(REFUSED, "", provenance.code_version, provenance.inputs, reason)
    stores.versions.record(provenance.asset, version, provenance.run_id)
    return AssetCheckResult(
        asset_key=key(provenance.asset),
        check_name=check,
        passed=False,
        severity=AssetCheckSeverity.WARN,
        description=reason,
        metadata=dict(metadata or {}),
    )


def not_asked(asset: str, check: str) -> AssetCheckResult:
    """A check of an output that was refused: Dagster wants every declared check to be answered."""
    return AssetCheckResult(
        asset_key=key(asset),
        check_name=check,
        passed=True,
        description="Not asked: there is nothing to check.",
    )


def shown(stores: Stores, picture: tuple[str, bytes]) -> MarkdownMetadataValue:
    """A picture as the UI shows it in place."""
    return MetadataValue.md(stores.pictures.show(*picture))


def key(asset: str) -> AssetKey:
    """``clean/watch`` as Dagster's key."""
    return AssetKey(asset.split("/"))


def keys(assets: Sequence[str]) -> list[AssetKey]:
    return [key(asset) for asset in assets]


def digest(*parts: Any) -> str:
    """Sixteen hexadecimal digits that name these values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
