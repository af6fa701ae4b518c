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
@click.option(
    "--exports", "with_exports", is_flag=True, help="List every export and what became of its files."
)
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
            document = {"home": str(settings.home), **of(stores, with_exports)}
    if as_json:
        print_json(document)
    else:
        show(document, with_exports)


def of(stores: Stores, with_files: bool = False) -> dict[str, Any]:
    """The state of a home, from its stores alone: nothing of Dagster is started."""
    from forge_resources.outcomes import Outcomes

    exports = [
        dict(zip(("partition", "source", "status", "code", "reason", "rows"), row, strict=True))
        for row in stores.database.rows(
            "select e.partition, source, status, code, reason, coalesce(sum(p.rows), 0)::bigint"
            " from forge.exports e left join forge.publications p using (partition)"
            " group by e.partition order by registered_at, 1"
        )
    ]
    if with_files:
        outcomes = Outcomes(stores.database)
        for export in exports:
            export |= outcomes.as_dict(export["partition"])
    return {
        "population": stores.exports.population(),
        "exports": exports,
        "sets": reports.sets(stores, [export["partition"] for export in exports]),
        "assets": assets(stores),
        "cache": {
            kind: one for kind, one in stores.cache.statistics().items() if one["hits"] + one["misses"]
        },
        "champions": {family: results.headlines(stores, family) for family in results.families(stores)},
    }


def show_exports(exports: list[dict[str, Any]]) -> None:
    """Each export with what became of its files; names of files only where one was set aside."""
    rows: list[tuple[Any, ...]] = []
    for export in exports:
        rows.append((export["partition"], export["status"], None, export["rows"], export["reason"] or ""))
        for group in export["files"]:
            why = group["reason"] or (f"by {group['reader']}" if group["reader"] else "")
            rows.append(("", f"  {group['state']}", group["files"], group["rows"], why))
        for what, word in (
            ("broken", "records set aside"),
            ("passed_over", "records, no event"),
            ("mended", "records put right"),
        ):
            for reason, count in export["records"][what].items():
                rows.append(("", f"  {word}", None, count, reason))
        rows += [("", "  set aside", None, None, file["file"]) for file in export["set_aside"]]
    shown = [tuple("" if cell is None else cell for cell in row) for row in rows]
    reports.table(("export", "outcome", "files", "rows", "why"), shown, right=(2, 3))


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


def cache_line(kinds: dict[str, Any]) -> str:
    """``prediction 12 of 20 (60 %)``: how many questions of each kind the cache answered."""
    return ", ".join(
        f"{kind} {one['hits']:,} of {one['hits'] + one['misses']:,} ({one['hit_rate']:.0%})"
        for kind, one in kinds.items()
    )


def show(document: dict[str, Any], with_exports: bool) -> None:
    exports = document["exports"]
    click.echo(f"home        {document['home']}")
    click.echo(f"population  {document['population'] or 'none yet: `forge ingest PATH` decides it'}")
    states = [export["status"] for export in exports]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    click.echo(f"exports     {counts or 'none'}, {sum(export['rows'] for export in exports):,} rows")
    if with_exports and exports:
        show_exports(exports)
    reports.show_sets(document.get("sets", []))
    for family, tasks in document.get("champions", {}).items():
        for found in tasks:
            task = f"{found['task']}: " if len(tasks) > 1 else ""
            click.echo(f"{family:<11} {task}{results.measured(found)}")
    if document.get("cache"):
        click.echo(f"cache       {cache_line(document['cache'])}")
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
