"""The pictures of a chosen model: what was said against what was, the week as a heat map, a forecast with its band."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from forge_models.behavior import evaluating, series
from forge_models.behavior.evidence import DAYS
from forge_models.behavior.instants import day_of_week, hour_of_day
from forge_models.behavior.timelines import timelines
from forge_models.family import Splits
from forge_models.pictures import Band, Bars, Heat, Matrix, Picture

LABELS = 8  # the most frequent; the rest is one row
SHOWN = 14  # days of a forecast
BINS = 10


def events(model: Any, splits: Splits) -> Mapping[str, Picture]:
    """Labels as the tables name them: a place id, a cell, a kind of activity; counts over all subjects."""
    counts = np.zeros(len(model.vocabulary), np.int64)
    asked = []
    heat = np.zeros((7, 24))
    for line in timelines(splits.rows, model.vocabulary):
        inside = line.labels[line.labels < line.known]
        counts += np.bincount(inside, minlength=len(counts))
        np.add.at(heat, (day_of_week(line.start), hour_of_day(line.start).astype(int)), 1)
        targets = np.flatnonzero(line.part == 2)
        targets = targets[targets > 0]
        if len(targets):
            chances = model.probabilities(line, targets)
            asked.append((line.labels[targets], chances.argmax(1), chances.max(1)))
    often = np.argsort(-counts, kind="stable")[:LABELS]
    names = [model.vocabulary[code] for code in often] + ["other"]
    matrix = np.zeros((len(names), len(names)))
    place = {int(code): at for at, code in enumerate(often)}
    sure, right = np.zeros(0), np.zeros(0)
    for was, said, chance in asked:
        for a, b in zip(was.tolist(), said.tolist(), strict=True):
            matrix[place.get(a, len(often)), place.get(b, len(often))] += 1
        sure, right = np.concatenate([sure, chance]), np.concatenate([right, was == said])
    found: dict[str, Picture] = {
        "said_and_was": Matrix(
            "What was (rows) and what was said (columns), test part", names, names, matrix
        ),
        "week": Heat(
            "When it happens: weekdays by hours, UTC",
            [day[:-1] for day in DAYS],
            [str(h) for h in range(24)],
            heat,
        ),
    }
    if len(sure):
        bins = np.minimum((sure * BINS).astype(int), BINS - 1)
        there = [b for b in range(BINS) if (bins == b).any()]
        shares = np.array([right[bins == b].mean() for b in there])
        labels = [f"{b * 10}-{b * 10 + 10} % sure" for b in there]
        found["calibration"] = Bars("Share that came true, by how sure the model was", labels, shares)
    return found


def loads(model: Any, splits: Splits, step: int) -> Mapping[str, Picture]:
    """The last days of the test part of the busiest series of each measure, forecast from each midnight."""
    found: dict[str, Picture] = {}
    for measure in series.MEASURES:
        lines = [one for one in series.from_rows(splits.rows, step) if one.measure == measure]
        if not lines:
            continue
        load = max(lines, key=lambda one: float(one.values.sum()))
        ahead = min(load.block, model.horizon)
        origins = evaluating.asked(load, 2, model.horizon)[-SHOWN:]
        if len(origins):
            said = model.forecast(load, origins)
            index = (origins[:, None] + np.arange(ahead)).ravel()
            times = [datetime.fromtimestamp(int(load.at(int(i))) / 1e6, UTC) for i in index]
            point, low, high = (values[:, :ahead].ravel() for values in (said.point, said.low, said.high))
            title = f"{measure.replace('_', ' ')}: forecast a day ahead, and what came"
            found[f"{measure}_forecast"] = Band(title, times, load.values[index], point, low, high, measure)
        if load.block == 24:
            days = np.asarray(day_of_week(np.asarray(load.at(np.arange(0, len(load), 24)))))
            by_day = load.values.reshape(-1, 24)
            week = np.stack(
                [by_day[days == d].mean(0) if (days == d).any() else np.zeros(24) for d in range(7)]
            )
            found[f"{measure}_week"] = Heat(
                f"{measure.replace('_', ' ')} by weekday and hour, UTC", [d[:-1] for d in DAYS],
                [str(h) for h in range(24)], week,
            )  # fmt: skip
    return found
