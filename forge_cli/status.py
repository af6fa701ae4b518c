"""``forge status``: what is there, and what of it is stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from forge_cli import reports, results
from forge_cli.output import json_option, print_json
from forge_core import keys

if TYPE_CHECKING:
    from forge_resources.stores import Stores
    from forge_resources.versions import Version


@click.command(name="status")
@click.option("--exports", "with_exports", is_flag=True, help="List every export.")
@json_option
def command(with_exports: bool, as_json: bool) -> None:
    """Show the population, exports, assets and champions of this home."""
    from forge_cli.session import servers
    from forge_resources.settings import load_settings

    settings = load_settings()
    if not settings.home.is_dir() and settings.postgres_url is None:
        # looking must not make a home
        document: dict[str, Any] = {"home": str(settings.home), "population": None}
        document |= {"exports": [], "assets": []}
    else:
        with servers(settings) as (_, stores):
            document = {"home": str(settings.home), **of(stores)}
    if as_json:
        print_json(document)
    else:
        show(document, with_exports)


def of(stores: Stores) -> dict[str, Any]:
    """The state of a home, from its stores alone: nothing of Dagster is started."""
    exports = [
        dict(zip(("partition", "source", "status", "code", "reason", "rows"), row, strict=True))
        for row in stores.database.rows(
            "select e.partition, source, status, code, reason, coalesce(sum(p.rows), 0)::bigint"
            " from forge.exports e left join forge.publications p using (partition)"
            " group by e.partition order by registered_at, 1"
        )
    ]
    return {
        "population": stores.exports.population(),
        "exports": exports,
        "assets": assets(stores),
        "champions": {family: results.headline(stores, family) for family in results.families(stores)},
    }


def assets(stores: Stores) -> list[dict[str, Any]]:
    """Every asset that was ever built or refused, with rows, time, and whether an input has changed since."""
    versions = stores.versions.all()
    known = results.built_at(stores)
    counts = results.rows_of(stores, known)
    return [
        {
            "asset": asset,
            "state": state,
            "stale": stale(asset, stores, versions),
            "rows": counts.get(asset),
            "built_at": when.isoformat(timespec="seconds"),
            "note": note,
        }
        for asset, (state, note, when) in sorted(known.items())
    ]


def stale(asset: str, stores: Stores, versions: dict[str, Version]) -> bool:
    """An input's content is not what the asset was made of. (Changed code: ``forge build --dry-run``.)"""
    last = versions[asset]
    purpose = asset.removeprefix("governance/consent/")
    if purpose in keys.PURPOSES and purpose != asset:
        return last.data_version != stores.consent.version(purpose)
    return any(i in versions and versions[i].data_version != seen for i, seen in last.inputs.items())


def show(document: dict[str, Any], with_exports: bool) -> None:
    exports = document["exports"]
    click.echo(f"home        {document['home']}")
    click.echo(f"population  {document['population'] or 'none yet: `forge ingest PATH` decides it'}")
    states = [export["status"] for export in exports]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    click.echo(f"exports     {counts or 'none'}, {sum(export['rows'] for export in exports):,} rows")
    if with_exports and exports:
        rows = [(e["partition"], e["status"], e["rows"], e["reason"] or "") for e in exports]
        reports.table(("export", "status", "rows", ""), rows, right=(2,))
    for family, found in document.get("champions", {}).items():
        if found:
            beside = ", ".join(f"{name} {value:.4f}" for name, value in found["baselines"].items())
            click.echo(f"{family:<11} {found['candidate']} {found['name']} {found['value']:.4f} ({beside})")
    if document["assets"]:
        reports.table(
            ("asset", "state", "rows", "built", "note"),
            [
                (
                    a["asset"],
                    f"{a['state']}, stale" if a["stale"] else a["state"],
                    "" if a["rows"] is None else a["rows"],
                    a["built_at"][:16].replace("T", " "),
                    a["note"] or "",
                )
                for a in document["assets"]
            ],
            right=(2,),
        )
    else:
        click.echo("assets      none yet: `forge build` makes them")
    if document["population"] == "synthetic":
        click.echo(reports.SYNTHETIC)
