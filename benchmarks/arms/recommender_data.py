"""The public sets of the recommender benchmark, each with its protocol; made once and read by every arm.

``python -m benchmarks.arms.recommender_data SET PROTOCOL FILE`` writes ``FILE`` (npz), one row per interaction:
``subject`` and ``item`` codes in the order of their ids, ``position``, ``time`` (microseconds, or the least integer
where unknown) and ``part`` (0 train, 1 validation, 2 test); ``subjects`` and ``items`` are the ids.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("train", "validation", "test")
NO_TIME = np.iinfo(np.int64).min
PROTOCOLS = {
    "leave_last_out": "leave-last-out: each subject's last item is the test, the one before it validation",
    "temporal": "global temporal split 80/10/10 by time; all later items of a subject are targets",
    "given": "the split that is published with the set; positions are drawn, for the order is unknown",
}
RANKING = "full ranking of the items known to training, seen items filtered; an unknown target is never found"
# set -> folder below FORGE_DATA, protocols
SETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ml-1m": ("rec-ml-1m", ("leave_last_out",)),
    "ml-100k": ("rec-ml-100k", ("leave_last_out", "temporal")),
    "toys": ("rec-s3rec-5core", ("leave_last_out",)),
    "sports": ("rec-s3rec-5core", ("leave_last_out",)),
    "citeulike": ("rec-citeulike-lightgcnpp", ("given",)),
}


def folder(name: str) -> Path:
    return Path(os.environ.get("FORGE_DATA", ROOT.parent / "shared" / "data")) / SETS[name][0]


def missing(names: list[str]) -> list[str]:
    return [name for name in names if not folder(name).is_dir()]


def read(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Users, items, times or None, parts or None; rows of a user in the order of the set."""
    place = folder(name)
    if name == "ml-1m":
        pairs = np.loadtxt(place / "ml-1m.txt", dtype=np.int64)
        return pairs[:, 0], pairs[:, 1], None, None
    if name == "ml-100k":
        rows = np.loadtxt(place / "ml-100k.inter", skiprows=1)
        return rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), rows[:, 3] * 1e6, None
    if name == "citeulike":
        files = [np.loadtxt(place / f"{part}.txt", dtype=np.int64) for part in ("train", "valid", "test")]
        rows = np.concatenate(files)
        order = np.random.default_rng(0).permutation(len(rows))
        parts = np.repeat(np.arange(3), [len(file) for file in files])
        return rows[order, 0], rows[order, 1], None, parts[order]
    file = {"toys": "Toys_and_Games.txt", "sports": "Sports_and_Outdoors.txt"}[name]
    lines = [np.array(line.split(), np.int64) for line in (place / file).read_text().splitlines()]
    users = np.repeat([line[0] for line in lines], [len(line) - 1 for line in lines])
    return users, np.concatenate([line[1:] for line in lines]), None, None


def make(name: str, protocol: str, file: Path) -> None:
    """The rows of the set, split by the family itself, or as given."""
    from forge_core import keys
    from forge_models.recommender import NEXT_ITEMS, Recommender

    users, items, times, parts = read(name)
    if times is not None:
        order = np.lexsort((items, times, users))
        users, items, times = users[order], items[order], times[order]
    order = np.argsort(users, kind="stable")
    position = np.empty(len(users), np.int64)
    position[order] = np.arange(len(users)) - np.searchsorted(users[order], users[order])
    table = _table(users, items, position, times)
    if protocol != "given":
        rows = Recommender(protocol).split(NEXT_ITEMS, {keys.INTERACTIONS: table}).rows  # type: ignore[arg-type]
    else:
        import pyarrow as pa

        assert parts is not None
        rows = table.append_column("split", pa.array(np.array(PARTS)[parts]))
    write(rows, file)


def write(rows: Any, file: Path) -> None:
    import pyarrow as pa

    from forge_models.recommender.interactions import codes, sorted_unique

    subjects, items = sorted_unique(rows["subject"]), sorted_unique(rows["item"])
    time = rows["first_time"].cast(pa.int64()).fill_null(int(NO_TIME)).to_numpy()
    np.savez(
        file,
        subject=codes(rows["subject"], subjects),
        item=codes(rows["item"], items),
        position=rows["position"].to_numpy(),
        time=time,
        part=codes(rows["split"], pa.array(PARTS)),
        subjects=np.array(subjects.to_pylist()),
        items=np.array(items.to_pylist()),
    )


def splits(file: Path, strategy: str) -> Any:
    """The file as the family's ``Splits``."""
    from forge_models.family import Splits

    data = np.load(file)
    users, items = data["subjects"][data["subject"]], data["items"][data["item"]]
    times = None if (data["time"] == NO_TIME).any() else data["time"]
    rows = _table(users, items, data["position"], times)
    import pyarrow as pa

    parted = rows.append_column("split", pa.array(np.array(PARTS)[data["part"]]))
    return Splits(parted, {}, "leave_last_out" if strategy == "given" else strategy)


def _table(users: np.ndarray, items: np.ndarray, position: np.ndarray, times: np.ndarray | None) -> Any:
    """``features/interactions``, of which the columns that recommenders read."""
    import pyarrow as pa

    n, kind = len(users), pa.timestamp("us", tz="UTC")
    time = pa.nulls(n, kind) if times is None else pa.array(times.astype(np.int64)).cast(kind)
    columns = {
        "subject": pa.array(users.astype(str)),
        "item": pa.array(items.astype(str)),
        "first_time": time,
        "position": pa.array(position),
        "ordered_only": pa.array(np.full(n, times is None)),
    }
    return pa.table(columns)


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    held = np.load(sys.argv[3])
    counts = {"subjects": len(held["subjects"]), "items": len(held["items"]), "rows": len(held["part"])}
    print(json.dumps({**counts, "seconds": 0.0}))
