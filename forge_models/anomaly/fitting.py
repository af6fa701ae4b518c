"""From training rows to a model: the view, the rarities, a detector, and the calibration on the same days.

Scores of training rows are prequential where the detector is a count; a network is calibrated on the last fifth of the
days, which it was not trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from forge_models.anomaly import account, calibration, forest, neighbours, routine, tails
from forge_models.anomaly.models import (
    AnomalyModel,
    Detector,
    Everything,
    Evidence,
    Near,
    Raw,
    View,
    Woods,
    alike,
    fitted_tails,
)
from forge_models.anomaly.streams import Streams, streams
from forge_models.family import Splits, TrainingRun

MOST_ROWS = 200_000  # that a detector is fitted on: more move no tail and no tree
VOLUME = {"account": ("burst_1h", "burst_24h"), "routine": ("events",)}
COLUMNS = {
    "account": (
        "events_1h", "events_24h", "failures_1h", "failures_24h", "new_item", "new_device", "new_network",
        "new_country", "hour_rarity",
    ),
    "routine": routine.NAMES,
}  # fmt: skip
Made = tuple[Detector, Mapping[str, Any], Any]  # the detector, rows of its report, its history


def fit(
    task: str,
    kind: str,
    splits: Splits,
    config: Mapping[str, Any],
    run: TrainingRun,
) -> AnomalyModel:
    """``kind``: volume, tails, rarity, neighbours, forest, autoencoder or sequence."""
    seen = streams(splits.part("train"))
    view: View = account.fit(seen) if task == "account" else routine.fit(seen)
    values, _ = view.values(seen)
    old = calibration.learned(seen)
    known = old if old.sum() >= 200 else np.ones(len(seen), bool)  # the first days are all surprise
    own = tails.fit(values[known], view.two_sided)
    rare = own(values)
    judged = known
    history: Any = ()
    report: dict[str, Any] = {}
    if kind in DETECTORS:
        detector = DETECTORS[kind](task, view, seen, rare[_sample(known, run.seed)], config, run.seed)
    else:
        from forge_models.anomaly import autoencoder, sequence

        late = seen.day >= _last_fifth(seen)
        learn: Callable[..., Any] = autoencoder.fit if kind == "autoencoder" else sequence.fit
        detector, row, history = learn(task, view, seen, rare, known, late, config, run)
        report = {"training": [row]}
        judged = known & late if (known & late).sum() >= 200 else known
    scores = detector.scores(rare, seen, view) if len(seen) else np.zeros(0)
    found = calibration.fit(seen, _below(scores, judged), judged)
    report |= {"calibration": [_told(seen, found)]}
    return AnomalyModel(task, dict(config), view, own, detector, found, report, history)


def _below(scores: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Scores that must not be judged are moved below all others."""
    if judged.all() or not judged.any():
        return scores
    return np.where(judged, scores, scores[judged].min())


def _sample(known: np.ndarray, seed: int) -> np.ndarray:
    rows = np.flatnonzero(known)
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).permutation(rows)[:MOST_ROWS])


def _last_fifth(seen: Streams) -> int:
    days = np.unique(seen.day)
    return int(days[int(0.8 * (len(days) - 1))]) + 1 if len(days) > 1 else 0


def _told(seen: Streams, found: calibration.Calibration) -> dict[str, Any]:
    days = int(calibration.day_of_rows(seen)[-1]) + 1 if len(seen) else 0
    return {
        "days": days,
        "tail_starts_at": round(found.start, 4),
        "tail_share": round(found.share, 4),
        "tail_scale": round(found.scale, 4),
        "tail_shape": round(found.shape, 4),
    }


def _volume(task: str, view: View, *_: Any) -> Detector:
    return Evidence((tuple(view.names.index(name) for name in VOLUME[task]),))


def _tails(task: str, view: View, seen: Streams, *_: Any) -> Detector:
    names = COLUMNS[task]
    return Raw(names, fitted_tails(seen, names, view.two_sided))


def _rarity(task: str, view: View, seen: Streams, rare: np.ndarray, config: Any, seed: int) -> Detector:
    return Evidence(alike(view.names)) if config.get("sum", "beyond") == "beyond" else Everything()


def _neighbours(task: str, view: View, seen: Streams, rare: np.ndarray, config: Any, seed: int) -> Detector:
    return Near(neighbours.fit(rare, seed, int(config["draws"]), int(config["points"]))[0])


def _forest(task: str, view: View, seen: Streams, rare: np.ndarray, config: Any, seed: int) -> Detector:
    return Woods(forest.fit(rare, seed, int(config["trees"])))


DETECTORS: Mapping[str, Callable[..., Detector]] = {
    "volume": _volume,
    "tails": _tails,
    "rarity": _rarity,
    "neighbours": _neighbours,
    "forest": _forest,
}
