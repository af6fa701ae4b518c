"""One answer of a champion, for the command and the service: with why, from which data, by which version."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from forge_core import keys
from forge_core.errors import UsageError
from forge_models.families import family as family_of
from forge_models.recommender import RECOMMENDER
from forge_resources import champions
from forge_resources.online_events import Known, moment
from forge_resources.personal_state import NO_TIME, Kept
from forge_resources.refusals import no_champion, no_consent, unknown_subject
from forge_resources.registry import Serving
from forge_resources.settings import Settings
from forge_resources.stores import Stores

REASONS = 3  # what a person reads; the rest of the history adds less
ITEM = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}:[^\s\x00-\x1f\x7f]{1,512}", re.IGNORECASE)
AHEAD = timedelta(days=1)  # a clock may be wrong by a zone, not by more
UNKNOWN = "Nothing watched is known of this subject."
ANSWER = "2"  # raise it when answers are made in another way: those in the cache are then stale


def predict(
    settings: Settings, family: str, subject: str, k: int = 10, diversity: float = 0.0, recency: float = 0.0
) -> dict[str, Any]:
    """The champion's answer for a subject named as its owner names it, or by pseudonym.

    ``diversity`` and ``recency``, both 0..1: see ``forge_models.recommender.Request``.
    """
    _known(family)
    RECOMMENDER.Request(k=k, diversity=diversity, recency=recency)  # refused here, before anything is read
    stores = Stores(settings)
    token = stores.vault.token(subject)
    if not stores.online_events.usable(token, RECOMMENDER.purpose):
        _refuse_unknown(stores, token)
    serving = stores.registry.serving(family)
    if serving is None:
        raise no_champion("recommender")
    # Consent and history were read just now and are part of the version, with the champion and the titles: an
    # answer from the cache is the one that would be made. Of a champion that keeps states the history is not read.
    model_version = champions.model_version(stores, serving)
    history: list[Known] | None = None
    if serving.tags.get("candidate") in champions.STATEFUL:
        made_of = stores.personal_states.made_of(token, RECOMMENDER.purpose, model_version)
        rests_on: list[Any] = [made_of, stores.online_events.last(token)]
    else:
        history, _ = stores.online_events.history(token, RECOMMENDER.purpose)
        rests_on = [[one.item, one.time, one.source, one.export] for one in history]
    made_from = [ANSWER, model_version, rests_on, stores.exports.population()]

    def make() -> dict[str, Any]:
        asked = {"k": k, "diversity": diversity, "recency": recency}
        return _answer(stores, family, serving, token, history, asked)

    return stores.cache.get_or(
        "prediction", (family, token, k, diversity, recency), make, version=made_from, subject=token
    )


def _answer(
    stores: Stores,
    family: str,
    serving: Serving,
    token: str,
    history: list[Known] | None,
    asked: dict[str, Any],
) -> dict[str, Any]:
    """The champion's answer to a history, or to the person's state where it keeps one and no history is given."""
    model = champions.model(stores, serving)
    if history is None and not model.stateful:  # it learned nothing, and popularity asks for no state
        history, _ = stores.online_events.history(token, RECOMMENDER.purpose)
    if history is None:
        kept = _state(stores, serving, token, model)
        request = RECOMMENDER.Request(state=kept.state, **asked)
        origin = {"events": kept.state.events, "sources": list(kept.sources), "exports": list(kept.exports)}
        origin |= {"state": kept.made}
    else:
        times = [NO_TIME if one.time is None else one.time for one in history]
        request = RECOMMENDER.Request([one.item for one in history], times=times, **asked)
        sources, exports = ({getattr(one, name) for one in history} for name in ("source", "export"))
        origin = {"events": len(history), "sources": sorted(sources), "exports": sorted(exports)}
    prediction = RECOMMENDER.predict(model, request)
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
        "reasons_mean": prediction.reasons_mean,
        "from": origin,
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


def event(
    settings: Settings,
    subject: str,
    item: str,
    time: datetime | None = None,
    new: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Record that a subject watched an item, and move the subject's state on.

    ``time``: now, where none is given. ``new``: somebody of whom nothing is known is meant, and no slip of the pen.
    """
    if not ITEM.fullmatch(item):
        raise UsageError(
            "FORGE-EVENT-ITEM", "This is no name of an item.", "", "Items have a namespace, such as youtube:…"
        )
    when = moment(time)
    if when > datetime.now(UTC) + AHEAD:
        raise UsageError(
            "FORGE-EVENT-TIME", "This event is in the future.", "", "Times are UTC, unless they name a zone."
        )
    stores = Stores(settings)
    token, events, purpose = stores.vault.token(subject), stores.online_events, RECOMMENDER.purpose
    if not new and not events.knows(token):
        raise unknown_subject(UNKNOWN, "Name it as at ingest; --new begins the history of somebody new.")
    if not events.may(token, purpose):
        raise no_consent(RECOMMENDER.purpose)
    titles = _titles(stores, [item]) if stores.database.exists(keys.table(keys.ITEMS)) else {}
    answer: dict[str, Any] = {
        "item": item,
        "title": titles.get(item, item),
        "in_catalogue": item in titles,
        "time": when.isoformat(),
        "dry_run": dry_run,
        "state": None,
        "events": None,
    }
    if dry_run:
        return answer
    events.append(token, item, when)
    serving = stores.registry.serving(RECOMMENDER.name)
    if serving is not None and serving.tags.get("candidate") in champions.STATEFUL:
        model = champions.model(stores, serving)
        if model.stateful:
            kept = _state(stores, serving, token, model)
            answer |= {"state": kept.made, "events": kept.state.events}
    return answer


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


def _known(name: str) -> None:
    if family_of(name) is not RECOMMENDER:
        raise UsageError(
            "FORGE-FAMILY", "This family ranks no items.", "", f"Ask {RECOMMENDER.name}, or leave out --like."
        )


def _titles(stores: Stores, items: list[str]) -> dict[str, str]:
    query = "select item, coalesce(title, item) from features.items where item = any(%s)"
    return dict(stores.database.rows(query, (items,)))


def _state(stores: Stores, serving: Serving, token: str, model: Any) -> Kept:
    version = champions.model_version(stores, serving)
    return stores.personal_states.current(RECOMMENDER.name, RECOMMENDER.purpose, token, model, version)


def _refuse_unknown(stores: Stores, token: str) -> None:
    """Without revealing more than the owner may know: no such subject, or no consent for it."""
    if stores.online_events.knows(token):
        raise no_consent(RECOMMENDER.purpose)
    raise unknown_subject(UNKNOWN)
