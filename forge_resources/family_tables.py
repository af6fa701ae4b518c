"""The tables that a model family reads, with the rows that its purpose allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forge_core import keys
from forge_resources.consent import allowed
from forge_resources.stores import Stores

if TYPE_CHECKING:
    import pyarrow as pa

    from forge_models.family import ModelFamily


def consented(stores: Stores, family: ModelFamily, subject: str | None = None) -> dict[str, pa.Table]:
    """A family's input tables by key, in a fixed order of rows.

    ``subject``: of nobody else, as a pseudonym, and without the tables that nobody is behind.
    """
    tables = {}
    for asset_key in family.inputs:
        address = keys.table(asset_key)
        columns = stores.database.columns(keys.table(asset_key))
        order = ", ".join(str(n + 1) for n in range(min(2, len(columns))))
        where, asked = "", tuple[str, ...]()
        if {"subject", "source"} <= set(columns):
            where = f" where {allowed('t.subject', 't.source', family.purpose)}"
            if subject is not None:
                where, asked = f"{where} and t.subject = $1", (subject,)
        elif subject is not None:
            continue
        query = f"select t.* from {address} t{where} order by {order}"
        tables[asset_key] = stores.database.read(query, asked)
    return tables


def personal(stores: Stores, asset_key: str) -> bool:
    """Do the rows of this table rest on somebody?"""
    return {"subject", "source"} <= set(stores.database.columns(keys.table(asset_key)))


def knows(stores: Stores, family: ModelFamily, subject: str) -> bool:
    """Is there any row of this subject, whatever consent says?

    A family whose first input is gathered for its purpose alone names in ``gathered_from`` what that rests on.
    """
    return any(
        stores.database.value(f"select exists (select from {keys.table(k)} where subject = %s)", (subject,))
        for k in (*family.inputs, *getattr(family, "gathered_from", ()))
        if personal(stores, k)
    )
