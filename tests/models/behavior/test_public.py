"""On public sets: the counting tier beats the Markov baselines on check-ins, and learns the day of a home."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from forge_models.behavior import Behavior
from forge_models.behavior.description import PLACES
from forge_models.behavior.splitting import split_events
from forge_models.family import Splits, TrainingRun
from tests.models.behavior import lives
from tests.models.data import public


def mrr(family: Behavior, task: int, name: str, splits: Splits) -> float:
    one = next(one for one in family.tasks[task].candidates if one.name == name)
    model = one.fit(splits, one.configs("quick")[0], TrainingRun(Path("/nonexistent")))
    return family.evaluate(family.tasks[task], model, splits, "test").metrics["mrr"].value


@pytest.mark.data
def test_counting_beats_the_baselines_on_check_ins() -> None:
    rows = np.load(public("behaviour-foursquare-nyc-stan") / "NYC.npy").astype(np.int64)
    rows = rows[rows[:, 0] % 20 == 0]
    table = pa.table(
        {
            "subject": [str(user) for user in rows[:, 0]],
            "place": [f"{place:05d}" for place in rows[:, 1]],
            "arrived_at": pa.array(lives.START + rows[:, 2] * 60_000_000, lives.TIME),
            "left_at": pa.nulls(len(rows), lives.TIME),
            "source": ["foursquare"] * len(rows),
            "export": ["one"] * len(rows),
        }
    )
    family = Behavior("per_subject")
    splits = family.split(family.tasks[0], {PLACES: table})
    assert set(family.leakage(family.tasks[0], splits).values()) == {0}
    baselines = [mrr(family, 0, name, splits) for name in ("hour_markov", "markov", "most_frequent")]
    assert mrr(family, 0, "counting", splits) > 1.03 * max(baselines)


@pytest.mark.data
def test_the_day_of_a_home_is_learned() -> None:
    file = public("behaviour-uci-adl-ordonez") / "OrdonezB_ADLs.txt"
    told = [line.split() for line in file.read_text().splitlines()[2:] if line.strip()]
    times = [[datetime.fromisoformat(f"{one[at]} {one[at + 1]}+00:00") for at in (0, 2)] for one in told]
    table = pa.table(
        {
            "subject": ["b"] * len(told),
            "position": np.arange(len(told)),
            "label": [one[4] for one in told],
            "time": pa.array([start for start, _ in times], lives.TIME),
            "until": pa.array([end for _, end in times], lives.TIME),
            "source": ["sensors"] * len(told),
            "export": ["one"] * len(told),
        }
    )
    family = Behavior()
    splits = split_events(table, "temporal")
    assert set(family.leakage(family.tasks[1], splits).values()) == {0}
    assert mrr(family, 1, "counting", splits) > mrr(family, 1, "markov", splits) + 0.02
