"""The public sets of the behaviour benchmark: check-ins as timelines, and series with the origins they are foretold at.

``places()``: rows of the form of ``forge_models.behavior.sequences``, split 80/10/10 within each user.
``series(NAME)``: dict of ``values`` (a list), ``origins`` (of each), ``season`` of the peers and of MASE, ``horizon``.
Run as a module with a name and a file, it writes the series for arms of other environments.
"""

from __future__ import annotations

import csv
import gzip
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "foursquare": "behaviour-foursquare-nyc-stan",
    "m4-weekly": "behaviour-m4-subset",
    "bike": "behaviour-bikeshare-uci",
    "ett-h1": "behaviour-ett",
}
SPLIT = "80/10/10 of each user's check-ins by time; counts of all models go on with every check-in that came before"
APRIL_2012 = 1_333_238_400  # a Sunday, as the set's minutes have no date; UTC
HOURLY_HORIZON, HOURLY_SEASON, WEEKLY_HORIZON = 24, 24, 13


def folder(name: str) -> Path:
    return Path(os.environ.get("FORGE_DATA", ROOT.parent / "shared" / "data")) / FOLDERS[name]


def missing(names: list[str]) -> list[str]:
    return [name for name in names if not folder(name).is_dir()]


def places(every: int = 1) -> Any:
    """A ``pyarrow.Table`` of all check-ins of every ``every``-th user."""
    import pyarrow as pa

    rows = np.load(folder("foursquare") / "NYC.npy").astype(np.int64)
    rows = rows[rows[:, 0] % every == 0]
    rows = rows[np.lexsort((rows[:, 1], rows[:, 2], rows[:, 0]))]
    time = pa.array((APRIL_2012 + rows[:, 2] * 60) * 1_000_000, pa.timestamp("us", "UTC"))
    first = np.concatenate([[True], rows[1:, 0] != rows[:-1, 0]])
    start = np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))
    text = {
        "subject": [f"{user:05d}" for user in rows[:, 0]],
        "position": np.arange(len(rows)) - start,
        "label": [f"{place:05d}" for place in rows[:, 1]],
        "time": time,
        "until": pa.nulls(len(rows), pa.timestamp("us", "UTC")),
        "source": ["foursquare"] * len(rows),
        "export": ["foursquare-nyc"] * len(rows),
    }
    return pa.table(text)


def series(name: str, origins: int) -> dict[str, Any]:
    """``origins``: of an hourly series, evenly over its last fifth; a weekly one is foretold once, as M4 asks."""
    if name == "m4-weekly":
        train, test = (_wide(folder(name) / f"Weekly-{part}.csv") for part in ("train", "test"))
        values = [np.concatenate(pair) for pair in zip(train, test, strict=True)]
        at = [np.array([len(one)]) for one in train]
        return {"values": values, "origins": at, "season": 1, "horizon": WEEKLY_HORIZON}
    values = _bike() if name == "bike" else _ett()
    n = len(values[0])
    days = np.linspace(int(0.8 * n) // 24 + 1, (n - HOURLY_HORIZON) // 24 - 1, origins).astype(int)
    at = [np.unique(days) * 24] * len(values)
    return {"values": values, "origins": at, "season": HOURLY_SEASON, "horizon": HOURLY_HORIZON}


def save(name: str, origins: int, every: int, out: Path) -> None:
    """For the peers: every ``every``-th series, for some of them take a minute each."""
    made = series(name, origins)
    chosen = range(0, len(made["values"]), every)
    arrays = {f"values.{number}": made["values"][number] for number in chosen}
    arrays |= {f"origins.{number}": made["origins"][number] for number in chosen}
    np.savez(out, season=made["season"], horizon=made["horizon"], numbers=np.array(list(chosen)), **arrays)


def scale(values: np.ndarray, origin: int, season: int) -> float:
    """The denominator of MASE: seasonal naive's mean absolute error on what came before; one for all models."""
    past = values[:origin]
    return float(np.abs(past[season:] - past[:-season]).mean())


def _wide(file: Path) -> list[np.ndarray]:
    with open(file) as lines:
        rows = csv.reader(lines)
        next(rows)
        return [np.array([float(x) for x in row[1:] if x != ""]) for row in rows]


def _bike() -> list[np.ndarray]:
    """Rentals of each hour of two years; hours that the set leaves out had none."""
    with gzip.open(folder("bike") / "bikeshare.csv.gz", "rt") as lines:
        rows = list(csv.DictReader(lines))
    values = [float(row["riders"]) for row in rows]
    hours = [int(row["hour"]) for row in rows]
    filled: list[float] = []
    for value, hour in zip(values, hours, strict=True):
        while len(filled) % 24 != hour:
            filled.append(0.0)
        filled.append(value)
    return [np.array(filled[: len(filled) // 24 * 24])]


def _ett() -> list[np.ndarray]:
    """Six loads and the oil temperature; the first day begins at midnight."""
    with open(folder("ett-h1") / "ETTh1.csv") as lines:
        rows = list(csv.reader(lines))
    table = np.array([[float(x) for x in row[1:]] for row in rows[1:]])
    table = table[: len(table) // 24 * 24]
    return [table[:, column].copy() for column in range(table.shape[1])]


if __name__ == "__main__":
    save(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
