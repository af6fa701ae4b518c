"""What a family's champions say of one subject, for the command and the service: with why and from which data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forge_core import keys
from forge_core.errors import UsageError
from forge_models.families import family
from forge_models.family import model_name
from forge_resources import champions
from forge_resources.family_tables import consented, knows, personal
from forge_resources.refusals import no_champion, no_consent, unknown_subject
from forge_resources.registry import Serving
from forge_resources.settings import Settings
from forge_resources.stores import Stores

if TYPE_CHECKING:
    from forge_models.family import Answer, AnsweringFamily, ModelFamily


def statements(settings: Settings, name: str, subject: str) -> dict[str, Any]:
    """All that the champions of family ``name`` say of a subject, named as its owner does, or by pseudonym.

    UsageError FORGE-SUBJECT-UNKNOWN; Refused FORGE-CONSENT, and FORGE-NO-CHAMPION where nothing is in service.
    """
    asked: AnsweringFamily = family(name)  # type: ignore[assignment]  # the recommender answers elsewhere
    stores = Stores(settings)
    token = stores.vault.token(subject)
    serving = in_service(stores, asked)
    tables = consented(stores, asked, token)
    if not any(tables[k].num_rows for k in asked.inputs if personal(stores, k)):
        _refuse(stores, asked, token)
    models = {task: champions.loaded(asked, task, one) for task, one in serving.items()}
    return _told(stores, asked, serving, asked.answer(models, tables))


def of_text(settings: Settings, name: str, text: str) -> dict[str, Any]:
    """What the champions of family ``name`` say of a text that somebody typed; it is not kept.

    UsageError FORGE-NO-TEXTS where the family reads none; Refused FORGE-NO-CHAMPION.
    """
    asked: AnsweringFamily = family(name)  # type: ignore[assignment]
    if keys.CHUNKS not in asked.inputs:
        raise UsageError("FORGE-NO-TEXTS", "This family reads no texts.", "", "Ask nlp, or name a --subject.")
    stores = Stores(settings)
    serving = in_service(stores, asked)
    models = {task: champions.loaded(asked, task, one) for task, one in serving.items()}
    return _told(stores, asked, serving, asked.answer(models, {}, text=text))


def _told(
    stores: Stores, asked: AnsweringFamily, serving: dict[str, Serving], answer: Answer
) -> dict[str, Any]:
    return {
        "family": asked.name,
        "models": {
            task: {"version": one.version, "candidate": one.tags.get("candidate")}
            for task, one in serving.items()
        },
        "population": stores.exports.population(),
        "note": answer.note,
        "statements": _said(answer),
    }


def in_service(stores: Stores, asked: ModelFamily) -> dict[str, Serving]:
    """The champion of each task that has one; Refused where there is none at all."""
    found = {task.name: stores.registry.serving(model_name(asked, task)) for task in asked.tasks}
    serving = {task: one for task, one in found.items() if one is not None}
    if not serving:
        raise no_champion(f"{asked.name} model")
    return serving


def _said(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "task": one.task,
            "what": one.what,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "because": [{"reason": reason.because, "weight": reason.weight} for reason in one.because],
            "sources": list(one.sources),
            "events": one.events,
        }
        for one in answer.said
    ]


def _refuse(stores: Stores, asked: ModelFamily, token: str) -> None:
    """Without revealing more than the owner may know: no such subject, or no consent for it."""
    if knows(stores, asked, token):
        raise no_consent(asked.purpose)
    raise unknown_subject("Nothing is known of this subject that this family reads.")
