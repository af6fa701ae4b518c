"""``forge models``: registered versions, their aliases and how good they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from forge_cli import reports, results
from forge_cli.output import json_option, print_json

if TYPE_CHECKING:
    from forge_resources.stores import Stores


@click.command(name="models")
@json_option
def command(as_json: bool) -> None:
    """List the registered models."""
    from forge_cli.session import servers

    with servers() as (_, stores):
        found = listed(stores)
        document = {
            "population": stores.exports.population(),
            "models": found,
            "metrics": {family: results.headlines(stores, family) for family in results.families(stores)},
        }
    if as_json:
        print_json(document)
    else:
        show(document)


def listed(stores: Stores) -> list[dict[str, Any]]:
    """The versions of every family; the registry is not even opened where nothing was ever trained."""
    if not stores.database.value("select exists (select from forge.versions where asset like '%%/model')"):
        return []
    return stores.registry.models()


def show(document: dict[str, Any]) -> None:
    if not document["models"]:
        click.echo("No model is registered yet: `forge build` trains them.")
        return
    rows = []
    for model in document["models"]:
        made = datetime.fromtimestamp(model["created"] / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        tags = model["tags"]
        rows.append(
            (
                model["family"],
                f"v{model['version']}",
                ", ".join(model["aliases"]),
                tags.get("candidate", ""),
                made,
            )
        )
    reports.table(("family", "version", "alias", "candidate", "made (UTC)"), rows)
    for family, tasks in document["metrics"].items():
        for found in tasks:
            name = family if len(tasks) == 1 else f"{family} {found['task']}"
            click.echo(f"{name}, last evaluation: {results.measured(found)}")
    if document["population"] == "synthetic":
        click.echo(reports.SYNTHETIC)
