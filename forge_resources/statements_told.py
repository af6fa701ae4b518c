"""Statements about people as they were told last, and what their owner says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from forge_core import keys
from forge_core.errors import Refused
from forge_models.profile import feedback
from forge_resources.consent import allowed
from forge_resources.stores import Stores

COLUMNS = (
    "statement", "task", "subject", "sources", "what", "probability", "low", "high", "all_events::bigint", "weeks",
    "last_seen",
)  # fmt: skip
NAMES = [name.removeprefix("all_").partition("::")[0] for name in COLUMNS]


def statements_told(stores: Stores, subject: str | None = None, k: int = 50) -> dict[str, Any]:
    """The ``k`` likeliest statements, without those denied; ``subject`` as named at ingest, or by pseudonym.

    A statement that rests on several sources is one, with the figures of the likeliest. ``denied``: the ids whose last
    word is a denial, of everybody or of that subject. Of who took consent back since, nothing is listed.
    """
    _told(stores)
    refused = sorted(feedback.denied(stores.database.table(keys.table(keys.FEEDBACK))))
    where, asked = (
        f"{allowed('t.subject', 't.source', 'profile')} and not statement = any(%s)",
        list[Any]([refused]),
    )
    if subject is not None:
        where, asked = f"{where} and t.subject = %s", [refused, stores.vault.token(subject)]
    rows = stores.database.rows(
        f"select {', '.join(COLUMNS)} from (select *, row_number() over ranked as place, sum(events) over whole as"
        " all_events, array_agg(source) over whole as sources from"
        f" {keys.table(keys.PROFILE)} t where {where} window whole as (partition by statement), ranked as"
        " (partition by statement order by probability desc, source)) p where place = 1"
        " order by probability desc, statement limit %s",
        [*asked, k],
    )
    return {
        "statements": [{**dict(zip(NAMES, row, strict=True)), "sources": sorted(row[3])} for row in rows],
        "denied": list(
            dict.fromkeys(
                one["statement"] for one in _denied(stores) if subject is None or one["subject"] == asked[1]
            )
        ),
    }


def judge(stores: Stores, word: str, asked: str, dry_run: bool = False) -> dict[str, Any]:
    """Keep ``deny`` or ``allow`` for a statement, named by its id or by the beginning of it.

    What is denied is gone from the next answer on, and from ``insights/profile`` with its next build, for good.
    """
    _told(stores)
    owners: dict[str, set[tuple[str, str, str]]] = {}
    for statement, subject, source, export in stores.database.rows(
        f"select statement, subject, source, export from {keys.table(keys.PROFILE)}"
    ):
        owners.setdefault(statement, set()).add((subject, source, export))
    for one in _denied(stores):
        owners.setdefault(one["statement"], set()).add((one["subject"], one["source"], one["export"]))
    row = feedback.plan(owners, asked, word, datetime.now(UTC))
    if not dry_run:
        # a word for each source: it holds though one of them is erased, or taken out of the consent
        for number, owner in enumerate(sorted(owners[row["item"]])):
            time = row["time"] + timedelta(microseconds=number)
            stores.feedback.add(row["about"], row["item"], row["verdict"], time, *owner)
    return {"statement": row["item"], "word": word, "dry_run": dry_run}


def _denied(stores: Stores) -> list[dict[str, Any]]:
    """Ids that are denied, with whose they are: a row for each source."""
    table = stores.database.table(keys.table(keys.FEEDBACK))
    ids = feedback.denied(table)
    rows = table.select(["about", "item", "subject", "source", "export"]).to_pylist()
    found = {
        (row["item"], row["subject"], row["source"], row["export"])
        for row in rows
        if row["about"] == feedback.ABOUT and row["item"] in ids
    }
    return [
        dict(zip(("statement", "subject", "source", "export"), one, strict=True)) for one in sorted(found)
    ]


def _told(stores: Stores) -> None:
    if not stores.database.exists(keys.table(keys.PROFILE)):
        raise Refused(
            "FORGE-NO-STATEMENTS",
            "Nothing was stated of anybody yet.",
            "The profile family has no champion: it is in learning mode, without consent, or was not built.",
            "Look at `forge status`; `forge build insights/profile` makes statements.",
        )
