"""``insights/evidence``: what is known of each subject, dated, whatever of it there is; the profile family reads it.

Its inputs are insights of other families too, and each of those may be in learning mode or without consent. Dagster
skips what rests on a skipped output; an op with a list of inputs is skipped only when all of them are. So this asset is
a graph around one op that takes a list of the insights, beginning with an op that is never skipped. Clean events and
features are inputs as ever: they are never refused, and their blocking checks do not fit into a list.
"""

from dagster import (
    AssetIn,
    DataVersion,
    In,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    ResourceParam,
    graph_asset,
    op,
)

from forge_assets.automation import FRESH
from forge_assets.compute import HEAVY, LIGHT, RETRIES
from forge_assets.outcome import Provenance, built, key
from forge_assets.schema import table_metadata
from forge_core import keys
from forge_models.profile import PROFILE
from forge_resources.gathering import gathered
from forge_resources.settings import load_settings
from forge_resources.stores import Stores

# with the setting that decides what is held back: a change of it makes what was gathered stale
VERSION = "1 with sensitive" if load_settings().profile_sensitive else "1"
DEPENDS_ON = [*PROFILE.gathered_from, keys.consent(PROFILE.purpose)]


def _argument(asset: str) -> str:
    return asset.replace("/", "_")


TOLD = [_argument(asset) for asset in DEPENDS_ON if asset.startswith("insights/")]
PLAIN = [_argument(asset) for asset in DEPENDS_ON if _argument(asset) not in TOLD]


@op(out=Out(Nothing), tags=LIGHT)
def in_any_case() -> None:
    """The input that is always there, also in a run of nothing but what is refused."""


@op(ins={"told": In(Nothing), **{name: In(Nothing) for name in PLAIN}}, tags=HEAVY, retry_policy=RETRIES)
def gather_evidence(context: OpExecutionContext, stores: ResourceParam[Stores]) -> Output[None]:
    """Rows of those alone whose purpose ``profile`` is consented to; counts of what was held back, never what."""
    provenance = Provenance.now(stores, keys.EVIDENCE, VERSION, DEPENDS_ON, context.run.run_id)
    found = gathered(stores)
    address = keys.table(keys.EVIDENCE)
    stores.database.write(address, found.table)
    metadata = {
        **table_metadata(stores.database, address),
        "held_back": sum(found.held_back.values()),
        **{f"held_back_{category}": rows for category, rows in found.held_back.items()},
        "read": ", ".join(found.read),
    }
    version = stores.database.content_version(address)
    made = built(stores, provenance, version, metadata)
    return Output(None, data_version=DataVersion(version), metadata=made.metadata)


@graph_asset(
    name="evidence",
    key_prefix="insights",
    ins={_argument(asset): AssetIn(key(asset), dagster_type=Nothing) for asset in DEPENDS_ON},
    group_name="insights",
    code_version=VERSION,
    kinds={"postgres"},
    tags={"layer": "insights"},
    description="What is known of each subject, dated: interests, routines, contacts, languages, with what told it.",
    automation_condition=FRESH,
)
def evidence(**read):  # the names are those of ``ins``
    told = [in_any_case(), *(read[name] for name in TOLD)]
    return gather_evidence(told=told, **{name: read[name] for name in PLAIN})
