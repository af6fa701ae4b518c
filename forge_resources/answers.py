"""One answer of a champion, for the command and the service: with why, from which data, by which version."""

from __future__ import annotations

from typing import Any

from forge_core import keys
from forge_core.errors import Refused, UsageError
from forge_models.recommender import RECOMMENDER
from forge_resources.consent import allowed
from forge_resources.registry import Serving
from forge_resources.settings import Settings
from forge_resources.stores import Stores

ANSWER = "1"  # raise it when answers are made in another way: those in the cache are then stale


def predict(settings: Settings, family: str, subject: str, k: int = 10) -> dict[str, Any]:
    """The champion's answer for a subject named as its owner names it, or by pseudonym."""
    _known(family)
    stores = Stores(settings)
    token = subject if subject.startswith("p_") else stores.vault.pseudonyms.person(subject)
    history = stores.database.rows(
        "select item, source, export from features.interactions t where subject = %s"
        f" and {allowed('t.subject', 't.source', RECOMMENDER.purpose)} order by position",
        (token,),
    )
    if not history:
        _refuse_unknown(stores, token)
    serving = stores.registry.serving(family)
    if serving is None:
        raise Refused(
            "FORGE-NO-CHAMPION",
            "No recommender is in service.",
            "None was better than its baselines, or there is too little data yet (learning mode).",
            "Look at `forge status`.",
        )
    # Consent and history were read just now and are part of the version, with the champion and the titles: an
    # answer from the cache is the one that would be made.
    made_of = [
        ANSWER,
        serving.version,
        serving.stamp,
        history,
        stores.exports.population(),
        _titles_version(stores),
    ]
    return stores.cache.get_or(
        "prediction",
        (family, token, k),
        lambda: _answer(stores, family, serving, history, k),
        version=made_of,
        subject=token,
    )


def _answer(
    stores: Stores, family: str, serving: Serving, history: list[tuple[str, str, str]], k: int
) -> dict[str, Any]:
    """The champion's answer to a history of (item, source, export)."""
    request = RECOMMENDER.Request(history=[item for item, _, _ in history], k=k)
    prediction = RECOMMENDER.predict(RECOMMENDER.load(serving.folder), request)
    named = [r.item for r in prediction.items] + [
        reason.because for r in prediction.items for reason in r.reasons
    ]
    titles = _titles(stores, named)
    return {
        "family": family,
        "model_version": serving.version,
        "candidate": serving.tags.get("candidate"),
        "population": stores.exports.population(),
        "note": prediction.note,
        "from": {
            "events": len(history),
            "sources": sorted({source for _, source, _ in history}),
            "exports": sorted({export for _, _, export in history}),
        },
        "items": [
            {
                "item": r.item,
                "title": titles.get(r.item, r.item),
                "score": r.score,
                "reasons": [
                    {
                        "item": reason.because,
                        "title": titles.get(reason.because, reason.because),
                        "weight": reason.weight,
                    }
                    for reason in r.reasons[:REASONS]
                ],
            }
            for r in prediction.items
        ],
    }


def like(settings: Settings, family: str, item: str, k: int = 10) -> dict[str, Any]:
    """“More like this”: the items nearest to one, by what is watched together."""
    _known(family)
    stores = Stores(settings)
    built = stores.database.exists(keys.table(keys.ITEM_VECTORS))
    if not built or "items" not in stores.vectors.find(item):
        raise UsageError(
            "FORGE-ITEM-UNKNOWN",
            "This item has no place in the index.",
            "It is unknown, watched by one person alone, or embeddings/items is not built.",
            "Items are named as in features/items, with their namespace: youtube:…",
        )
    near = stores.vectors.near("items", item, k)
    titles = _titles(stores, [item, *(other for other, _ in near)])
    return {
        "item": item,
        "title": titles.get(item, item),
        "population": stores.exports.population(),
        "items": [{"item": o, "title": titles.get(o, o), "similarity": score} for o, score in near],
    }


def _known(family: str) -> None:
    if family != RECOMMENDER.name:
        raise UsageError("FORGE-FAMILY", "There is no such family.", "", f"Families: {RECOMMENDER.name}.")


def _titles(stores: Stores, items: list[str]) -> dict[str, str]:
    query = "select item, coalesce(title, item) from features.items where item = any(%s)"
    return dict(stores.database.rows(query, (items,)))


def _titles_version(stores: Stores) -> str | None:
    """Which content of features/items the titles are from."""
    query = "select data_version from forge.versions where asset = %s"
    return stores.database.value(query, (keys.ITEMS,))


REASONS = 3  # what a person reads; the rest of the history adds less


def _refuse_unknown(stores: Stores, token: str) -> None:
    """Without revealing more than the owner may know: no such subject, or no consent for it."""
    known = stores.database.value(
        "select exists (select from features.interactions where subject = %s)", (token,)
    )
    if known:
        raise Refused(
            "FORGE-CONSENT",
            "This subject's data may not be used to recommend.",
            "Consent for the purpose 'recommend' is absent, denied or expired.",
            "Grant it with `forge ingest … --consent all`.",
        )
    raise UsageError(
        "FORGE-SUBJECT-UNKNOWN",
        "Nothing watched is known of this subject.",
        "The name differs, or the features are not built yet.",
        "Subjects are named by --as at ingest (default: the archive's account, else 'me').",
    )
