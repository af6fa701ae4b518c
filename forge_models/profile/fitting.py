"""Fitting: the same questions of the training weeks for every candidate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from forge_models.family import Splits, TrainingRun
from forge_models.profile import decay as decays
from forge_models.profile import logistic
from forge_models.profile.asking import Asked, asked
from forge_models.profile.decay import OTHERS, Decay
from forge_models.profile.lines import lines
from forge_models.profile.models import (
    Decayed,
    Frequency,
    LastWeek,
    Pooled,
    ProfileModel,
    Sayer,
    last_week,
    pooled,
    width,
)


def fit(task: str, name: str, splits: Splits, config: Mapping[str, Any], run: TrainingRun) -> ProfileModel:
    """``name`` is a candidate's; without a question in the training part it says what is believed beforehand."""
    known = lines(splits.part("train"))
    questions = asked(known, 0)
    decay = decays.fit(questions)
    history: Any = ()
    report: dict[str, Any] = {"decay": _told(decay)}
    sayer: Sayer
    if name == "frequency":
        sayer = Frequency()
    elif name == "last_week":
        sayer = LastWeek(logistic.fit(last_week(questions), questions.came, 1.0))
    elif name == "decayed" or not len(questions):
        sayer = Decayed()
    elif name == "counting":
        sayer = _pooled(questions, decay, float(config["penalty"]))
    else:
        from forge_models.profile import network

        sayer, told, history = network.fit(known, decay, config, run)
        report["training"] = [told]
    return ProfileModel(task, dict(config), decay, sayer, report, history)


def _pooled(questions: Asked, decay: Decay, penalty: float) -> Pooled:
    facets = tuple(name for name in decay.facets if name != OTHERS)
    x = pooled(questions, decay, facets)
    assert x.shape[1] == width(facets)
    centre, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 1e-6, scale, 1.0)
    weights = logistic.fit((x - centre) / scale, questions.came, penalty)
    return Pooled(weights, centre, scale, facets)


def _told(decay: Decay) -> list[dict[str, Any]]:
    return [
        {"facet": facet, "half_life_weeks": decay.half_life(facet), "strength": float(strength),
         "mean": float(mean), "weeks_before_count": bool(whole)}
        for facet, (_, strength, mean, whole) in zip(decay.facets, decay.params, strict=True)
    ]  # fmt: skip
