"""What each asset was built from: its content version and those of its inputs. Staleness is decided here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forge_core import keys
from forge_resources.postgres import Database

BUILT, REFUSED = "built", "refused"


@dataclass(frozen=True)
class Version:
    """The last outcome of an asset: built, or refused with the reason in ``note``."""

    state: str
    data_version: str
    code_version: str
    inputs: Mapping[str, str]
    note: str | None = None


class Versions:
    """The table ``forge.versions``, plus the versions of raw tables, which have one part per export."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def record(self, asset: str, version: Version, run_id: str) -> None:
        with self.database.transaction() as connection:
            connection.execute(
                "insert into forge.versions values (%s, %s, %s, %s, %s, %s, %s, now()) on conflict (asset) do update"
                " set state = excluded.state, data_version = excluded.data_version, code_version ="
                " excluded.code_version, inputs = excluded.inputs, note = excluded.note, run_id = excluded.run_id,"
                " built_at = now()",
                (
                    asset,
                    version.state,
                    version.data_version,
                    version.code_version,
                    json.dumps(dict(version.inputs)),
                    version.note,
                    run_id,
                ),
            )

    def all(self) -> dict[str, Version]:
        """Every asset's last outcome; raw tables count as built from the exports published so far."""
        stored = {
            asset: Version(state, data, code, inputs, note)
            for asset, state, data, code, inputs, note in self.database.rows(
                "select asset, state, data_version, code_version, inputs, note from forge.versions"
            )
        }
        return stored | self._raw()

    def current(self, assets: Sequence[str]) -> dict[str, str]:
        """The content versions of ``assets`` now, to be recorded as the inputs of what is built from them."""
        known = self.all()
        return {asset: known[asset].data_version for asset in assets if asset in known}

    def _raw(self) -> dict[str, Version]:
        published: dict[str, list[str]] = {kind: [] for kind in keys.KINDS}
        for kind, partition, digest in self.database.rows(
            "select kind, p.partition, digest from forge.publications p join forge.exports e using (partition)"
            " where e.status = 'published' order by 1, 2"
        ):
            published[kind].append(f"{partition}:{digest}")
        return {
            keys.raw(kind): Version(BUILT, hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16], "", {})
            for kind, parts in published.items()
        }
