"""``forge alerts``: what was unusual, why, and what its owner says of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from forge_cli import reports
from forge_cli.output import json_option, print_json


@click.command(name="alerts")
@click.argument("verdict", required=False, type=click.Choice(["ack", "false"]))
@click.argument("identifier", required=False, metavar="ID")
@click.option("--all", "every", is_flag=True, help="Closed and false ones, too.")
@click.option("--dry-run", is_flag=True, help="Show which one is meant; write nothing.")
@json_option
def command(verdict: str | None, identifier: str | None, every: bool, dry_run: bool, as_json: bool) -> None:
    """List open incidents, or say of one that it was seen (ack ID) or is none (false ID).

    Forge learns from it: what was false is expected in the next build.
    """
    if (verdict is None) != (identifier is None):
        raise click.UsageError("Name the incident: forge alerts ack ID, or forge alerts false ID.")
    from forge_cli.session import servers
    from forge_resources import alerts

    with servers() as (_, stores):
        population = stores.exports.population()
        if verdict is not None:
            answer = alerts.judge(stores, verdict, str(identifier), dry_run)
        else:
            answer = {"population": population, "incidents": alerts.incidents(stores, every)}
    if as_json:
        print_json(answer)
    elif verdict is not None:
        verb = "Would note" if dry_run else "Noted"
        click.echo(
            f"{verb}: {answer['item']} {answer['verdict']}. `forge build insights/alerts` learns from it."
        )
    else:
        show(answer)


def show(answer: dict[str, Any]) -> None:
    found = answer["incidents"]
    if not found:
        click.echo("No open incident.")
        return
    rows = [
        (one["incident"], _when(one["time"]), one["alerts"], one["what"], one["source"], one["state"])
        for one in found
    ]
    reports.table(("incident", "began (UTC)", "alerts", "what", "source", "state"), rows, right=(2,))
    if answer["population"] == "synthetic":
        click.echo(reports.SYNTHETIC)


def _when(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
