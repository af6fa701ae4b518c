"""Why a question about a subject gets no answer, in the same words whichever family was asked."""

from __future__ import annotations

from forge_core.errors import Refused, UsageError


def no_champion(model: str) -> Refused:
    """``model``: what is not in service, as a person calls it."""
    return Refused(
        "FORGE-NO-CHAMPION",
        f"No {model} is in service.",
        "None was better than its baselines, or there is too little data yet (learning mode).",
        "Look at `forge status`.",
    )


def no_consent(purpose: str) -> Refused:
    return Refused(
        "FORGE-CONSENT",
        f"This subject's data may not be used to {purpose}.",
        f"Consent for the purpose '{purpose}' is absent, denied or expired.",
        "Grant it with `forge ingest … --consent all`.",
    )


def unknown_subject(
    what: str,
    fix: str = "Subjects are named by --as at ingest (default: the archive's account, else 'me').",
) -> UsageError:
    """``what``: the sentence that says of what nothing is known."""
    return UsageError(
        "FORGE-SUBJECT-UNKNOWN", what, "The name differs, or the features are not built yet.", fix
    )
