"""Evidence for profiles, read from the database: the tables that are there, and the rows that consent allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forge_core import keys
from forge_models.profile import PROFILE
from forge_resources.consent import allowed
from forge_resources.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Evidence:
    """``held_back``: rows by sensitive category; ``read``: keys of the tables that were there."""

    table: pa.Table
    held_back: Mapping[str, int]
    read: Sequence[str]


def gathered(stores: Stores) -> Evidence:
    """Whatever there is of whoever consented to the purpose ``profile``, but for what the settings hold back."""
    from forge_models.profile import gathering

    tables = {}
    for asset_key, wanted in gathering.needed().items():
        address = keys.table(asset_key)
        if not set(wanted) <= set(stores.database.columns(address)):
            continue
        query = f"select {', '.join(wanted)} from {address} t where {allowed('t.subject', 't.source', PROFILE.purpose)}"
        tables[asset_key] = stores.database.read(query)
    found = gathering.gather(tables, with_sensitive=stores.settings.profile_sensitive)
    return Evidence(found.table, found.held_back, sorted(tables))
