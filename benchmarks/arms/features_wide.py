"""The wide feature table of the online benchmark, and the first answer of a fresh process.

``features_wide ours|feast POSTGRES_URL REDIS_URL HOME``: imports, connects and reads all features of one entity.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.arms import measure

FEATURES = 100
PROJECT = "bench"


def table() -> Any:
    """A declared table that serves 60 floats and 40 counts of a subject and source."""
    from forge_core.features.contract import EXPORT, KNOWN_AT, SOURCE, SUBJECT, Column, FeatureTable, Unit

    served = tuple(
        Column(f"f{n:03d}", "int" if n % 5 < 2 else "float", f"feature {n}", served=True)
        for n in range(FEATURES)
    )
    return FeatureTable(
        name="wide", about="A hundred features.", key=("subject", "source"), unit=Unit.SUBJECT, inputs={},
        columns=(SUBJECT, SOURCE, *served, EXPORT, KNOWN_AT), select="", entity=("subject", "source"),
    )  # fmt: skip


def subject(number: int) -> str:
    return f"p_{number:020d}"


def rows(entities: int) -> str:
    """SQL that fills it: counts that are often small, floats of all digits, one value in ten unknown."""
    wide = table()
    values = ", ".join(
        f"case when (i + {n}) % 10 <> 0 then"
        + (
            f" ((i * 7919 + {n}) % 1000)::bigint end"
            if column.type == "int"
            else f" sqrt(i + {n}::float8) end"
        )
        for n, column in enumerate(wide.served)
    )
    return (
        f"insert into {wide.address} select 'p_' || lpad(i::text, 20, '0'), 's', {values}, 'e',"
        f" timestamptz '2026-01-01' + i * interval '1 second' from generate_series(0, {entities - 1}) i"
    )


def ours(postgres: str, redis: str, home: str) -> dict:
    from forge_resources.feature_store import FeatureStore
    from forge_resources.postgres import Database

    features = FeatureStore(Database(postgres), redis, Path(home), PROJECT, [table()])
    return features.online("wide", [(subject(1), "s")])[0]


def feast(postgres: str, redis: str, home: str) -> dict:
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(Path(home) / "feast"))
    names = [f"wide:{column.name}" for column in table().served]
    return store.get_online_features(names, [{"subject": subject(1), "source": "s"}]).to_dict()


if __name__ == "__main__":
    found = {"ours": ours, "feast": feast}[sys.argv[1]](*sys.argv[2:])
    measure.done(1, values=sum(name.startswith("f0") for name in found))
